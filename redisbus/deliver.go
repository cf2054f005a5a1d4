package redisbus

import "context"

// arrived takes an envelope from the Redis client, whose reader calls it and
// must not wait: all it does is to put it into a queue.
func (b *Bus) arrived(envelope string) {
	if b.in.put(envelope, len(envelope)) == nil {
		return
	}
	b.counts.overflow.CompareAndSwap(0, b.counts.dropped.Add(1))
	b.in.signal() // there may be nothing in it that would
}

// Of the buffer in which receive gets an envelope, this much is kept for the
// next one.
const keepBuffer = 1 << 20

// giveEvery is after how many envelopes their room in the queue is given back.
const giveEvery = 64

// deliver hands over what arrives until ctx ends.
func (b *Bus) deliver(ctx context.Context, receive func([]byte)) {
	var items []string
	var buf []byte
	reported := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.in.wake:
		}
		items = b.in.take(items)
		messages, size := 0, 0
		for i, envelope := range items {
			if ctx.Err() != nil {
				return
			}
			buf = append(buf[:0], envelope...)
			receive(buf)
			b.counts.received.Add(1)
			items[i] = "" // its memory is free from here on
			messages++
			size += len(envelope)
			if messages == giveEvery {
				b.in.give(messages, size)
				messages, size = 0, 0
			}
		}
		empty := b.in.give(messages, size)
		if cap(buf) > keepBuffer {
			buf = nil
		}
		reported = b.overflow(reported, empty)
	}
}

// overflow logs the start and the end of a time in which receive did not keep
// up, and reports whether one goes on.
func (b *Bus) overflow(reported, empty bool) bool {
	first := b.counts.overflow.Load()
	if first == 0 {
		return false
	}
	if !reported {
		b.cfg.Logger.Error("envelopes from redis are dropped: receive does not keep up", "name", b.cfg.Name)
	}
	if !empty {
		return true
	}
	b.counts.overflow.Store(0)
	b.cfg.Logger.Info("receive keeps up again", "name", b.cfg.Name, "dropped", b.counts.dropped.Load()-first+1)
	return false
}

package redisbus

import (
	"context"
	"log/slog"
	"time"
)

// arrived takes an envelope from the Redis client, whose reader calls it and
// must not wait: all it does is to put it into a queue.
func (b *Bus) arrived(envelope string) {
	if b.in.put(envelope, len(envelope)) == nil {
		return
	}
	n := b.counts.dropped.Add(1)
	if b.counts.overflow.Load() == 0 { // which nobody else sets
		b.counts.overflowed.Store(time.Now().UnixNano())
		b.counts.overflow.Store(n)
	}
	b.in.signal() // there may be nothing in it that would
}

// One call of receive gets so many envelopes and bytes at most, or one that is
// larger.
const (
	maxBatch      = 256
	maxBatchBytes = 64 << 10
)

// keepBuffer is how much of the buffer in which receive gets envelopes is kept
// for the next ones.
const keepBuffer = 1 << 20

// deliver hands over what arrives until ctx ends.
func (b *Bus) deliver(ctx context.Context, receive func(...[]byte)) {
	var items []string
	var g group
	reported := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.in.wake:
		}
		items = b.in.take(items)
		empty := b.in.give(0, 0)
		for rest := items; len(rest) > 0; {
			if ctx.Err() != nil {
				return
			}
			n := g.fill(rest)
			receive(g.envelopes...)
			b.counts.received.Add(uint64(n))
			clear(rest[:n]) // their memory is free from here on
			rest = rest[n:]
			empty = b.in.give(n, g.size)
		}
		reported = b.overflow(reported, empty)
	}
}

// group is what one call of receive gets, in a buffer that is used again.
type group struct {
	envelopes [][]byte
	buf       []byte
	size      int
}

// fill makes it consist of the first of items, and returns how many.
func (g *group) fill(items []string) (n int) {
	if cap(g.buf) > keepBuffer {
		g.buf = nil
	}
	g.envelopes, g.buf, g.size = g.envelopes[:0], g.buf[:0], 0
	for _, item := range items {
		if n == maxBatch || n > 0 && g.size+len(item) > maxBatchBytes {
			break
		}
		g.buf = append(g.buf, item...) // if it moves, the earlier slices keep the old one
		g.envelopes = append(g.envelopes, g.buf[g.size:len(g.buf):len(g.buf)])
		g.size += len(item)
		n++
	}
	return n
}

// overflow logs the start and the end of a time in which receive did not keep
// up, and reports whether one goes on.
func (b *Bus) overflow(reported, empty bool) bool {
	first := b.counts.overflow.Load()
	if first == 0 {
		return false
	}
	if !reported {
		b.limit.Log(slog.LevelError, "envelopes from redis are dropped: receive does not keep up", "name", b.cfg.Name, "redis", b.node())
	}
	if !empty {
		return true
	}
	from := time.Unix(0, b.counts.overflowed.Load())
	b.counts.overflow.Store(0)
	b.missed(from, time.Now())
	b.limit.Log(slog.LevelInfo, "receive keeps up again", "name", b.cfg.Name, "redis", b.node(), "dropped", b.counts.dropped.Load()-first+1)
	return false
}

package redisbus

import (
	"context"
	"log/slog"
	"time"
)

// arrived queues an envelope. The Redis client's reader calls it, so it must not
// block.
func (b *Bus) arrived(envelope string) {
	if b.in.put(envelope, len(envelope)) == nil {
		return
	}
	n := b.counts.dropped.Add(1)
	if b.counts.overflow.Load() == 0 { // only this goroutine sets it
		b.counts.overflowed.Store(time.Now().UnixNano())
		b.counts.overflow.Store(n)
	}
	b.in.signal() // wakes deliver even if the queue is empty
}

// Limits for one call of receive, except that a single envelope may be larger.
const (
	maxBatch      = 256
	maxBatchBytes = 64 << 10
)

// keepBuffer is the maximum size of a buffer that is kept for the next call of receive.
const keepBuffer = 1 << 20

// deliver calls receive with arriving envelopes until ctx is done.
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
			clear(rest[:n]) // so that their memory can be freed
			rest = rest[n:]
			empty = b.in.give(n, g.size)
		}
		reported = b.overflow(reported, empty)
	}
}

// group holds the envelopes of one call of receive, in a buffer that is reused.
type group struct {
	envelopes [][]byte
	buf       []byte
	size      int
}

// fill fills g with the first items, and returns their number.
func (g *group) fill(items []string) (n int) {
	if cap(g.buf) > keepBuffer {
		g.buf = nil
	}
	g.envelopes, g.buf, g.size = g.envelopes[:0], g.buf[:0], 0
	for _, item := range items {
		if n == maxBatch || n > 0 && g.size+len(item) > maxBatchBytes {
			break
		}
		g.buf = append(g.buf, item...) // if it is reallocated, earlier slices keep the old array
		g.envelopes = append(g.envelopes, g.buf[g.size:len(g.buf):len(g.buf)])
		g.size += len(item)
		n++
	}
	return n
}

// overflow logs when receive falls behind and when it has caught up. It reports whether an
// overflow is in progress; the caller passes that on to the next call as reported.
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

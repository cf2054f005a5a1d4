package redisbus

import (
	"context"
	"time"
)

// gap is a period in which envelopes may have been missed.
type gap struct{ from, until time.Time }

// missed records a gap. Gaps that NextGap has not yet returned are merged.
func (b *Bus) missed(from, until time.Time) {
	b.counts.gaps.Add(1)
	b.counts.gapTime.Add(int64(until.Sub(from)))
	b.mu.Lock()
	if b.gap.until.IsZero() {
		b.gap.from = from
	}
	b.gap.until = until
	b.mu.Unlock()
	select {
	case b.gapped <- struct{}{}:
	default:
	}
}

// NextGap waits for the end of a gap, a period in which envelopes of other instances and
// emitters may have been missed, and returns its bounds. A gap starts when the
// subscription was last known to deliver, or when the first envelope was dropped because
// receive did not keep up. All gaps since the last call are returned as one, from the
// start of the first to the end of the last. If ctx is done first, the error is
// [context.Cause] of ctx.
func (b *Bus) NextGap(ctx context.Context) (from, until time.Time, err error) {
	for {
		select {
		case <-b.gapped:
		case <-ctx.Done():
			return from, until, context.Cause(ctx)
		}
		b.mu.Lock()
		g := b.gap
		b.gap = gap{}
		b.mu.Unlock()
		if !g.until.IsZero() {
			return g.from, g.until, nil
		}
	}
}

package redisbus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Pauses between attempts to connect.
const (
	minPause = 50 * time.Millisecond
	maxPause = 2 * time.Second
)

// backoff is a row of growing pauses, each spread by chance over its upper half
// so that many instances don't come back at the same moment.
type backoff struct{ next time.Duration }

// wait pauses. It returns false when ctx has ended.
func (b *backoff) wait(ctx context.Context) bool {
	b.next = min(max(2*b.next, minPause), maxPause)
	timer := time.NewTimer(b.next/2 + rand.N(b.next/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// start makes the first link. It tries until ctx ends, the start timeout is
// over, or Redis gives an answer that will not change.
func (f *finder) start(ctx context.Context, onMessage func(string)) (*link, error) {
	limited, cancel := context.WithTimeout(ctx, f.cfg.StartTimeout)
	defer cancel()
	var pauses backoff
	var last error
	for {
		l, err := f.connect(limited, onMessage)
		if err == nil {
			return l, nil
		}
		if isRefusal(err) {
			return nil, fmt.Errorf("%s: %w", f.target, err)
		}
		// An attempt that was cut short says less than the one before.
		if last == nil || limited.Err() == nil {
			last = err
		}
		if limited.Err() == nil {
			f.cfg.Logger.Debug("redis is not ready", "name", f.cfg.Name, "redis", f.target.String(), "error", shown(err))
		}
		if !pauses.wait(limited) {
			break
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if errors.Is(last, context.DeadlineExceeded) {
		last = errors.New("it accepts connections and does not answer")
	}
	return nil, fmt.Errorf("%s not ready after %v: %w", f.target, f.cfg.StartTimeout, last)
}

package redisbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"
)

// Pauses between attempts to connect.
const (
	minPause = 50 * time.Millisecond
	maxPause = 2 * time.Second
)

// After a link that worked, the pauses start small again, but only maxFresh times, and then
// once per freshAgain on average. So a Redis that accepts connections and drops them
// immediately is not tried many times a second.
const (
	maxFresh   = 3
	freshAgain = 10 * time.Second
)

// backoff is a series of growing pauses, each randomized over its upper half so that many
// instances do not reconnect at the same moment.
type backoff struct {
	next  time.Duration
	spent []time.Time // recent times at which the pauses started small again
}

// worked records that a link worked. The next pause is then small, so that a failover that
// takes two attempts costs only milliseconds.
func (b *backoff) worked() {
	now := time.Now()
	b.spent = slices.DeleteFunc(b.spent, func(t time.Time) bool { return now.Sub(t) >= maxFresh*freshAgain })
	if len(b.spent) < maxFresh {
		b.spent = append(b.spent, now)
		b.next = 0
	}
}

// wait pauses. It returns false if ctx is done.
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

// start makes the first link. It retries until ctx is done, the start timeout has passed, or
// an attempt fails with a refusal.
func (f *finder) start(ctx context.Context, in *inbox) (*link, error) {
	limited, cancel := context.WithTimeout(ctx, f.cfg.StartTimeout)
	defer cancel()
	if w := f.cfg.warning(f.target); w != "" {
		f.limit.Log(slog.LevelWarn, w, "name", f.cfg.Name, "redis", f.target.String())
	}
	var pauses backoff
	var last error
	for {
		l, err := f.connect(limited, in)
		if err == nil {
			return l, nil
		}
		if isRefusal(err) {
			return nil, fmt.Errorf("%s: %w", f.target, err)
		}
		// The error of an attempt that was cut short is less informative.
		if last == nil || limited.Err() == nil {
			last = err
		}
		if limited.Err() == nil {
			f.limit.Log(slog.LevelWarn, "redis is not ready", "name", f.cfg.Name, "redis", f.target.String(), "error", err)
		}
		if !pauses.wait(limited) {
			break
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var known *timeout
	if errors.Is(last, context.DeadlineExceeded) && !errors.As(last, &known) {
		last = &timeout{f.cfg.StartTimeout} // the first attempt took the whole time
	}
	return nil, fmt.Errorf("%s not ready after %v: %w", f.target, f.cfg.StartTimeout, last)
}

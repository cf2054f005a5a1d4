package cron

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// anchor tells the store what the job does, and asks it what was run before the schedule
// was started. Instants since then were missed.
func (l *loop) anchor(ctx context.Context, v view) time.Duration {
	ahead := l.ahead.Load()
	plan := l.plan(v.schedule)
	state, err := l.query(ctx, Query{Begins: true, Ago: max(0, l.now().Sub(v.cursor)), Plan: plan})
	if err != nil {
		return retryAfter
	}
	was := state.Plan.Schedule
	changed := was != "" && was != plan.Schedule
	if changed {
		l.cfg.Logger.Info("the schedule changed and counts from now", "schedule", plan.Schedule, "before", was)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.version != v.version {
		return 0
	}
	l.planned, l.compared = true, time.Now()
	if l.anchored {
		return 0 // Reschedule counts from now
	}
	l.anchored = true
	// The cursor was set before the store's time was known.
	l.cursor = l.cursor.Add(time.Duration(ahead - l.ahead.Load()))
	if !state.Last.IsZero() && state.Last.Before(l.cursor) {
		l.cursor = state.Last
	}
	return 0
}

// lastClaimed asks the store for the newest instant that any process has run. It returns zero
// if another process follows a different schedule, because its instants say nothing about this
// one.
func (l *loop) lastClaimed(ctx context.Context, v view) (time.Time, error) {
	state, err := l.query(ctx, Query{})
	if err != nil {
		return time.Time{}, err
	}
	l.compared = time.Now()
	if !l.compare(l.plan(v.schedule), state.Plan) {
		return time.Time{}, nil
	}
	return state.Last, nil
}

// query asks the store about the job.
func (l *loop) query(ctx context.Context, q Query) (State, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	l.pulsed = time.Now()
	sent := l.cfg.Now()
	q.Job = l.cfg.Name
	state, err := l.cfg.Store.Last(ctx, q)
	l.noteStore(ctx, sent, state.Now, err)
	state.Last = state.Last.In(l.loc)
	return state, err
}

// wantsPulse reports whether it is time to query the store.
func (l *loop) wantsPulse(v view) bool {
	if l.cfg.Store == nil {
		return false
	}
	return l.astray || time.Since(l.compared) >= comparePeriod && l.storeErr == nil && time.Since(l.pulsed) < comparePeriod ||
		l.untilPulse(v.schedule.Next(v.cursor)) <= 0
}

// untilPulse returns how long to wait before the next query of the store, given the next
// instant.
func (l *loop) untilPulse(at time.Time) time.Duration {
	if l.cfg.Store == nil {
		return maxWait
	}
	since, left := time.Since(l.pulsed), at.Sub(l.now())
	spread := l.cfg.spread() // so that jobs that are due together don't query at the same time
	if far := left - pulse - time.Duration(spread*float64(pulse)); far > 0 || left < 0 {
		every := time.Duration((1 + spread) / 2 * float64(idlePulse))
		if l.storeErr != nil {
			every = awayPulse
		}
		if left < 0 { // it is past due and waits for its Jitter
			return every - since
		}
		return min(far, every-since)
	}
	if l.storeErr != nil {
		return retryAfter - since
	}
	return pulse - since
}

// noteStore adjusts the job's clock to the store's, and logs when the store becomes unreachable
// and reachable again.
func (l *loop) noteStore(ctx context.Context, sent, now time.Time, err error) {
	if err == nil {
		back := l.cfg.Now()
		local := sent.Add(back.Sub(sent) / 2).Round(0)
		differs := local.Sub(now).Abs() > Tolerance
		if differs && !l.differs {
			l.cfg.Logger.Warn("the local clock differs from the store's clock, which is used instead", "ahead", local.Sub(now))
		}
		l.differs = differs
		l.ahead.Store(int64(local.Sub(now)))
		l.astray = false
	}
	switch {
	case err != nil && errors.Is(context.Cause(ctx), context.Canceled): // Run is ending
		return
	case err != nil: // the limiter decides how often each cause is logged
		l.warn("the store is unreachable; nothing is run until it is back", "error", err)
	case err == nil && l.storeErr != nil:
		l.cfg.Logger.Info("the store is reachable again")
	}
	l.storeErr = err
}

// token returns the token of the loop's claims in a version of the schedule. Within a version
// the loop handles each instant once. If it reaches the instant again in another version, a
// lost answer from before must not be mistaken for the answer to the new claim.
func (l *loop) token(version int) string { return l.id + "-" + strconv.Itoa(version) }

// ask makes a claim. Without a store every claim is granted. The end of ctx does not
// interrupt it, so that no grant is lost.
func (l *loop) ask(ctx context.Context, c Claim) (Grant, error) {
	if l.cfg.Store == nil {
		return Grant{Verdict: Granted}, nil
	}
	c.Job = l.cfg.Name
	l.mu.Lock()
	c.Behind = len(l.behind) > 0 && !l.behind[len(l.behind)-1].run.Scheduled.Equal(c.Scheduled)
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	l.pulsed = time.Now()
	sent := l.cfg.Now()
	g, err := l.cfg.Store.Claim(ctx, c)
	l.noteStore(ctx, sent, g.Now, err)
	return g, err
}

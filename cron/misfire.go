package cron

import (
	"context"
	"slices"
	"time"
)

// lateRun is a missed instant that is still to be run. It is claimed when its turn comes.
type lateRun struct {
	run   Run
	token string
}

// misfired handles missed instants, the first of which is at.
func (l *loop) misfired(ctx context.Context, v view, at, now time.Time) time.Duration {
	if l.unanswered != nil {
		if !l.settle(ctx) {
			return l.giveUp(v, now)
		}
		return 0
	}
	if l.cfg.Store != nil && time.Since(l.asked) > retryAfter {
		// This process may have been suspended while others were running.
		last, err := l.lastClaimed(ctx, v)
		if err != nil {
			return l.giveUp(v, now)
		}
		l.asked = time.Now()
		if last.After(v.cursor) {
			l.advance(v, last)
		}
		return 0
	}
	newest := l.newestMissed(v, now)
	switch l.cfg.Misfire {
	case MisfireAll, MisfireAllNewestFirst:
		return l.fallBehind(v, at, newest, now)
	case MisfireOnce:
		followed := !v.schedule.Next(newest).Add(l.delay).After(now)
		if followed {
			return l.missed(v, newest, ReasonSuperseded)
		}
		if now.Sub(newest.Add(l.delay)) > l.cfg.Deadline {
			return l.missed(v, newest, l.because(ReasonDeadline))
		}
		if newest.After(at) {
			return l.missed(v, v.schedule.Prev(newest), ReasonSuperseded)
		}
		return l.take(ctx, v, newest, true)
	default:
		return l.missed(v, newest, l.because(ReasonLate))
	}
}

// crowded reports whether an instant counts as missed because it is late and the one after it
// is due as well.
func (l *loop) crowded(v view, at, now time.Time) bool {
	return now.Sub(at.Add(l.delay)) > min(crowd, l.tolerance()) && !v.schedule.Next(at).Add(l.delay).After(now)
}

// newestMissed returns the newest missed instant, which is either later than the tolerance or
// crowded.
func (l *loop) newestMissed(v view, now time.Time) time.Time {
	newest := v.schedule.Prev(l.lateBefore(now, min(crowd, l.tolerance())))
	if now.Sub(newest.Add(l.delay)) <= l.tolerance() && !l.crowded(v, newest, now) {
		return v.schedule.Prev(newest)
	}
	return newest
}

// lateBefore returns the time before which all instants are late by more than the given
// duration.
func (l *loop) lateBefore(now time.Time, by time.Duration) time.Time {
	return now.Add(-by - l.delay)
}

// because returns r, or ReasonStoreUnavailable if the store is why an instant is too late.
func (l *loop) because(r Reason) Reason {
	if l.storeErr != nil {
		return ReasonStoreUnavailable
	}
	return r
}

// giveUp records the instants that have become too late to run while the store is unreachable.
func (l *loop) giveUp(v view, now time.Time) time.Duration {
	limit := l.cfg.Deadline
	if l.cfg.Misfire == MisfireSkip {
		limit = l.tolerance()
	}
	if over := v.schedule.Prev(l.lateBefore(now, limit)); over.After(v.cursor) {
		l.missed(v, over, ReasonStoreUnavailable)
	}
	return retryAfter
}

// missed records that all instants up to the given one were missed.
func (l *loop) missed(v view, to time.Time, why Reason) time.Duration {
	if l.advance(v, to) {
		l.leftOut(v.schedule, v.cursor, to, OutcomeMissed, why)
	}
	return 0
}

// fallBehind lists the newest missed instants in the order of the Misfire policy. They are
// claimed one by one when they are run, so that other processes share the work.
func (l *loop) fallBehind(v view, at, newest, now time.Time) time.Duration {
	if !l.advance(v, newest) {
		return 0
	}
	l.mu.Lock()
	room := l.cfg.MisfireLimit - len(l.behind)
	oldest := l.lateBefore(now, l.cfg.Deadline)
	i, list := newest, []lateRun(nil)
	for ; !i.Before(at) && !i.Before(oldest) && room > 0; i = v.schedule.Prev(i) {
		r := Run{Job: l.cfg.Name, Scheduled: i, Misfire: true}
		list = append(list, lateRun{r, l.token(v.version)})
		room--
	}
	if l.cfg.Misfire == MisfireAll {
		slices.Reverse(list)
	}
	l.behind = append(l.behind, list...)
	l.mu.Unlock()
	if !i.Before(at) {
		why := l.because(ReasonDeadline)
		if !i.Before(oldest) {
			why = ReasonMisfireLimit
		}
		l.leftOut(v.schedule, v.cursor, i, OutcomeMissed, why)
	}
	return 0
}

// catchUp runs the next missed instant on the list if no run is in progress. It returns how
// long to wait before the one after it.
func (l *loop) catchUp(ctx context.Context) time.Duration {
	l.dropOverdue()
	l.mu.Lock()
	if len(l.behind) == 0 || len(l.running) > 0 {
		l.mu.Unlock()
		return maxWait
	}
	m := l.behind[0]
	l.mu.Unlock()
	g, err := l.ask(ctx, Claim{Scheduled: m.run.Scheduled, Token: m.token})
	if err != nil || g.Verdict == TooEarly {
		return retryAfter
	}
	wanted := l.settled(m, g.Verdict)
	m.run.Fence = g.Fence
	switch {
	case !wanted || g.Verdict == Taken:
	case g.Verdict == Granted:
		l.admit(m.run)
	default:
		l.left(m.run, OutcomeMissed, ReasonStoreUncertain)
	}
	return 0
}

// dropOverdue removes from the list the instants whose deadline has passed, and records them.
func (l *loop) dropOverdue() {
	var over []Run
	l.mu.Lock()
	for i, m := range l.behind {
		if l.tooLate(m.run) {
			over = append(over, m.run)
			continue
		}
		l.behind[i-len(over)] = m
	}
	l.behind = l.behind[:len(l.behind)-len(over)]
	l.mu.Unlock()
	for _, r := range over {
		l.left(r, OutcomeMissed, l.because(ReasonDeadline))
	}
}

// settled notes the store's verdict about m and removes it from the list. It reports whether
// m was still on the list. If it was not, Stop has removed and recorded it.
func (j *Job) settled(m lateRun, said Verdict) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	at := m.run.Scheduled
	j.noteRun(j.schedule.Prev(at), at, said)
	if len(j.behind) == 0 || j.behind[0] != m {
		return false
	}
	j.behind = j.behind[1:]
	return true
}

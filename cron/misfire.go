package cron

import (
	"context"
	"slices"
	"time"
)

// makeUp is a run that was missed and is made up for. Its claim is made when its turn comes.
type makeUp struct {
	run   Run
	token string
}

// misfired deals with instants that were missed: at is the first of them.
func (l *loop) misfired(ctx context.Context, v view, at, now time.Time) time.Duration {
	if l.unanswered != nil {
		if !l.settle(ctx) {
			return l.giveUp(v, now)
		}
		return 0
	}
	if l.cfg.Store != nil && time.Since(l.asked) > retryAfter {
		// This process may have been asleep while others were not.
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
			return l.missed(v, newest, Superseded)
		}
		if now.Sub(newest.Add(l.delay)) > l.cfg.Deadline {
			return l.missed(v, newest, l.because(PastDue))
		}
		if newest.After(at) {
			return l.missed(v, v.schedule.Prev(newest), Superseded)
		}
		return l.take(ctx, v, newest, true)
	default:
		return l.missed(v, newest, l.because(Late))
	}
}

// crowded reports whether an instant is so late that it is missed as the one after it is due,
// too.
func (l *loop) crowded(v view, at, now time.Time) bool {
	return now.Sub(at.Add(l.delay)) > min(crowd, l.tolerance()) && !v.schedule.Next(at).Add(l.delay).After(now)
}

// newestMissed returns the newest instant that is missed: it is later than the tolerance, or
// crowded.
func (l *loop) newestMissed(v view, now time.Time) time.Time {
	newest := v.schedule.Prev(l.lateBefore(now, min(crowd, l.tolerance())))
	if now.Sub(newest.Add(l.delay)) <= l.tolerance() && !l.crowded(v, newest, now) {
		return v.schedule.Prev(newest)
	}
	return newest
}

// lateBefore returns the instant before which all are later than a time.
func (l *loop) lateBefore(now time.Time, by time.Duration) time.Time {
	return now.Add(-by - l.delay)
}

// because returns why an instant is too late.
func (l *loop) because(r Reason) Reason {
	if l.storeErr != nil {
		return Unavailable
	}
	return r
}

// giveUp records what nobody can run any more, while the store cannot be reached.
func (l *loop) giveUp(v view, now time.Time) time.Duration {
	limit := l.cfg.Deadline
	if l.cfg.Misfire == MisfireSkip {
		limit = l.tolerance()
	}
	if over := v.schedule.Prev(l.lateBefore(now, limit)); over.After(v.cursor) {
		l.missed(v, over, Unavailable)
	}
	return retryAfter
}

// missed records that the instants up to one are not run.
func (l *loop) missed(v view, to time.Time, why Reason) time.Duration {
	if l.advance(v, to) {
		l.leftOut(v.schedule, v.cursor, to, Missed, why)
	}
	return 0
}

// fallBehind puts the missed instants on a list, the newest of them in the order of the policy.
// They are claimed one by one when they are run, so that other processes share the work.
func (l *loop) fallBehind(v view, at, newest, now time.Time) time.Duration {
	if !l.advance(v, newest) {
		return 0
	}
	l.mu.Lock()
	room := l.cfg.MisfireLimit - len(l.behind)
	oldest := l.lateBefore(now, l.cfg.Deadline)
	i, list := newest, []makeUp(nil)
	for ; !i.Before(at) && !i.Before(oldest) && room > 0; i = v.schedule.Prev(i) {
		r := Run{Job: l.cfg.Name, Scheduled: i, Misfire: true}
		list = append(list, makeUp{r, l.token(v.version)})
		room--
	}
	if l.cfg.Misfire == MisfireAll {
		slices.Reverse(list)
	}
	l.behind = append(l.behind, list...)
	l.mu.Unlock()
	if !i.Before(at) {
		why := l.because(PastDue)
		if !i.Before(oldest) {
			why = PastLimit
		}
		l.leftOut(v.schedule, v.cursor, i, Missed, why)
	}
	return 0
}

// catchUp runs the next of what is to be made up for, if nothing runs. It returns how long
// to wait before the one after it.
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
		l.left(m.run, Missed, Uncertain)
	}
	return 0
}

// dropOverdue records what there is no time any more to make up for.
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
		l.left(r, Missed, l.because(PastDue))
	}
}

// settled notes what the store has said about the first of what is to be made up for, and
// takes it off the list. It reports whether that was still there: Stop drops the list, and
// says so.
func (j *Job) settled(m makeUp, said Verdict) bool {
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

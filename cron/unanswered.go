package cron

import "context"

// unanswered is a claim whose answer did not come. The store may have granted it, or
// grants it yet: a Redis that stood still executes what was sent to it meanwhile. As far
// as others can tell the instant is then run here, so nothing may be concluded from
// [Store.Last] before the claim was repeated and answered.
type unanswered struct {
	run      Run
	token    string
	version  int
	schedule *Schedule
}

// settle repeats the unanswered claim, under the same token, and runs the instant or
// records why not. It reports whether that is done.
func (l *loop) settle(ctx context.Context) bool {
	u := l.unanswered
	if !l.dealsWith(u) {
		l.unanswered = nil // recorded meanwhile
		return true
	}
	g, err := l.ask(ctx, Claim{Scheduled: u.run.Scheduled, Token: u.token})
	if err != nil || g.Verdict == TooEarly {
		if l.stale(u) && l.tooLate(u.run) {
			l.unanswered = nil
			l.left(u.run, Missed, Unavailable)
			return true
		}
		return false
	}
	l.unanswered = nil
	l.mu.Lock()
	why := l.unwanted()
	if l.version == u.version {
		l.cursor, why = latest(l.cursor, u.run.Scheduled), ""
	}
	if g.Verdict == Taken {
		l.counts.Elsewhere++
	}
	l.mu.Unlock()
	u.run.Fence = g.Fence
	switch {
	case g.Verdict == Granted && why == "":
		l.makeGood(u)
	case g.Verdict == Granted:
		l.left(u.run, Skipped, why)
	case g.Verdict != Taken:
		l.left(u.run, Missed, Uncertain)
	}
	return true
}

// stale reports whether the job was stopped, paused or rescheduled since a claim.
func (l *loop) stale(u *unanswered) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.version != u.version
}

// dealsWith reports whether the instant of a claim is still to be dealt with. If the
// schedule has changed since, nobody else looks at it.
func (l *loop) dealsWith(u *unanswered) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.version != u.version || l.cursor.Before(u.run.Scheduled)
}

// makeGood runs an instant that was granted after all, as the Misfire policy has it.
func (l *loop) makeGood(u *unanswered) {
	now := l.now()
	late := now.Sub(u.run.Scheduled.Add(l.delay))
	if late <= l.tolerance() {
		l.admit(u.run)
		return
	}
	u.run.Misfire = true
	switch {
	case l.cfg.Misfire == MisfireSkip:
		l.left(u.run, Missed, l.because(Late))
	case l.tooLate(u.run):
		l.left(u.run, Missed, l.because(PastDue))
	case l.cfg.Misfire == MisfireOnce && !u.schedule.Next(u.run.Scheduled).Add(l.delay).After(now):
		l.left(u.run, Missed, Superseded)
	case l.cfg.Misfire == MisfireAll || l.cfg.Misfire == MisfireAllNewestFirst:
		l.mu.Lock()
		l.behind = append(l.behind, makeUp{u.run, u.token})
		l.mu.Unlock()
	default:
		l.admit(u.run)
	}
}

// lastWord asks once more about an unanswered claim before the loop ends: what is not
// settled then is recorded here, as others believe that it is run here.
func (l *loop) lastWord(ctx context.Context) {
	if u := l.unanswered; u != nil && !l.settle(ctx) {
		l.unanswered = nil
		l.left(u.run, Missed, Unavailable)
	}
}

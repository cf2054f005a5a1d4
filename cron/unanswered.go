package cron

import "context"

// unanswered is a claim that the store has not answered. The store may have granted it, or may
// still do so, because a frozen Redis executes what it was sent once it resumes.
// Other processes then assume that the instant is run here, so nothing may be concluded from
// [Store.Last] until the claim has been repeated and answered.
type unanswered struct {
	run      Run
	token    string
	version  int
	schedule *Schedule
}

// settle repeats the unanswered claim with the same token, and runs the instant or records why
// it is not run. It reports whether the claim is settled.
func (l *loop) settle(ctx context.Context) bool {
	u := l.unanswered
	if !l.dealsWith(u) {
		l.unanswered = nil // the instant was recorded in the meantime
		return true
	}
	g, err := l.ask(ctx, Claim{Scheduled: u.run.Scheduled, Token: u.token})
	if err != nil || g.Verdict == TooEarly {
		if l.stale(u) && l.tooLate(u.run) {
			l.unanswered = nil
			l.left(u.run, OutcomeMissed, ReasonStoreUnavailable)
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
		l.handleLateGrant(u)
	case g.Verdict == Granted:
		l.left(u.run, OutcomeSkipped, why)
	case g.Verdict != Taken:
		l.left(u.run, OutcomeMissed, ReasonStoreUncertain)
	}
	return true
}

// stale reports whether the job was stopped, paused or rescheduled since the claim.
func (l *loop) stale(u *unanswered) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.version != u.version
}

// dealsWith reports whether the instant of the claim is not settled yet. If the schedule has
// changed since the claim, nothing else settles the instant.
func (l *loop) dealsWith(u *unanswered) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.version != u.version || l.cursor.Before(u.run.Scheduled)
}

// handleLateGrant handles an instant that turns out to have been granted, according to the
// Misfire policy.
func (l *loop) handleLateGrant(u *unanswered) {
	now := l.now()
	late := now.Sub(u.run.Scheduled.Add(l.delay))
	if late <= l.tolerance() {
		l.admit(u.run)
		return
	}
	u.run.Misfire = true
	switch {
	case l.cfg.Misfire == MisfireSkip:
		l.left(u.run, OutcomeMissed, l.because(ReasonLate))
	case l.tooLate(u.run):
		l.left(u.run, OutcomeMissed, l.because(ReasonDeadline))
	case l.cfg.Misfire == MisfireOnce && !u.schedule.Next(u.run.Scheduled).Add(l.delay).After(now):
		l.left(u.run, OutcomeMissed, ReasonSuperseded)
	case l.cfg.Misfire == MisfireAll || l.cfg.Misfire == MisfireAllNewestFirst:
		l.mu.Lock()
		l.behind = append(l.behind, lateRun{u.run, u.token})
		l.mu.Unlock()
	default:
		l.admit(u.run)
	}
}

// lastWord repeats an unanswered claim one last time before the loop ends. If it remains
// unanswered, the instant is recorded here, because other processes assume that it is run here.
func (l *loop) lastWord(ctx context.Context) {
	if u := l.unanswered; u != nil && !l.settle(ctx) {
		l.unanswered = nil
		l.left(u.run, OutcomeMissed, ReasonStoreUnavailable)
	}
}

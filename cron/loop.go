package cron

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

const (
	// maxWait is how long the loop waits at most before it looks at the clock again: a
	// suspended machine and a clock that was set make timers wrong.
	maxWait = 30 * time.Second
	// maxStepBack is how far a clock may be set back before instants that were run are run
	// again.
	maxStepBack = time.Hour
	// crowd is how late an instant may be while the one after it is due as well: those
	// that are later are missed, so that they don't all start at once.
	crowd = 2 * time.Second
	// storeTimeout bounds one call of the store, retryAfter is the pause after one that
	// failed.
	storeTimeout = 5 * time.Second
	retryAfter   = time.Second
	// pulse is how often the store is asked for something before an instant, from twice as long
	// before it. A store that has lost what it knew can grant only what is due after it was
	// next asked, so this is how much of a rare schedule such a loss can cost.
	pulse = 10 * time.Second
	// idlePulse is about how often it is asked while no instant is near, and awayPulse if
	// it could not be reached: there may be very many jobs.
	idlePulse = time.Hour
	awayPulse = time.Minute
	// comparePeriod is how often the store is asked whether other processes run the same
	// job, while it is asked for instants all the time.
	comparePeriod = time.Minute
)

// Run starts the schedule and follows it until ctx ends. Then it stops the schedule and
// waits for the runs: their contexts end DrainTimeout later, and if some don't return even
// then, Run's error says so. Only one Run can be there at a time; after it the job may
// be run again.
func (j *Job) Run(ctx context.Context) error {
	if j == nil {
		return errors.New("cron: Run of a nil Job")
	}
	if err := j.begin(); err != nil {
		return err
	}
	j.Start()
	return j.run(ctx)
}

// begin makes the caller the one that runs the job.
func (j *Job) begin() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.looping {
		return fmt.Errorf("cron: job %q is run already", j.cfg.Name)
	}
	j.looping, j.over = true, make(chan struct{})
	j.reset()
	return nil
}

// leave notes that what runs the job was told to end.
func (j *Job) leave() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ending = j.looping
}

// leaving returns a channel that is closed when what runs the job has ended, if it was told
// to; else nil.
func (j *Job) leaving() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.ending {
		return nil
	}
	return j.over
}

// run is Run after begin. It starts nothing.
func (j *Job) run(ctx context.Context) error {
	// The contexts of runs outlive ctx, so that the end is orderly.
	base, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	l := loop{Job: j, id: rand.Text(), newContext: func() (context.Context, context.CancelCauseFunc) {
		return context.WithCancelCause(base)
	}}
	j.limit.Open()
	l.follow(ctx)
	j.leave()
	j.Stop()
	err := j.drain(cancel)
	j.limit.Close()
	j.mu.Lock()
	j.looping, j.ending, j.manual = false, false, 0
	close(j.over)
	j.mu.Unlock()
	return err
}

// drain waits for the runs.
func (j *Job) drain(cancel context.CancelCauseFunc) error {
	timeout := time.NewTimer(j.cfg.DrainTimeout)
	defer timeout.Stop()
	idle := j.whenIdle()
	select {
	case <-idle:
		return nil
	case <-timeout.C:
	}
	cancel(ErrShutdown)
	timeout.Reset(time.Second)
	select {
	case <-idle:
		return nil
	case <-timeout.C:
	}
	return fmt.Errorf("cron: job %q: %d runs did not return within %v of the end", j.cfg.Name, j.Status().Running, j.cfg.DrainTimeout)
}

// loop follows the schedule of a job. It belongs to one goroutine.
type loop struct {
	*Job
	newContext func() (context.Context, context.CancelCauseFunc) // of a run

	id       string    // tells its claims from those of others
	storeErr error     // of the store's last answer
	asked    time.Time // when the store was asked about what seems to be missed
	pulsed   time.Time // when it was asked anything
	compared time.Time // when it was asked what others do
	looked   time.Time // when it looked at the clock
	shown    time.Time // what that showed
	astray   bool      // the clock was set since the store was asked for the time
	differs  bool      // the store's time does, by much

	unanswered *unanswered // the claim that the store has perhaps granted
}

// follow follows the schedule until ctx ends.
func (l *loop) follow(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait := l.step(ctx)
		if ctx.Err() != nil {
			l.lastWord(ctx)
			return
		}
		if wait <= 0 {
			continue
		}
		timer.Reset(min(wait, maxWait))
		select {
		case <-timer.C:
		case <-l.wake:
		case <-ctx.Done():
			l.lastWord(ctx)
			return
		}
	}
}

// step does the next thing that is to be done, and returns how long to wait before
// the one after it.
func (l *loop) step(ctx context.Context) time.Duration {
	l.mu.Lock()
	if l.manual > 0 {
		l.manual--
		l.mu.Unlock()
		l.runManual(ctx)
		return 0
	}
	if r, ok := l.nextWaiting(); ok {
		l.mu.Unlock()
		l.startWaiting(r)
		return 0
	}
	grace := l.untilGrace()
	v := view{l.version, l.schedule, l.cursor}
	follows := l.started && !l.paused
	anchored := l.anchored && l.planned || l.cfg.Store == nil
	l.mu.Unlock()
	if l.unanswered != nil && l.unanswered.version != v.version && !l.settle(ctx) {
		grace = min(grace, retryAfter)
	}
	if !follows {
		return grace
	}
	if !anchored {
		return l.anchor(ctx, v)
	}
	if l.watchClock(); l.wantsPulse(v) {
		if _, err := l.lastClaimed(ctx, v); err != nil && l.astray {
			return retryAfter
		}
	}
	now := l.now()
	if back := v.cursor.Sub(now); back > Tolerance {
		l.setBack(now, back)
		return 0
	}
	at := v.schedule.Next(v.cursor)
	if to, ok := l.hasRun(at); ok {
		if to.After(now) {
			return min(to.Sub(now), grace, l.catchUp(ctx), l.untilPulse(at))
		}
		l.advance(v, to)
		return 0
	}
	late := now.Sub(at.Add(l.delay))
	switch {
	case late < 0:
		return min(-late, grace, l.catchUp(ctx), l.untilPulse(at))
	case late <= l.tolerance() && !l.crowded(v, at, now):
		return l.take(ctx, v, at, false)
	default:
		return l.misfired(ctx, v, at, now)
	}
}

// view is what the loop has seen of the job and decides by.
type view struct {
	version  int
	schedule *Schedule
	cursor   time.Time
}

// advance notes that instants up to one are dealt with, unless the job was stopped,
// paused or rescheduled meanwhile: then that counts. It reports whether it did.
func (j *Job) advance(v view, to time.Time) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.version != v.version {
		return false
	}
	j.cursor = to
	return true
}

// tolerance is how late an instant may be without being a misfire.
func (j *Job) tolerance() time.Duration { return min(Tolerance, j.cfg.Deadline) }

// watchClock notices when, since the last call, this machine's clock was set or the
// machine was suspended: then it does not go with the store's any more.
func (l *loop) watchClock() {
	now, shown := time.Now(), l.cfg.Now().Round(0)
	passed := now.Sub(l.looked)
	if !l.looked.IsZero() && (shown.Sub(l.shown)-passed).Abs() > time.Second/2 {
		l.astray = true
	}
	l.looked, l.shown = now, shown
}

// take runs an instant if nothing speaks against it. It returns how long to wait
// before the instant, if it is still to be dealt with, or the next can be looked at.
func (l *loop) take(ctx context.Context, v view, at time.Time, misfire bool) time.Duration {
	r := Run{Job: l.cfg.Name, Scheduled: at, Misfire: misfire}
	if l.cfg.Overlap == Skip {
		// Not claimed: another process may be free.
		busy, passed := l.overlaps(v, at)
		if passed {
			l.left(r, Skipped, Overlapped)
			l.unanswered = nil
		}
		if busy {
			return 0
		}
	}
	token := l.token(v.version)
	g, err := l.ask(ctx, Claim{Scheduled: at, Token: token})
	if err != nil {
		l.unanswered = &unanswered{run: r, token: token, version: v.version, schedule: v.schedule}
		return retryAfter
	}
	l.unanswered = nil
	if g.Verdict == TooEarly {
		return max(at.Sub(g.Now), time.Millisecond)
	}
	why := l.answered(v, at, g.Verdict)
	r.Fence = g.Fence
	switch {
	case g.Verdict == Granted && why == "":
		l.admit(r)
	case g.Verdict == Granted:
		l.left(r, Skipped, why)
	case g.Verdict != Taken:
		l.left(r, Missed, Uncertain)
	}
	return 0
}

// overlaps reports whether a run goes on, and if so whether the instant is dealt with by
// that: see advance. It counts as run.
func (j *Job) overlaps(v view, at time.Time) (busy, passed bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.running) == 0 {
		return false, false
	}
	if j.version != v.version {
		return true, false
	}
	j.noteRun(v.cursor, at, Granted)
	j.cursor = at
	return true, true
}

// answered notes what the store has said about an instant. It returns why the schedule is
// not followed any more, if that has changed since the view.
func (j *Job) answered(v view, at time.Time, said Verdict) Reason {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.noteRun(v.cursor, at, said)
	if j.version != v.version {
		return j.unwanted()
	}
	j.cursor = at
	return ""
}

// unwanted returns why the schedule is not followed any more, or nothing. The caller holds
// mu.
func (j *Job) unwanted() Reason {
	switch {
	case !j.started:
		return Stopped
	case j.paused:
		return Paused
	}
	return ""
}

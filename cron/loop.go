package cron

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

const (
	// maxWait is the longest time that the loop waits before it checks the clock again, because
	// timers are wrong after the machine was suspended or its clock was set.
	maxWait = 30 * time.Second
	// maxStepBack is how far the clock may be set back without instants being run again.
	maxStepBack = time.Hour
	// crowd is how late an instant may be if the one after it is due as well. Later ones
	// count as missed, so that they don't all start at once.
	crowd = 2 * time.Second
	// storeTimeout bounds each call of the store. retryAfter is the pause after a failed
	// call.
	storeTimeout = 5 * time.Second
	retryAfter   = time.Second
	// pulse is how often the store is queried shortly before an instant, starting twice as
	// long before it. A store that has lost its data can grant only instants that are due
	// after the next query, so a loss less than pulse before an instant can cost that instant.
	pulse = 10 * time.Second
	// idlePulse is roughly how often the store is queried while no instant is near.
	// awayPulse is used instead if the store was unreachable. Both are long because there
	// may be very many jobs.
	idlePulse = time.Hour
	awayPulse = time.Minute
	// comparePeriod is how often the store is asked whether the other processes run the
	// same job, while claims keep it busy anyway.
	comparePeriod = time.Minute
)

// Run starts the schedule and follows it until ctx ends. It then stops the schedule and waits
// for the runs in progress. Their contexts are canceled after DrainTimeout, and Run returns an
// error if some of them do not return even then. It is an error to call Run while the job is
// already running. After Run has returned, it may be called again.
func (j *Job) Run(ctx context.Context) error {
	if j == nil {
		return errors.New("cron: Run called on a nil Job")
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
		return fmt.Errorf("cron: job %q is already running", j.cfg.Name)
	}
	j.looping, j.over = true, make(chan struct{})
	j.reset()
	return nil
}

// leave notes that the caller that runs the job was told to stop.
func (j *Job) leave() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ending = j.looping
}

// leaving returns a channel that is closed when the caller that runs the job has stopped. It
// returns nil if the caller was not told to stop.
func (j *Job) leaving() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.ending {
		return nil
	}
	return j.over
}

// run does the work of Run after begin. It does not start the schedule.
func (j *Job) run(ctx context.Context) error {
	// The contexts of runs outlive ctx, so that runs can finish during the shutdown.
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

// drain waits for the runs in progress.
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
	return fmt.Errorf("cron: job %q still has %d runs in progress after the drain timeout of %v", j.cfg.Name, j.Status().Running, j.cfg.DrainTimeout)
}

// loop follows the schedule of a job. It belongs to one goroutine.
type loop struct {
	*Job
	newContext func() (context.Context, context.CancelCauseFunc) // returns the context of a run

	id       string    // distinguishes its claims from those of other processes
	storeErr error     // error of the last call of the store
	asked    time.Time // when the store was last asked about apparently missed instants
	pulsed   time.Time // when the store was last called
	compared time.Time // when the plans of the processes were last compared
	looked   time.Time // when the clock was last checked
	shown    time.Time // what the clock showed then
	astray   bool      // whether the clock was set since the store last told its time
	differs  bool      // whether the clocks differ by more than Tolerance

	unanswered *unanswered // claim that the store may have granted
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

// step does the next piece of work, and returns how long to wait before the one after it.
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

// view is the state of the job on which the loop bases a decision.
type view struct {
	version  int
	schedule *Schedule
	cursor   time.Time
}

// advance marks all instants up to the given one as settled, unless the job was stopped, paused or
// rescheduled in the meantime. It reports whether it did.
func (j *Job) advance(v view, to time.Time) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.version != v.version {
		return false
	}
	j.cursor = to
	return true
}

// tolerance returns how late an instant may be without being a misfire.
func (j *Job) tolerance() time.Duration { return min(Tolerance, j.cfg.Deadline) }

// watchClock detects whether the machine's clock was set, or the machine suspended, since the
// last call. The difference from the store's clock is then unknown.
func (l *loop) watchClock() {
	now, shown := time.Now(), l.cfg.Now().Round(0)
	passed := now.Sub(l.looked)
	if !l.looked.IsZero() && (shown.Sub(l.shown)-passed).Abs() > time.Second/2 {
		l.astray = true
	}
	l.looked, l.shown = now, shown
}

// take claims an instant and runs it if the claim is granted and the policies allow it. It
// returns how long to wait before handling this instant again, or the next one.
func (l *loop) take(ctx context.Context, v view, at time.Time, misfire bool) time.Duration {
	r := Run{Job: l.cfg.Name, Scheduled: at, Misfire: misfire}
	if l.cfg.Overlap == OverlapSkip {
		// Do not claim the instant, because another process may be free.
		busy, passed := l.overlaps(v, at)
		if passed {
			l.left(r, OutcomeSkipped, ReasonOverlap)
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
		l.left(r, OutcomeSkipped, why)
	case g.Verdict != Taken:
		l.left(r, OutcomeMissed, ReasonStoreUncertain)
	}
	return 0
}

// overlaps reports whether a run is in progress, and if so whether that settles the instant;
// see advance. The instant counts as run.
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

// answered notes the store's verdict about an instant. It returns why the schedule is no
// longer followed, if that has changed since the view.
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

// unwanted returns why the schedule is no longer followed, or the empty string. The caller
// holds mu.
func (j *Job) unwanted() Reason {
	switch {
	case !j.started:
		return ReasonStopped
	case j.paused:
		return ReasonPaused
	}
	return ""
}

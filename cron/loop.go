package cron

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
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
	differ   bool      // they follow another schedule
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
			return min(to.Sub(now), grace, l.catchUp(ctx), l.untilPulse(to))
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

// anchor tells the store what the job does, and asks it what was run before the schedule
// was started: what came after that was missed.
func (l *loop) anchor(ctx context.Context, v view) time.Duration {
	ahead := l.ahead.Load()
	plan := l.plan(v.schedule)
	state, err := l.query(ctx, Query{Begins: true, Ago: max(0, l.now().Sub(v.cursor)), Plan: plan})
	if err != nil {
		return retryAfter
	}
	was := state.Plan.Schedule
	afresh := was != "" && was != plan.Schedule
	if afresh {
		l.cfg.Logger.Info("the job has another schedule than before: it counts from now", "schedule", plan.Schedule, "before", was)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.version != v.version {
		return 0
	}
	l.planned, l.differ, l.compared = true, false, time.Now()
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

// lastClaimed asks the store for the newest instant that anybody has run, and whether the
// other processes follow the same schedule: if not, it says nothing about this one.
func (l *loop) lastClaimed(ctx context.Context, v view) (time.Time, error) {
	state, err := l.query(ctx, Query{})
	if err != nil {
		return time.Time{}, err
	}
	l.compared = time.Now()
	if l.differ = !l.compare(l.plan(v.schedule), state.Plan); l.differ {
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

// wantsPulse reports whether the store is to be asked for something.
func (l *loop) wantsPulse(v view) bool {
	if l.cfg.Store == nil {
		return false
	}
	return l.astray || time.Since(l.compared) >= comparePeriod && l.storeErr == nil && time.Since(l.pulsed) < comparePeriod ||
		l.untilPulse(v.schedule.Next(v.cursor)) <= 0
}

// untilPulse returns when the store is to be asked for something again, if an instant is the
// next one.
func (l *loop) untilPulse(at time.Time) time.Duration {
	if l.cfg.Store == nil {
		return maxWait
	}
	since, left := time.Since(l.pulsed), at.Sub(l.now())
	spread := l.cfg.spread() // so that jobs that are due together don't ask at once
	if far := left - pulse - time.Duration(spread*float64(pulse)); far > 0 || left < 0 {
		every := time.Duration((1 + spread) / 2 * float64(idlePulse))
		if l.storeErr != nil {
			every = awayPulse
		}
		if left < 0 { // by Jitter
			return every - since
		}
		return min(far, every-since)
	}
	if l.storeErr != nil {
		return retryAfter - since
	}
	return pulse - since
}

// noteStore sets this clock by the store's, and logs when the store goes and comes.
func (l *loop) noteStore(ctx context.Context, sent, now time.Time, err error) {
	if err == nil {
		back := l.cfg.Now()
		local := sent.Add(back.Sub(sent) / 2).Round(0)
		differs := local.Sub(now).Abs() > Tolerance
		if differs && !l.differs {
			l.cfg.Logger.Warn("this machine's clock and the store's differ: the store's counts", "ahead", local.Sub(now))
		}
		l.differs = differs
		l.ahead.Store(int64(local.Sub(now)))
		l.astray = false
	}
	switch {
	case err != nil && errors.Is(context.Cause(ctx), context.Canceled): // the end
		return
	case err != nil && l.storeErr == nil:
		l.warn("the store cannot be reached: nothing is run until it can", "error", err)
	case err == nil && l.storeErr != nil:
		l.cfg.Logger.Info("the store can be reached again")
	}
	l.storeErr = err
}

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
	if l.cfg.Overlap == Skip && l.busy() {
		// Not claimed: another process may be free.
		if l.advance(v, at) {
			l.ran(v.cursor, at)
			l.left(r, Skipped, Overlapped)
			l.unanswered = nil
		}
		return 0
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
	advanced := l.advance(v, at)
	if g.Verdict != Forgotten {
		l.ran(v.cursor, at)
	}
	switch g.Verdict {
	case Granted:
		r.Fence = g.Fence
		if why := l.unwanted(); !advanced && why != "" {
			l.left(r, Skipped, why)
			return 0
		}
		l.admit(r)
	case Taken:
		l.elsewhere()
	default:
		l.left(r, Missed, Uncertain)
	}
	return 0
}

// unwanted returns why the schedule is not followed any more, or nothing.
func (j *Job) unwanted() Reason {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case !j.started:
		return Stopped
	case j.paused:
		return Paused
	}
	return ""
}

func (j *Job) elsewhere() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.counts.Elsewhere++
}

// token is that of the claims that the loop makes for instants that it comes by. An instant
// that it comes by again is dealt with again only in another version: then an
// answer that did not come must not be taken for one of now.
func (l *loop) token(version int) string { return l.id + "-" + strconv.Itoa(version) }

// ask makes a claim. Without a store everything is granted. The end of ctx does not
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

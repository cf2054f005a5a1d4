package cron

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// call is a run in progress.
type call struct {
	run    Run
	cancel context.CancelCauseFunc // cancels its context
}

// runManual starts a run that RunNow asked for.
func (l *loop) runManual(ctx context.Context) {
	r := Run{Job: l.cfg.Name, Scheduled: l.now(), Manual: true}
	g, err := l.ask(ctx, Claim{Token: rand.Text()})
	if err != nil {
		l.left(r, OutcomeMissed, ReasonStoreUnavailable)
		return
	}
	r.Fence = g.Fence
	l.admit(r)
}

// admit starts a run, queues it or skips it, according to the Overlap policy.
func (l *loop) admit(r Run) {
	l.mu.Lock()
	busy := len(l.running)
	var dropped []Run
	var why Reason
	switch {
	case busy == 0 && len(l.waiting) == 0:
		l.begins(r)
	case l.cfg.Overlap == OverlapAllow && busy < l.cfg.OverlapLimit:
		l.begins(r)
	case l.cfg.Overlap == OverlapQueue && len(l.waiting) < l.cfg.OverlapLimit:
		l.waiting = append(l.waiting, r)
	case l.cfg.Overlap == OverlapReplace:
		if len(l.waiting) == 0 {
			l.graceEnd = time.Now().Add(l.cfg.ReplaceGrace)
		}
		for c := range l.running {
			c.cancel(ErrReplaced)
		}
		dropped, why, l.waiting = l.waiting, ReasonReplaced, []Run{r}
		if l.full() {
			why = ReasonOverlapLimit
		}
	case l.cfg.Overlap == OverlapSkip:
		dropped, why = []Run{r}, ReasonOverlap
	default:
		dropped, why = []Run{r}, ReasonOverlapLimit
	}
	l.mu.Unlock()
	for _, r := range dropped {
		l.left(r, OutcomeSkipped, why)
	}
}

// nextWaiting removes and returns the next waiting run if it can start now. The caller holds
// mu.
func (l *loop) nextWaiting() (r Run, ok bool) {
	if len(l.waiting) == 0 || len(l.running) > 0 && l.untilGrace() > 0 {
		return r, false
	}
	r, l.waiting, l.graceEnd = l.waiting[0], l.waiting[1:], time.Time{}
	return r, true
}

// full reports whether the replaced runs that are still in progress leave no room for another
// one. The caller holds mu.
func (l *loop) full() bool {
	return l.cfg.Overlap == OverlapReplace && len(l.running) >= l.cfg.OverlapLimit
}

// untilGrace returns how long the replaced run may still take. The caller holds mu.
func (l *loop) untilGrace() time.Duration {
	if l.graceEnd.IsZero() || l.full() { // the end of a run wakes the loop
		return maxWait
	}
	return time.Until(l.graceEnd)
}

// startWaiting starts a run that has waited, unless its deadline has passed or the schedule
// was stopped in the meantime.
func (l *loop) startWaiting(r Run) {
	if !r.Manual && l.tooLate(r) {
		l.left(r, OutcomeMissed, ReasonDeadline)
		return
	}
	l.mu.Lock()
	stopped := !l.started && !r.Manual
	if !stopped {
		l.begins(r)
	}
	l.mu.Unlock()
	if stopped {
		l.left(r, OutcomeSkipped, ReasonStopped)
	}
}

// tooLate reports whether the deadline of a run has passed.
func (j *Job) tooLate(r Run) bool {
	return j.now().Sub(r.Scheduled.Add(j.delay)) > j.cfg.Deadline
}

// begins starts the goroutine of a run. The caller holds mu.
func (l *loop) begins(r Run) {
	c := &call{run: r}
	c.run.Started = l.now()
	ctx, cancel := l.newContext()
	c.cancel = cancel
	l.running[c] = struct{}{}
	l.last = c.run
	l.tasks++
	go l.Job.serve(ctx, c)
}

// serve is the goroutine of a run.
func (j *Job) serve(ctx context.Context, c *call) {
	defer j.taskDone()
	defer c.cancel(nil)
	began := time.Now()
	err := errGoexit // unless invoke returns
	defer func() { j.ended(context.WithoutCancel(ctx), c, err, time.Since(began)) }()
	if j.cfg.OnRunStart != nil {
		j.guard("OnRunStart", func() { j.cfg.OnRunStart(c.run) })
	}
	err = j.invoke(ctx, c.run)
}

var errGoexit = errors.New("cron: function exited its goroutine instead of returning")

// invoke calls the job's function.
func (j *Job) invoke(ctx context.Context, r Run) (err error) {
	if j.cfg.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, j.cfg.Timeout, ErrTimeout)
		defer cancel()
	}
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{v, debug.Stack()}
		}
		if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, cause) {
			err = fmt.Errorf("%w: %w", cause, err)
		}
	}()
	return j.cfg.Do(ctx, r)
}

// outcomeOf returns the outcome of a run that returned err.
func outcomeOf(err error) Outcome {
	switch {
	case err == nil:
		return OutcomeSucceeded
	case errors.Is(err, ErrTimeout):
		return OutcomeTimedOut
	case errors.Is(err, ErrReplaced):
		return OutcomeReplaced
	case errors.Is(err, ErrShutdown):
		return OutcomeCanceled
	}
	return OutcomeFailed
}

// ended records a completed run, and notifies the callbacks and the store.
func (j *Job) ended(ctx context.Context, c *call, err error, took time.Duration) {
	r := Record{Run: c.run, Outcome: outcomeOf(err), Err: err, Duration: took, Count: 1, Until: c.run.Scheduled}
	j.mu.Lock()
	delete(j.running, c)
	j.signal()
	j.mu.Unlock()
	j.record(r)
	if err != nil {
		j.failed(r)
	}
	if j.cfg.Store == nil {
		return
	}
	f := Finish{Job: r.Job, Scheduled: r.Scheduled, Fence: r.Fence, Outcome: r.Outcome, Duration: took}
	if r.Manual {
		f.Scheduled = time.Time{}
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := j.cfg.Store.Finish(ctx, f); err != nil {
		j.warn("could not record the end of a run in the store", "error", err)
	}
}

func (j *Job) failed(r Record) {
	if j.cfg.OnRunError != nil {
		j.guard("OnRunError", func() { j.cfg.OnRunError(r.Run, r.Err) })
		return
	}
	args := []any{"scheduled", r.Scheduled, "outcome", r.Outcome.String(), "error", r.Err}
	var p *PanicError
	if errors.As(r.Err, &p) {
		args = append(args, "stack", string(p.Stack))
	}
	j.errorf("run failed", args...)
}

// taskDone accounts for the end of a run's goroutine.
func (j *Job) taskDone() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tasks--
	if j.tasks == 0 && j.idle != nil {
		close(j.idle)
		j.idle = nil
	}
}

// guard calls a callback and recovers from its panic, which must not crash the program.
func (j *Job) guard(name string, callback func()) {
	defer func() {
		if v := recover(); v != nil {
			j.errorf("callback panicked", "callback", name, "panic", v, "stack", string(debug.Stack()))
		}
	}()
	callback()
}

// left records that an instant is not run.
func (j *Job) left(r Run, o Outcome, why Reason) {
	rec := Record{Run: r, Outcome: o, Reason: why, Count: 1, Until: r.Scheduled}
	j.warn("instant "+o.String(), "scheduled", r.Scheduled, "reason", why)
	j.record(rec)
}

// leftOut records that the instants of s after one time and up to another are not run.
func (j *Job) leftOut(s *Schedule, after, to time.Time, o Outcome, why Reason) {
	first := s.Next(after)
	if first.After(to) {
		return
	}
	n := 1
	for at := first; n < MaxRecordCount; n++ {
		if at = s.Next(at); at.After(to) {
			break
		}
	}
	j.warn("instants "+o.String(), "from", first, "to", to, "count", n, "reason", why)
	j.record(Record{Run: Run{Job: j.cfg.Name, Scheduled: first}, Outcome: o, Reason: why, Count: n, Until: to})
}

// record adds r to the history and passes it to OnRecord.
func (j *Job) record(r Record) {
	j.mu.Lock()
	j.counts.add(r.Outcome, r.Count)
	if len(j.history) == j.cfg.History {
		copy(j.history, j.history[1:])
		j.history = j.history[:len(j.history)-1]
	}
	j.history = append(j.history, r)
	j.mu.Unlock()
	if j.cfg.OnRecord != nil {
		j.guard("OnRecord", func() { j.cfg.OnRecord(r) })
	}
}

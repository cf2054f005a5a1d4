package cron

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// call is a run that goes on.
type call struct {
	run    Run
	cancel context.CancelCauseFunc // ends its context
}

// runManual does what RunNow has asked for.
func (l *loop) runManual(ctx context.Context) {
	r := Run{Job: l.cfg.Name, Scheduled: l.now(), Manual: true}
	g, err := l.ask(ctx, Claim{Token: rand.Text()})
	if err != nil {
		l.left(r, Missed, Unavailable)
		return
	}
	r.Fence = g.Fence
	l.admit(r)
}

// admit starts a run, or lets it wait or skips it, as the Overlap policy has it.
func (l *loop) admit(r Run) {
	l.mu.Lock()
	busy := len(l.running)
	var dropped []Run
	var why Reason
	switch {
	case busy == 0 && len(l.waiting) == 0:
		l.begins(r)
	case l.cfg.Overlap == Allow && busy < l.cfg.OverlapLimit:
		l.begins(r)
	case l.cfg.Overlap == Queue && len(l.waiting) < l.cfg.OverlapLimit:
		l.waiting = append(l.waiting, r)
	case l.cfg.Overlap == Replace:
		if len(l.waiting) == 0 {
			l.graceEnd = time.Now().Add(l.cfg.ReplaceGrace)
		}
		for c := range l.running {
			c.cancel(ErrReplaced)
		}
		dropped, why, l.waiting = l.waiting, Outrun, []Run{r}
		if l.full() {
			why = QueueFull
		}
	case l.cfg.Overlap == Skip:
		dropped, why = []Run{r}, Overlapped
	default:
		dropped, why = []Run{r}, QueueFull
	}
	l.mu.Unlock()
	for _, r := range dropped {
		l.left(r, Skipped, why)
	}
}

// nextWaiting takes a run that waits and need not any more. The caller holds mu.
func (l *loop) nextWaiting() (r Run, ok bool) {
	if len(l.waiting) == 0 || len(l.running) > 0 && l.untilGrace() > 0 {
		return r, false
	}
	r, l.waiting, l.graceEnd = l.waiting[0], l.waiting[1:], time.Time{}
	return r, true
}

// full reports whether what was replaced and goes on leaves no room beside it. The caller
// holds mu.
func (l *loop) full() bool {
	return l.cfg.Overlap == Replace && len(l.running) >= l.cfg.OverlapLimit
}

// untilGrace returns how long what is replaced may still take. The caller holds mu.
func (l *loop) untilGrace() time.Duration {
	if l.graceEnd.IsZero() || l.full() { // the end of a run wakes the loop
		return maxWait
	}
	return time.Until(l.graceEnd)
}

// startWaiting starts a run that has waited, if it is not too late by now and the schedule
// was not stopped meanwhile.
func (l *loop) startWaiting(r Run) {
	if !r.Manual && l.tooLate(r) {
		l.left(r, Missed, PastDue)
		return
	}
	l.mu.Lock()
	stopped := !l.started && !r.Manual
	if !stopped {
		l.begins(r)
	}
	l.mu.Unlock()
	if stopped {
		l.left(r, Skipped, Stopped)
	}
}

// tooLate reports whether the deadline of a run is over.
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
	err := errGoexit // unless what follows returns
	defer func() { j.ended(context.WithoutCancel(ctx), c, err, time.Since(began)) }()
	if j.cfg.Started != nil {
		j.guard("Started", func() { j.cfg.Started(c.run) })
	}
	err = j.invoke(ctx, c.run)
}

var errGoexit = errors.New("cron: the function ended its goroutine instead of returning")

// invoke calls the function.
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

// outcomeOf says what the error of a run means.
func outcomeOf(err error) Outcome {
	switch {
	case err == nil:
		return Succeeded
	case errors.Is(err, ErrTimeout):
		return TimedOut
	case errors.Is(err, ErrReplaced):
		return Replaced
	case errors.Is(err, ErrShutdown):
		return Canceled
	}
	return Failed
}

// ended records a run that is over, and tells everybody.
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
		j.warn("the store was not told how a run ended", "error", err)
	}
}

func (j *Job) failed(r Record) {
	if j.cfg.Failed != nil {
		j.guard("Failed", func() { j.cfg.Failed(r.Run, r.Err) })
		return
	}
	args := []any{"scheduled", r.Scheduled, "outcome", r.Outcome.String(), "error", r.Err}
	var p *PanicError
	if errors.As(r.Err, &p) {
		args = append(args, "stack", string(p.Stack))
	}
	j.errorf("a run failed", args...)
}

// taskDone ends the accounting of a run's goroutine.
func (j *Job) taskDone() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tasks--
	if j.tasks == 0 && j.idle != nil {
		close(j.idle)
		j.idle = nil
	}
}

// guard calls a callback, whose panic must not end the program.
func (j *Job) guard(name string, callback func()) {
	defer func() {
		if v := recover(); v != nil {
			j.errorf("a callback panicked", "callback", name, "panic", v, "stack", string(debug.Stack()))
		}
	}()
	callback()
}

// left records that a run is not started.
func (j *Job) left(r Run, o Outcome, why Reason) {
	rec := Record{Run: r, Outcome: o, Reason: why, Count: 1, Until: r.Scheduled}
	j.warn("an instant is "+o.String(), "scheduled", r.Scheduled, "reason", why)
	j.record(rec)
}

// leftOut records that the instants of a schedule after one and up to another are not run.
func (j *Job) leftOut(s *Schedule, after, to time.Time, o Outcome, why Reason) {
	first := s.Next(after)
	if first.After(to) {
		return
	}
	n := 1
	for at := first; n < MaxCount; n++ {
		if at = s.Next(at); at.After(to) {
			break
		}
	}
	j.warn("instants are "+o.String(), "from", first, "to", to, "count", n, "reason", why)
	j.record(Record{Run: Run{Job: j.cfg.Name, Scheduled: first}, Outcome: o, Reason: why, Count: n, Until: to})
}

// record keeps a record and tells the hook.
func (j *Job) record(r Record) {
	j.mu.Lock()
	j.counts.add(r.Outcome, r.Count)
	if len(j.history) == j.cfg.History {
		copy(j.history, j.history[1:])
		j.history = j.history[:len(j.history)-1]
	}
	j.history = append(j.history, r)
	j.mu.Unlock()
	if j.cfg.Recorded != nil {
		j.guard("Recorded", func() { j.cfg.Recorded(r) })
	}
}

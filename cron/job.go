package cron

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ignis-go/ignis/internal/loglimit"
)

// Job runs a function on a schedule. Make it with [New] and run it with [Job.Run], or
// add it to a [Scheduler]. Its methods may be called from any goroutine, from the job's
// own function too, and do nothing for a nil Job.
type Job struct {
	cfg   Config
	loc   *time.Location
	delay time.Duration     // of Jitter
	wake  chan struct{}     // tells the loop to look again
	limit *loglimit.Limiter // open while a Run is there
	ahead atomic.Int64      // how far this clock is ahead of the store's, in nanoseconds

	mu       sync.Mutex
	schedule *Schedule
	started  bool // the schedule, by Start
	paused   bool
	looping  bool          // a Run is there
	ending   bool          // and was told to end
	over     chan struct{} // closed when it has
	// version changes whenever what the loop is about to do may have become wrong.
	version  int
	cursor   time.Time // instants up to this one are dealt with
	spans    []span    // those of them that were run
	anchored bool      // the store was asked what was run before
	planned  bool      // and told what the job does now
	pausedAt time.Time // where the cursor was then
	manual   int       // calls of RunNow that the loop has not seen
	waiting  []Run     // until others end, as Overlap has it
	behind   []makeUp  // what was missed and is made up for
	graceEnd time.Time // when what waits starts beside what runs
	running  map[*call]struct{}
	tasks    int           // goroutines of runs
	idle     chan struct{} // closed when tasks comes to 0; nil: nobody waits for that
	last     Run
	history  []Record // oldest first
	counts   Counts
}

// New returns a job whose schedule is not started, or an error that says what is wrong
// with cfg: an *[ParseError] or [ErrEmpty] for the pattern.
func New(cfg Config) (*Job, error) {
	cfg, s, loc, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Job{
		cfg:      cfg,
		loc:      loc,
		delay:    cfg.delay(),
		wake:     make(chan struct{}, 1),
		limit:    loglimit.New(cfg.Logger),
		schedule: s,
		running:  make(map[*call]struct{}),
	}, nil
}

// Duplicate returns a new job that is configured as j, with another name and pattern.
// The two have nothing to do with each other.
func (j *Job) Duplicate(name, pattern string) (*Job, error) {
	if j == nil {
		return nil, errors.New("cron: Duplicate of a nil Job")
	}
	cfg := j.cfg
	cfg.Name, cfg.Pattern = name, pattern
	return New(cfg)
}

// Name returns the name that the job was configured with.
func (j *Job) Name() string {
	if j == nil {
		return ""
	}
	return j.cfg.Name
}

// Schedule returns the present schedule.
func (j *Job) Schedule() *Schedule {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.schedule
}

// Start starts the schedule, from now on, or as soon as the job is run by Run or a
// Scheduler. If it is started, nothing happens.
func (j *Job) Start() {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.started {
		j.started = true
		j.reset()
	}
}

// Stop stops the schedule: no further run starts, and what waits to run is skipped. Runs
// go on. Completed is called before Stop returns, if a schedule was stopped that a Run
// followed. If it is not started, nothing happens.
func (j *Job) Stop() {
	if j == nil {
		return
	}
	j.mu.Lock()
	active := j.started && j.looping
	j.started = false
	dropped := j.waiting
	for _, m := range j.behind {
		dropped = append(dropped, m.run)
	}
	j.waiting, j.behind, j.graceEnd = nil, nil, time.Time{}
	j.reset()
	j.mu.Unlock()
	for _, r := range dropped {
		j.left(r, Skipped, Stopped)
	}
	if active && j.cfg.Completed != nil {
		j.guard("Completed", j.cfg.Completed)
	}
}

// reset makes the schedule count from now. The caller holds mu.
func (j *Job) reset() {
	j.countFrom(j.now())
	j.anchored = false
}

// countFrom makes the schedule count from an instant, but not again from one that is
// dealt with, if the clock was set back. The caller holds mu.
func (j *Job) countFrom(at time.Time) {
	j.cursor = latest(j.cursor, at)
	j.version++
	j.signal()
}

// Pause makes the job skip its instants until Resume, in this process, and make up for
// nothing. Runs go on, those that wait for others too, and RunNow works.
func (j *Job) Pause() {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.paused {
		j.paused, j.pausedAt = true, j.now()
		j.version++
		j.signal()
	}
}

// Resume ends a pause. The instants in it are recorded as skipped.
func (j *Job) Resume() {
	if j == nil {
		return
	}
	j.mu.Lock()
	was, from, now, s := j.paused, j.pausedAt, j.now(), j.schedule
	started := j.started && j.looping
	j.paused = false
	if was {
		j.countFrom(now)
	}
	j.mu.Unlock()
	if was && started {
		j.leftOut(s, from, s.Prev(now.Add(1)), Skipped, Paused)
	}
}

// Reschedule gives the job another pattern, from now on, in the same zone. Runs go on,
// Completed is not called, and a schedule that is stopped remains so. With an error, which is
// that of [Parse], nothing has changed. To run the function at once too, call
// RunNow.
func (j *Job) Reschedule(pattern string) error {
	if j == nil {
		return errors.New("cron: Reschedule of a nil Job")
	}
	s, err := Parse(pattern, j.cfg.Options...)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.schedule, j.planned, j.spans = s, false, nil
	j.countFrom(j.now())
	return nil
}

// RunNow runs the function once, now, whatever the schedule says. It returns when that is
// decided, not when it has run: with ErrNotRunning if nobody runs the job, and with
// ErrBusy if the Overlap policy has no room for it.
func (j *Job) RunNow() error {
	if j == nil {
		return ErrNotRunning
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.looping {
		return ErrNotRunning
	}
	busy := len(j.running) + j.manual
	switch j.cfg.Overlap {
	case Skip:
		if busy > 0 {
			return ErrBusy
		}
	case Allow:
		if busy >= j.cfg.OverlapLimit {
			return ErrBusy
		}
	case Queue:
		if len(j.waiting)+j.manual >= j.cfg.OverlapLimit {
			return ErrBusy
		}
	}
	j.manual++
	j.signal()
	return nil
}

// Drain stops the schedule and waits until no run goes on, or until ctx ends: then it
// returns ctx's error. Called by the job's own function it waits for that too.
func (j *Job) Drain(ctx context.Context) error {
	if j == nil {
		return nil
	}
	j.Stop()
	select {
	case <-j.whenIdle():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// whenIdle returns a channel that is closed when no run goes on.
func (j *Job) whenIdle() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.tasks == 0 {
		idle := make(chan struct{})
		close(idle)
		return idle
	}
	if j.idle == nil {
		j.idle = make(chan struct{})
	}
	return j.idle
}

// Status returns what the job is doing.
func (j *Job) Status() Status {
	if j == nil {
		return Status{}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.now()
	s := Status{
		Active:  j.started && j.looping,
		Paused:  j.paused,
		Running: len(j.running),
		Waiting: len(j.waiting) + len(j.behind) + j.manual,
		Prev:    j.schedule.Prev(now),
		Last:    j.last,
		Counts:  j.counts,
	}
	if s.Active && !s.Paused {
		s.Next = j.schedule.Next(latest(now, j.cursor))
	}
	return s
}

// History returns what became of the last instants and runs, the newest first.
func (j *Job) History() []Record {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	list := slices.Clone(j.history)
	slices.Reverse(list)
	return list
}

// now is the time by the store's clock, or by this machine's without one, in the job's zone.
func (j *Job) now() time.Time {
	return j.cfg.Now().Round(0).Add(-time.Duration(j.ahead.Load())).In(j.loc)
}

// signal makes the loop look again.
func (j *Job) signal() {
	select {
	case j.wake <- struct{}{}:
	default: // it will look anyway
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

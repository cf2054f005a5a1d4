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

// Job runs a function on a schedule. Create it with [New], and run it with [Job.Run] or add it
// to a [Scheduler]. Its methods are safe for concurrent use and may be called from the job's
// own function. On a nil Job they do nothing, or return an error.
type Job struct {
	cfg   Config
	loc   *time.Location
	delay time.Duration     // derived from Jitter
	wake  chan struct{}     // wakes the loop
	limit *loglimit.Limiter // open while the job is run
	ahead atomic.Int64      // how far this clock is ahead of the store's, in nanoseconds

	mu       sync.Mutex
	schedule *Schedule
	started  bool // whether the schedule is started
	paused   bool
	looping  bool          // whether the job is run, by Run or a Scheduler
	ending   bool          // whether Run or the Scheduler was told to stop
	over     chan struct{} // closed when it has stopped
	// version changes whenever a decision of the loop may have become outdated.
	version  int
	cursor   time.Time // instants up to this one are settled
	spans    []span    // the settled instants that were run
	anchored bool      // whether the store was asked what was run before
	planned  bool      // whether the store was told what the job does now
	pausedAt time.Time // when the pause began
	manual   int       // RunNow calls that the loop has not handled
	waiting  []Run     // runs that wait for others to end
	behind   []lateRun // missed instants that are still to be run
	graceEnd time.Time // when the waiting run starts alongside the replaced one
	running  map[*call]struct{}
	tasks    int           // number of goroutines of runs
	idle     chan struct{} // closed when tasks drops to 0, nil unless someone waits for that
	last     Run
	history  []Record // oldest first
	counts   Counts
}

// New returns a job whose schedule is stopped. It returns an error if cfg is invalid. For an
// invalid pattern, the error is [ErrEmptyPattern] or a [*ParseError].
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

// Duplicate returns a new job with the same configuration as j except for its name and
// pattern. The two jobs are independent of each other.
func (j *Job) Duplicate(name, pattern string) (*Job, error) {
	if j == nil {
		return nil, errors.New("cron: Duplicate called on a nil Job")
	}
	cfg := j.cfg
	cfg.Name, cfg.Pattern = name, pattern
	return New(cfg)
}

// Name returns the name of the job.
func (j *Job) Name() string {
	if j == nil {
		return ""
	}
	return j.cfg.Name
}

// Schedule returns the current schedule.
func (j *Job) Schedule() *Schedule {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.schedule
}

// Start starts the schedule. It counts from now, or from the moment at which Run or a
// [Scheduler] begins to run the job, if that is later. Start is a no-op if the schedule is
// already started.
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

// Stop stops the schedule. No further run starts and waiting runs are skipped, but runs in
// progress continue. If the schedule was active, Config.OnStop is called before Stop returns.
// Stop is a no-op if the schedule is not started.
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
		j.left(r, OutcomeSkipped, ReasonStopped)
	}
	if active && j.cfg.OnStop != nil {
		j.guard("OnStop", j.cfg.OnStop)
	}
}

// reset makes the schedule count from now. The caller holds mu.
func (j *Job) reset() {
	j.countFrom(j.now())
	j.anchored = false
}

// countFrom makes the schedule count from a time, or from the cursor if that is later because
// the clock was set back. The caller holds mu.
func (j *Job) countFrom(at time.Time) {
	j.cursor = latest(j.cursor, at)
	j.version++
	j.signal()
}

// Pause makes the job skip its instants in this process until [Job.Resume]. They are not run
// later either. Runs in progress continue, waiting runs still start, and RunNow still works.
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

// Resume ends a pause. The instants that were due during the pause are recorded as skipped.
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
		j.leftOut(s, from, s.Prev(now.Add(1)), OutcomeSkipped, ReasonPaused)
	}
}

// Reschedule replaces the pattern of the job, from now on and in the same zone. Runs in
// progress continue, Config.OnStop is not called, and a stopped schedule remains stopped. If
// [Parse] rejects the pattern, Reschedule returns its error and changes nothing. Reschedule
// does not run the function; to do that as well, call [Job.RunNow].
func (j *Job) Reschedule(pattern string) error {
	if j == nil {
		return errors.New("cron: Reschedule called on a nil Job")
	}
	s, err := Parse(pattern, j.cfg.ParseOptions...)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.schedule, j.planned, j.spans = s, false, nil
	j.countFrom(j.now())
	return nil
}

// RunNow starts a run immediately, regardless of the schedule. It does not wait for the run.
// It returns [ErrNotRunning] if neither Run nor a [Scheduler] is running the job, and
// [ErrBusy] if the Overlap policy does not allow another run.
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
	case OverlapSkip:
		if busy > 0 {
			return ErrBusy
		}
	case OverlapAllow:
		if busy >= j.cfg.OverlapLimit {
			return ErrBusy
		}
	case OverlapQueue:
		if len(j.waiting)+j.manual >= j.cfg.OverlapLimit {
			return ErrBusy
		}
	}
	j.manual++
	j.signal()
	return nil
}

// Drain stops the schedule and waits until no run is in progress. If ctx ends first, Drain
// returns the cause. The job's own function must not call Drain without a deadline, because
// Drain waits for that run, too.
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

// whenIdle returns a channel that is closed when no run is in progress.
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

// Status returns the current status of the job.
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
		LastRun: j.last,
		Counts:  j.counts,
	}
	if s.Active && !s.Paused {
		s.Next = j.schedule.Next(latest(now, j.cursor))
	}
	return s
}

// History returns the records of the latest runs and instants, newest first.
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

// now returns the time in the job's zone by the store's clock, or by the local clock without a
// store.
func (j *Job) now() time.Time {
	return j.cfg.Now().Round(0).Add(-time.Duration(j.ahead.Load())).In(j.loc)
}

// signal wakes the loop.
func (j *Job) signal() {
	select {
	case j.wake <- struct{}{}:
	default: // a wake-up is already pending
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

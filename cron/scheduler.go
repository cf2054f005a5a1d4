package cron

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// Scheduler runs a set of jobs. Its zero value is an empty Scheduler, ready to use. Its methods
// are safe for concurrent use and may be called from jobs.
type Scheduler struct {
	mu      sync.Mutex
	order   list.List              // of *member, in the order in which they were added
	members map[*Job]*list.Element // elements of order
	names   map[string]*Job        // jobs that have a name
	fresh   []*member              // members that Run has not seen
	changed chan struct{}          // wakes Run, nil while Run is not running
}

// member is a job of a Scheduler.
type member struct {
	job     *Job
	removed bool
	begun   atomic.Bool        // whether the job is run by this member
	cancel  context.CancelFunc // stops running the job or waiting to run it
}

// Add adds a job. If the Scheduler is running, it begins to run the job, and starts the job's
// schedule unless Config.ManualStart is set. A job that was removed and still has runs in
// progress is run as soon as they have ended. It is an error to add a job twice, or two jobs
// with the same name.
func (s *Scheduler) Add(j *Job) error {
	if j == nil {
		return errors.New("cron: Add called with a nil Job")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.members[j] != nil || s.names[j.Name()] != nil {
		return fmt.Errorf("cron: scheduler already has job %q", j.Name())
	}
	if s.members == nil {
		s.members, s.names = make(map[*Job]*list.Element), make(map[string]*Job)
	}
	m := &member{job: j}
	s.members[j] = s.order.PushBack(m)
	if j.Name() != "" {
		s.names[j.Name()] = j
	}
	if s.changed != nil {
		s.fresh = append(s.fresh, m)
		select {
		case s.changed <- struct{}{}:
		default: // a wake-up is already pending
		}
	}
	return nil
}

// Remove removes a job and stops its schedule. Its runs in progress may continue for its
// DrainTimeout, and [Scheduler.Run] waits for them. Remove reports whether the job was found.
func (s *Scheduler) Remove(j *Job) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.members[j]
	if e == nil {
		return false
	}
	m := s.order.Remove(e).(*member)
	delete(s.members, j)
	if j.Name() != "" {
		delete(s.names, j.Name())
	}
	m.removed = true
	if m.begun.Load() {
		j.leave()
	}
	if m.cancel != nil {
		m.cancel()
	}
	return true
}

// Jobs returns the jobs in the order in which they were added.
func (s *Scheduler) Jobs() []*Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	jobs := make([]*Job, 0, s.order.Len())
	for e := s.order.Front(); e != nil; e = e.Next() {
		jobs = append(jobs, e.Value.(*member).job)
	}
	return jobs
}

// Run runs the jobs until ctx ends, and then waits for their runs in progress, as [Job.Run]
// does. It returns the joined errors of the jobs. A job that is already run by another caller
// is left out, which is logged and included in the error. It is an error to call Run while it
// is already running.
func (s *Scheduler) Run(ctx context.Context) error {
	changed := make(chan struct{}, 1)
	s.mu.Lock()
	if s.changed != nil {
		s.mu.Unlock()
		return errors.New("cron: scheduler is already running")
	}
	s.changed, s.fresh = changed, nil
	for e := s.order.Front(); e != nil; e = e.Next() {
		s.fresh = append(s.fresh, e.Value.(*member))
	}
	s.mu.Unlock()
	var jobs errGroup
	for ctx.Err() == nil {
		s.launch(ctx, &jobs)
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
	err := jobs.wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed, s.fresh = nil, nil
	return err
}

// launch starts the goroutines of the jobs that Run has not seen.
func (s *Scheduler) launch(ctx context.Context, jobs *errGroup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.fresh {
		if m.removed {
			continue
		}
		ctx, cancel := context.WithCancel(ctx)
		m.cancel = cancel
		over, err := m.begin()
		jobs.goes.Go(func() {
			defer cancel()
			jobs.add(s.run(ctx, m, over, err))
		})
	}
	s.fresh = nil
}

// run runs the job of a member until ctx ends. The arguments over and err are the results of
// begin. If over is not nil, run first waits until an earlier Run of the job has ended.
func (s *Scheduler) run(ctx context.Context, m *member, over <-chan struct{}, err error) error {
	for over != nil {
		select {
		case <-over:
		case <-ctx.Done():
			return nil
		}
		s.mu.Lock()
		over, err = m.begin()
		s.mu.Unlock()
	}
	if err != nil {
		m.job.cfg.Logger.Error("the scheduler does not run a job", "error", err)
		return err
	}
	defer m.begun.Store(false)
	if !m.job.cfg.ManualStart {
		m.job.Start()
	} else if !m.job.Status().Active {
		m.job.cfg.Logger.Info("the job waits for Start because ManualStart is set")
	}
	return m.job.run(ctx)
}

// begin makes m the one that runs its job. If another caller runs the job but was told to stop,
// begin returns a channel that is closed when that caller has stopped. The caller holds mu.
func (m *member) begin() (over <-chan struct{}, err error) {
	if m.removed {
		return make(chan struct{}), nil // its context has ended
	}
	if over := m.job.leaving(); over != nil {
		return over, nil
	}
	err = m.job.begin()
	m.begun.Store(err == nil)
	return nil, err
}

// errGroup waits for goroutines and collects their errors.
type errGroup struct {
	goes sync.WaitGroup
	mu   sync.Mutex
	errs []error
}

func (g *errGroup) add(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		g.errs = append(g.errs, err)
	}
}

func (g *errGroup) wait() error {
	g.goes.Wait() // no error is added after this
	return errors.Join(g.errs...)
}

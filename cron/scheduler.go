package cron

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// Scheduler runs jobs together. Its zero value has none. Its methods may be called from
// any goroutine, also by jobs.
type Scheduler struct {
	mu      sync.Mutex
	order   list.List              // of *member, as they were added
	members map[*Job]*list.Element // those of order
	names   map[string]*Job        // jobs that have one
	fresh   []*member              // that Run has not seen
	changed chan struct{}          // of the Run that is there; nil: none is
}

// member is a job of a Scheduler.
type member struct {
	job     *Job
	removed bool
	begun   atomic.Bool        // the job is run by this member
	cancel  context.CancelFunc // ends that, and waiting for it
}

// Add adds a job. While the Scheduler runs, it runs the job from now on; the job's
// schedule is started unless it is configured as Manual: then [Job.Start] does that. A job that
// was removed, and whose runs still go on, is run as soon as they have ended. It is an
// error to add a job twice, or two with the same name.
func (s *Scheduler) Add(j *Job) error {
	if j == nil {
		return errors.New("cron: Add of a nil Job")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.members[j] != nil || s.names[j.Name()] != nil {
		return fmt.Errorf("cron: the scheduler has a job %q already", j.Name())
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
		default: // it will look anyway
		}
	}
	return nil
}

// Remove takes a job out: its schedule is stopped. Its runs go on, for its DrainTimeout
// at most, and Run waits for them. It reports whether the job was there.
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

// Run runs the jobs until ctx ends, and then waits for their runs as [Job.Run] does. Its
// error joins theirs. A job that is run by somebody else already is logged and left to
// them. Only one Run can be there at a time.
func (s *Scheduler) Run(ctx context.Context) error {
	changed := make(chan struct{}, 1)
	s.mu.Lock()
	if s.changed != nil {
		s.mu.Unlock()
		return errors.New("cron: the scheduler runs already")
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

// run runs a job that a member has begun, or could not, or can once an earlier Run of it has
// ended, which over tells.
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
		m.job.cfg.Logger.Error("the scheduler leaves a job out", "error", err)
		return err
	}
	defer m.begun.Store(false)
	if !m.job.cfg.Manual {
		m.job.Start()
	} else if !m.job.Status().Active {
		m.job.cfg.Logger.Info("the job waits for Start: it is Manual")
	}
	return m.job.run(ctx)
}

// begin makes a member the one that runs its job. If somebody does who was told to end, it
// returns a channel that is closed then. The caller holds mu.
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

// errGroup are goroutines that end with an error each.
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
	g.goes.Wait() // then nobody adds
	return errors.Join(g.errs...)
}

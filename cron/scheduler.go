package cron

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Scheduler runs jobs together. Its zero value has none. Its methods may be called from
// any goroutine, also by jobs.
type Scheduler struct {
	mu      sync.Mutex
	members []*member
	changed chan struct{} // of the Run that is there; nil: none is
}

// member is a job of a Scheduler.
type member struct {
	job      *Job
	launched bool
	cancel   context.CancelFunc // of what is launched
}

// Add adds a job. While the Scheduler runs, it runs the job from now on; the job's
// schedule is started if it is configured with AutoStart, or was by [Job.Start]. It is an
// error to add a job twice, or two with the same name.
func (s *Scheduler) Add(j *Job) error {
	if j == nil {
		return errors.New("cron: Add of a nil Job")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.members {
		if m.job == j || j.Name() != "" && m.job.Name() == j.Name() {
			return fmt.Errorf("cron: the scheduler has a job %q already", j.Name())
		}
	}
	s.members = append(s.members, &member{job: j})
	s.signal()
	return nil
}

// Remove takes a job out: its schedule is stopped. Its runs go on, for its DrainTimeout
// at most, and Run waits for them. It reports whether the job was there.
func (s *Scheduler) Remove(j *Job) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.members, func(m *member) bool { return m.job == j })
	if i < 0 {
		return false
	}
	if s.members[i].launched {
		s.members[i].cancel()
	}
	s.members = slices.Delete(s.members, i, i+1)
	return true
}

// Jobs returns the jobs in the order in which they were added.
func (s *Scheduler) Jobs() []*Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*Job, len(s.members))
	for i, m := range s.members {
		list[i] = m.job
	}
	return list
}

// signal makes Run look for jobs to launch. The caller holds mu.
func (s *Scheduler) signal() {
	select {
	case s.changed <- struct{}{}: // of a nil channel nothing comes
	default:
	}
}

// Run runs the jobs until ctx ends, and then waits for their runs as [Job.Run] does. Its
// error joins theirs. A job that is run by somebody else already is logged and left to
// them. Only one Run can be there at a time.
func (s *Scheduler) Run(ctx context.Context) error {
	s.mu.Lock()
	if s.changed != nil {
		s.mu.Unlock()
		return errors.New("cron: the scheduler runs already")
	}
	changed := make(chan struct{}, 1)
	s.changed = changed
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
	s.changed = nil
	for _, m := range s.members {
		m.launched = false
	}
	return err
}

// launch starts the goroutines of the jobs that have none.
func (s *Scheduler) launch(ctx context.Context, jobs *errGroup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.members {
		if m.launched {
			continue
		}
		ctx, cancel := context.WithCancel(ctx)
		m.launched, m.cancel = true, cancel
		if err := m.job.begin(); err != nil {
			m.job.cfg.Logger.Error("the scheduler leaves a job out", "error", err)
			jobs.add(err)
			cancel()
			continue
		}
		if m.job.cfg.AutoStart {
			m.job.Start()
		} else if !m.job.Status().Active {
			m.job.cfg.Logger.Info("the job waits for Start: AutoStart is not set")
		}
		jobs.goes.Go(func() {
			defer cancel()
			jobs.add(m.job.run(ctx))
		})
	}
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
	g.errs = append(g.errs, err)
}

func (g *errGroup) wait() error {
	g.goes.Wait() // then nobody adds
	return errors.Join(g.errs...)
}

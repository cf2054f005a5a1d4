package promignis

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ignis-go/ignis/cron"
)

// jobs counts the runs of jobs by name.
type jobs struct {
	names vocabulary
	mu    sync.Mutex
	list  map[string]*job
}

// job counts the runs of one job.
type job struct {
	outcomes    tally[cron.Outcome]
	notRun      tally[notRun]
	lags, times *histogram
	running     atomic.Int64
	succeeded   atomic.Int64 // when a run last succeeded, in nanoseconds since 1970; 0: never
}

// notRun are the labels of instants that were not run.
type notRun struct {
	outcome cron.Outcome
	reason  cron.Reason
}

// Job returns cfg with hooks that count the runs of the job. Hooks that cfg already has are
// called as well. Pass the result to [cron.New]. Only the first 100 names are counted by name,
// so that an application can create jobs without limit.
func (r *Recorder) Job(cfg cron.Config) cron.Config {
	onStart, onRecord := cfg.OnRunStart, cfg.OnRecord
	cfg.OnRunStart = func(run cron.Run) {
		r.jobs.named(run.Job).started(run)
		if onStart != nil {
			onStart(run)
		}
	}
	cfg.OnRecord = func(record cron.Record) {
		r.jobs.named(record.Job).ended(record)
		if onRecord != nil {
			onRecord(record)
		}
	}
	r.jobs.named(cfg.Name) // so that its counters exist before its first run
	return cfg
}

// named returns the counters of a job.
func (s *jobs) named(name string) *job {
	if name == "" {
		name = "unnamed"
	}
	name = s.names.value(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.list[name]
	if j == nil {
		j = &job{
			lags:  newHistogram(0.1, 1, 10, 60, 600),
			times: newHistogram(0.1, 1, 10, 60, 600, 3600),
		}
		if s.list == nil {
			s.list = make(map[string]*job)
		}
		s.list[name] = j
	}
	return j
}

// snapshot returns the jobs and their names in alphabetical order.
func (s *jobs) snapshot() (names []string, list map[string]*job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Keys(s.list), strings.Compare), maps.Clone(s.list)
}

func (j *job) started(run cron.Run) {
	j.running.Add(1)
	if !run.Manual {
		j.lags.observe(seconds(run.Lag()))
	}
}

func (j *job) ended(r cron.Record) {
	if r.Outcome == cron.OutcomeSkipped || r.Outcome == cron.OutcomeMissed {
		j.notRun.add(notRun{r.Outcome, r.Reason}, uint64(r.Count))
		return
	}
	j.running.Add(-1)
	j.outcomes.add(r.Outcome, 1)
	j.times.observe(seconds(r.Duration))
	if r.Outcome == cron.OutcomeSucceeded {
		j.succeeded.Store(r.Started.Add(r.Duration).UnixNano())
	}
}

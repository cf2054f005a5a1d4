// Package crontest has what tests of jobs need: a store in memory, and the suite that any
// [cron.Store] must pass.
package crontest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ignis-go/ignis/cron"
)

// ErrDown is returned by a [Memory] that is down.
var ErrDown = errors.New("crontest: the store is down")

// Memory is a [cron.Store] for the schedulers of one process. Its zero value is empty and
// goes by time.Now. Its methods may be called from any goroutine.
type Memory struct {
	// Now is the store's clock. Nil: time.Now.
	Now func() time.Time

	mu       sync.Mutex
	down     bool
	deaf     bool
	jobs     map[string]*memory
	fence    uint64 // of all jobs: it survives Forget
	finished []cron.Finish
	asked    int
}

// memory is what is known of a job.
type memory struct {
	last   time.Time
	newest time.Time
	from   time.Time // nothing before it is known
	grants map[time.Time]grant
	plan   cron.Plan
}

type grant struct {
	token string
	fence uint64
}

// Down makes all calls fail, until it is called with false.
func (m *Memory) SetDown(down bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = down
}

// Deaf makes calls do their work and then fail, as when an answer is lost, until it is
// called with false.
func (m *Memory) DropAnswers(deaf bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deaf = deaf
}

// Forget makes the store lose all it knows, as a restart does. What was due before the next
// call for a job is then not granted any more.
func (m *Memory) Forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.jobs = nil
}

// Finished returns what Finish was called with.
func (m *Memory) Finished() []cron.Finish {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]cron.Finish(nil), m.finished...)
}

// Asked returns how often Last was called and answered.
func (m *Memory) Queries() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

func (m *Memory) now() time.Time {
	if m.Now != nil {
		return m.Now()
	}
	return time.Now()
}

// job returns what is known. The caller holds mu.
func (m *Memory) job(name string) *memory {
	if m.jobs[name] == nil {
		if m.jobs == nil {
			m.jobs = make(map[string]*memory)
		}
		m.jobs[name] = &memory{from: m.now(), grants: make(map[time.Time]grant)}
	}
	return m.jobs[name]
}

// failure is what a call returns that has done its work. The caller holds mu.
func (m *Memory) failure() error {
	if m.deaf {
		return ErrDown
	}
	return nil
}

// Claim grants each instant of a job once.
func (m *Memory) Claim(_ context.Context, c cron.Claim) (cron.Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return cron.Grant{}, ErrDown
	}
	j, now := m.job(c.Job), m.now()
	if c.Scheduled.IsZero() {
		m.fence++
		return cron.Grant{Verdict: cron.Granted, Fence: m.fence, Now: now}, m.failure()
	}
	at := c.Scheduled.UTC()
	defer func() {
		if !c.Behind && j.newest.After(j.last) {
			j.last = j.newest
		}
	}()
	g, granted := j.grants[at]
	switch {
	case granted && g.token == c.Token:
		return cron.Grant{Verdict: cron.Granted, Fence: g.fence, Now: now}, m.failure()
	case granted:
		return cron.Grant{Verdict: cron.Taken, Now: now}, m.failure()
	case at.After(now):
		return cron.Grant{Verdict: cron.TooEarly, Now: now}, m.failure()
	case !at.After(j.from):
		return cron.Grant{Verdict: cron.Forgotten, Now: now}, m.failure()
	}
	m.fence++
	j.grants[at] = grant{c.Token, m.fence}
	if at.After(j.newest) {
		j.newest = at
	}
	return cron.Grant{Verdict: cron.Granted, Fence: m.fence, Now: now}, m.failure()
}

// Finish keeps what it is called with.
func (m *Memory) Finish(_ context.Context, f cron.Finish) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return ErrDown
	}
	m.finished = append(m.finished, f)
	return m.failure()
}

// Last returns what is known of a job.
func (m *Memory) Last(_ context.Context, q cron.Query) (cron.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return cron.State{}, ErrDown
	}
	j, now := m.job(q.Job), m.now()
	m.asked++
	before := j.plan
	if q.Begins {
		begun := now.Add(-q.Ago).Truncate(time.Second)
		if before.Schedule != "" && before.Schedule != q.Plan.Schedule && begun.After(j.last) {
			j.last = begun
		}
		j.plan = q.Plan
	}
	return cron.State{Last: j.last, Now: now, Plan: before}, m.failure()
}

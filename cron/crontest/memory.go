// Package crontest provides an in-memory [cron.Store] for tests, and a test suite for
// implementations of [cron.Store].
package crontest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ignis-go/ignis/cron"
)

// ErrDown is returned by a [Memory] that is down or drops its answers.
var ErrDown = errors.New("crontest: the store is down")

// Memory is a [cron.Store] in memory, shared by the jobs of one process. Its zero value is an
// empty store, ready to use. Its methods are safe for concurrent use.
type Memory struct {
	// Now returns the store's time. If nil, time.Now is used.
	Now func() time.Time

	mu       sync.Mutex
	down     bool
	dropping bool
	jobs     map[string]*memory
	fence    uint64 // shared by all jobs, survives Forget
	finished []cron.Finish
	queries  int
}

// memory is what the store knows about a job.
type memory struct {
	last   time.Time
	newest time.Time
	from   time.Time // grants up to this time are unknown
	grants map[time.Time]grant
	plan   cron.Plan
}

type grant struct {
	token string
	fence uint64
}

// SetDown makes all calls fail until it is called with false.
func (m *Memory) SetDown(down bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = down
}

// DropAnswers makes calls do their work and then fail, as if the answer had been lost, until it
// is called with false.
func (m *Memory) DropAnswers(drop bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dropping = drop
}

// Forget deletes the store's data, as a restart would. Instants of a job that are due before the
// next call for that job are no longer granted.
func (m *Memory) Forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.jobs = nil
}

// Finished returns the arguments of all Finish calls.
func (m *Memory) Finished() []cron.Finish {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]cron.Finish(nil), m.finished...)
}

// Queries returns the number of successful calls of Last.
func (m *Memory) Queries() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.queries
}

func (m *Memory) now() time.Time {
	if m.Now != nil {
		return m.Now()
	}
	return time.Now()
}

// job returns what the store knows about a job. The caller holds mu.
func (m *Memory) job(name string) *memory {
	if m.jobs[name] == nil {
		if m.jobs == nil {
			m.jobs = make(map[string]*memory)
		}
		m.jobs[name] = &memory{from: m.now(), grants: make(map[time.Time]grant)}
	}
	return m.jobs[name]
}

// failure returns the error of a call that has done its work. The caller holds mu.
func (m *Memory) failure() error {
	if m.dropping {
		return ErrDown
	}
	return nil
}

// Claim implements [cron.Store].
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

// Finish implements [cron.Store]. The arguments are returned by [Memory.Finished].
func (m *Memory) Finish(_ context.Context, f cron.Finish) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return ErrDown
	}
	m.finished = append(m.finished, f)
	return m.failure()
}

// Last implements [cron.Store].
func (m *Memory) Last(_ context.Context, q cron.Query) (cron.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return cron.State{}, ErrDown
	}
	j, now := m.job(q.Job), m.now()
	m.queries++
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

package httpapi

import (
	"context"
	"errors"
	"sync"
	"time"
)

// maxMemory is the maximum size of a memory, in bytes.
const maxMemory = 64 << 20

// claimOverhead is about the memory that a claim uses in addition to its key and value.
const claimOverhead = 200

var errMemoryFull = errors.New("the memory for idempotency keys is full")

// memory is a Store for a single instance.
type memory struct {
	mu     sync.Mutex
	claims map[string]claim
	ends   []ending // in the order of time, because the TTL is always the same
	bytes  int
}

type claim struct {
	value []byte
	until time.Time
}

type ending struct {
	key   string
	until time.Time
}

func newMemory() *memory { return &memory{claims: make(map[string]claim)} }

// Claim implements Store.
func (m *memory) Claim(_ context.Context, key string, value []byte, ttl time.Duration) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(time.Now())
	if c, ok := m.claims[key]; ok {
		return c.value, nil
	}
	if m.bytes+len(key)+len(value)+claimOverhead > maxMemory {
		return nil, errMemoryFull
	}
	m.set(key, value, ttl)
	return nil, nil
}

// Replace implements Store.
func (m *memory) Replace(_ context.Context, key string, value []byte, ttl time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(key)
	m.set(key, value, ttl)
	return nil
}

// Release implements Store.
func (m *memory) Release(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(key)
	return nil
}

func (m *memory) set(key string, value []byte, ttl time.Duration) {
	until := time.Now().Add(ttl)
	m.claims[key] = claim{value, until}
	m.ends = append(m.ends, ending{key, until})
	m.bytes += len(key) + len(value) + claimOverhead
}

func (m *memory) remove(key string) {
	if c, ok := m.claims[key]; ok {
		m.bytes -= len(key) + len(c.value) + claimOverhead
		delete(m.claims, key)
	}
}

// expire removes the claims that have ended.
func (m *memory) expire(now time.Time) {
	n := 0
	for n < len(m.ends) && !m.ends[n].until.After(now) {
		// A claim that was replaced ends later.
		if e := m.ends[n]; !m.claims[e.key].until.After(now) {
			m.remove(e.key)
		}
		n++
	}
	if n > 0 {
		clear(m.ends[:n])
		m.ends = m.ends[n:]
	}
}

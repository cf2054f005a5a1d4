// Package registry knows who is here: clients by id, clients by user, clients by
// room. It is a data structure with no sockets and no goroutines.
//
// Everything is sharded, so that publishing to one room, joining another and
// connecting do not queue on one lock. Lookups append to a slice of the caller's
// and hold no lock when they return. A user's or a room's entry exists exactly
// while it has members.
package registry

import (
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// ErrFull is returned by Join when the member is in as many rooms as it may be.
var ErrFull = errors.New("in too many rooms")

const shards = 64 // a power of two

// Registry holds members, each with a value of type T. All methods may be
// called from any goroutine.
type Registry[T any] struct {
	seed   maphash.Seed
	ids    [shards]idShard[T]
	users  groups[T]
	rooms  groups[T]
	active atomic.Int64
}

// Member is one client. Its fields are set before Add and not changed after.
type Member[T any] struct {
	ID    string
	Value T

	mu     sync.Mutex
	state  state
	user   *seat[T]
	seats  []*seat[T] // a handful, so no map
	listed atomic.Bool
}

type state uint8

const (
	absent state = iota
	present
	active
	removed
)

type idShard[T any] struct {
	mu sync.RWMutex
	m  map[string]*Member[T]
}

// New returns an empty registry.
func New[T any]() *Registry[T] {
	r := &Registry[T]{seed: maphash.MakeSeed()}
	for i := range r.ids {
		r.ids[i].m = make(map[string]*Member[T])
	}
	r.users.init(r.seed)
	r.rooms.init(r.seed)
	return r
}

func (r *Registry[T]) shard(id string) *idShard[T] {
	return &r.ids[maphash.String(r.seed, id)%shards]
}

// Add makes m known by its id, and by nothing else until Activate. It reports
// false when the id is taken, or when m has been added before.
func (r *Registry[T]) Add(m *Member[T]) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state != absent {
		return false
	}
	sh := r.shard(m.ID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.m[m.ID] != nil {
		return false
	}
	sh.m[m.ID] = m
	m.state = present
	return true
}

// Activate makes m reachable: by its id, as a room of that name, by its user
// unless that is empty, by broadcasts, and by rooms that it joins from now on.
// It reports false, and does nothing, when m is not just present.
func (r *Registry[T]) Activate(m *Member[T], user string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state != present {
		return false
	}
	m.state = active
	m.listed.Store(true)
	r.active.Add(1)
	if user != "" {
		m.user = r.users.add(user, m)
	}
	return true
}

// Remove takes m out of everything, for good.
func (r *Registry[T]) Remove(m *Member[T]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state == active {
		m.listed.Store(false)
		r.active.Add(-1)
		if m.user != nil {
			r.users.remove(m.user)
		}
		for _, s := range m.seats {
			r.rooms.remove(s)
		}
		m.user, m.seats = nil, nil
	}
	if m.state == present || m.state == active {
		sh := r.shard(m.ID)
		sh.mu.Lock()
		delete(sh.m, m.ID)
		sh.mu.Unlock()
	}
	m.state = removed
}

// Join puts m into room, unless it is there, and reports whether it was put
// there. Members that are not active join nothing. The room of its own id is
// every active member's from the start. With limit rooms joined, its own not
// counted, the error is ErrFull.
func (r *Registry[T]) Join(m *Member[T], room string, limit int) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state != active || room == m.ID || m.seat(room) >= 0 {
		return false, nil
	}
	if len(m.seats) >= limit {
		return false, ErrFull
	}
	m.seats = append(m.seats, r.rooms.add(room, m))
	return true, nil
}

// Leave takes m out of room and reports whether it was there. The room of its
// own id cannot be left.
func (r *Registry[T]) Leave(m *Member[T], room string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.seat(room)
	if i < 0 {
		return false
	}
	r.rooms.remove(m.seats[i])
	last := len(m.seats) - 1
	copy(m.seats[i:], m.seats[i+1:]) // keeps the order of joining
	m.seats[last] = nil
	m.seats = m.seats[:last]
	return true
}

// seat returns the index of the seat in room, or -1.
func (m *Member[T]) seat(room string) int {
	for i, s := range m.seats {
		if s.group.name == room {
			return i
		}
	}
	return -1
}

// Rooms returns the rooms of an active member, its own first, then in the order
// of joining.
func (m *Member[T]) Rooms() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state != active {
		return nil
	}
	names := make([]string, 1, 1+len(m.seats))
	names[0] = m.ID
	for _, s := range m.seats {
		names = append(names, s.group.name)
	}
	return names
}

// In reports whether m is in room.
func (m *Member[T]) In(room string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state == active && (room == m.ID || m.seat(room) >= 0)
}

// Get returns the member with the id, active or not.
func (r *Registry[T]) Get(id string) (*Member[T], bool) {
	sh := r.shard(id)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	m, ok := sh.m[id]
	return m, ok
}

// Active reports whether m can be reached.
func (m *Member[T]) Active() bool { return m.listed.Load() }

// AppendRoom appends the values of the members in room, which may be a
// member's id.
func (r *Registry[T]) AppendRoom(dst []T, room string) []T {
	dst = r.rooms.appendTo(dst, room)
	if m, ok := r.Get(room); ok && m.Active() {
		dst = append(dst, m.Value)
	}
	return dst
}

// AppendUser appends the values of the user's members.
func (r *Registry[T]) AppendUser(dst []T, user string) []T {
	return r.users.appendTo(dst, user)
}

// AppendActive appends the values of all active members.
func (r *Registry[T]) AppendActive(dst []T) []T {
	return r.appendIDs(dst, true)
}

// AppendAll appends the values of all members.
func (r *Registry[T]) AppendAll(dst []T) []T {
	return r.appendIDs(dst, false)
}

func (r *Registry[T]) appendIDs(dst []T, activeOnly bool) []T {
	for i := range r.ids {
		sh := &r.ids[i]
		sh.mu.RLock()
		for _, m := range sh.m {
			if !activeOnly || m.Active() {
				dst = append(dst, m.Value)
			}
		}
		sh.mu.RUnlock()
	}
	return dst
}

// Counts are the sizes of the indexes.
type Counts struct {
	Members int // with those that are not active
	Active  int
	Users   int
	Rooms   int // without those of the members' own ids
}

// Counts returns the sizes of the indexes.
func (r *Registry[T]) Counts() Counts {
	c := Counts{Active: int(r.active.Load()), Users: r.users.count(), Rooms: r.rooms.count()}
	for i := range r.ids {
		r.ids[i].mu.RLock()
		c.Members += len(r.ids[i].m)
		r.ids[i].mu.RUnlock()
	}
	return c
}

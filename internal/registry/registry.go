// Package registry indexes the connected clients by ID, by user and by room. It is a data
// structure that uses no sockets and no goroutines.
//
// The indexes are sharded, so that publishing to one room, joining another and connecting
// do not contend for the same lock. Lookups append to a slice that the caller provides, and
// hold no lock when they return. The entry of a user or a room exists only while it has
// members.
package registry

import (
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// ErrFull is returned by Join if the member has reached its maximum number of rooms.
var ErrFull = errors.New("in too many rooms")

const shards = 64 // a power of two

// Registry holds members, each with a value of type T. Its methods are safe for
// concurrent use.
type Registry[T any] struct {
	seed   maphash.Seed
	ids    [shards]idShard[T]
	users  groups[T]
	rooms  groups[T]
	active atomic.Int64
}

// Member is a client. Its exported fields are set before Add and must not be changed afterwards.
type Member[T any] struct {
	ID    string
	Value T

	mu     sync.Mutex
	state  state
	user   *seat[T]
	seats  []*seat[T]  // too few to be worth a map
	listed atomic.Bool // whether state is active
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

// Add adds m and reports whether it did. It is a no-op if the ID is taken or m was added
// before. Until Activate, m can be found only by its ID.
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

// Activate makes m reachable through the room named by its ID, through its user unless that
// is empty, through broadcasts, and through the rooms that it joins from now on. It reports
// whether it did so. It is a no-op if m was not added, is already active, or was removed.
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

// Remove permanently removes m from all indexes. It returns the rooms that m was in, in the
// order of joining and without the room named by its own ID.
func (r *Registry[T]) Remove(m *Member[T]) (rooms []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state == active {
		m.listed.Store(false)
		r.active.Add(-1)
		if m.user != nil {
			r.users.remove(m.user)
		}
		rooms = make([]string, len(m.seats))
		for i, s := range m.seats {
			rooms[i] = s.group.name
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
	return rooms
}

// Join adds m to room and reports whether it did. It is a no-op if m is already in the room
// or is not active. Every active member is in the room named by its own ID. If m has already
// joined limit rooms, not counting its own, Join returns ErrFull. asked says whether the
// member itself has asked to join; see Member.Asked.
func (r *Registry[T]) Join(m *Member[T], room string, limit int, asked bool) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state != active || room == m.ID || m.seat(room) >= 0 {
		return false, nil
	}
	if len(m.seats) >= limit {
		return false, ErrFull
	}
	s := r.rooms.add(room, m)
	s.asked = asked
	m.seats = append(m.seats, s)
	return true, nil
}

// Leave removes m from room and reports whether it was in the room. The room named by the
// member's own ID cannot be left.
func (r *Registry[T]) Leave(m *Member[T], room string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := m.seat(room)
	if i < 0 {
		return false
	}
	r.rooms.remove(m.seats[i])
	last := len(m.seats) - 1
	copy(m.seats[i:], m.seats[i+1:]) // preserves the order of joining
	m.seats[last] = nil
	m.seats = m.seats[:last]
	return true
}

// seat returns the index of m's seat in room, or -1 if there is none.
func (m *Member[T]) seat(room string) int {
	for i, s := range m.seats {
		if s.group.name == room {
			return i
		}
	}
	return -1
}

// Rooms returns the rooms of m: its own first, and then the others in the order of joining.
// It returns nil if m is not active.
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

// Asked returns the rooms that m itself has asked to join.
func (m *Member[T]) Asked() (rooms []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.seats {
		if s.asked {
			rooms = append(rooms, s.group.name)
		}
	}
	return rooms
}

// In reports whether m is in room.
func (m *Member[T]) In(room string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state == active && (room == m.ID || m.seat(room) >= 0)
}

// Get returns the member with the given ID, whether it is active or not.
func (r *Registry[T]) Get(id string) (*Member[T], bool) {
	sh := r.shard(id)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	m, ok := sh.m[id]
	return m, ok
}

// Active reports whether m is active.
func (m *Member[T]) Active() bool { return m.listed.Load() }

// AppendRoom appends the values of the members in room to dst. The room may be the ID of a
// member.
func (r *Registry[T]) AppendRoom(dst []T, room string) []T {
	dst = r.rooms.appendTo(dst, room)
	if m, ok := r.Get(room); ok && m.Active() {
		dst = append(dst, m.Value)
	}
	return dst
}

// AppendUser appends the values of the user's members to dst.
func (r *Registry[T]) AppendUser(dst []T, user string) []T {
	return r.users.appendTo(dst, user)
}

// UserCount returns the number of the user's members.
func (r *Registry[T]) UserCount(user string) int { return r.users.size(user) }

// AppendActive appends the values of all active members to dst.
func (r *Registry[T]) AppendActive(dst []T) []T {
	return r.appendIDs(dst, true)
}

// AppendAll appends the values of all members to dst.
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

// Counts contains the sizes of the indexes.
type Counts struct {
	Members int // including inactive members
	Active  int
	Users   int
	Rooms   int // excluding the rooms named by the members' own IDs
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

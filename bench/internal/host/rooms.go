package host

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/ignis-go/ignis/wire"
)

// Member is an authenticated client on a server whose library has no rooms.
type Member[C any] struct {
	Conn  C
	ID    string
	rooms []string // guarded by Rooms.mu
}

// Rooms tracks the members of rooms. Its methods may be called concurrently.
type Rooms[C any] struct {
	mu    sync.RWMutex
	all   map[string]*Member[C]
	rooms map[string]map[*Member[C]]struct{}
}

// NewRooms returns an empty Rooms.
func NewRooms[C any]() *Rooms[C] {
	return &Rooms[C]{all: make(map[string]*Member[C]), rooms: make(map[string]map[*Member[C]]struct{})}
}

// Enter adds a client to the default rooms, and returns its member with a new ID.
func (r *Rooms[C]) Enter(conn C) *Member[C] {
	m := &Member[C]{Conn: conn, ID: uuid.NewString()}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all[m.ID] = m
	r.join(m, wire.RoomDefault)
	r.join(m, wire.RoomNotification)
	return m
}

// Join adds a member to rooms.
func (r *Rooms[C]) Join(m *Member[C], rooms []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, room := range rooms {
		r.join(m, room)
	}
}

func (r *Rooms[C]) join(m *Member[C], room string) {
	members := r.rooms[room]
	if members == nil {
		members = make(map[*Member[C]]struct{})
		r.rooms[room] = members
	}
	if _, in := members[m]; !in {
		members[m] = struct{}{}
		m.rooms = append(m.rooms, room)
	}
}

// Remove removes a member from all rooms.
func (r *Rooms[C]) Remove(m *Member[C]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.all, m.ID)
	for _, room := range m.rooms {
		delete(r.rooms[room], m)
		if len(r.rooms[room]) == 0 {
			delete(r.rooms, room)
		}
	}
	m.rooms = nil
}

// Each calls f for every member of the room, or for all members if room is
// empty. f must not block.
func (r *Rooms[C]) Each(room string, f func(m *Member[C])) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if room == "" {
		for _, m := range r.all {
			f(m)
		}
		return
	}
	for m := range r.rooms[room] {
		f(m)
	}
}

// Connected returns the payload of the connected event for the member with the given ID.
func Connected(id string) []byte {
	data := fmt.Sprintf(`{"id":%q,"time":%q}`, id, time.Now().UTC().Format(wire.TimeFormat))
	return wire.AppendMessage(nil, wire.Message{Event: wire.EventConnected, Data: json.RawMessage(data)})
}

// Names returns the names of the rooms in a join event.
func Names(m wire.Message) []string {
	var data struct{ Rooms []string }
	if m.Decode(&data) != nil {
		return nil
	}
	return data.Rooms
}

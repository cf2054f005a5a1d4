package ignis

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/ignis-go/ignis/wire"
)

// memberships tracks the rooms of a client for OnJoin and OnLeave. The client can join and
// leave rooms at any time, also through Server.Join and Server.Leave, but the callbacks
// run later, in turn with the client's other callbacks. Each call of OnJoin is followed by
// exactly one call of OnLeave. If a membership ends before OnJoin has been called, neither
// is called. The maps are keyed by room.
type memberships struct {
	mu       sync.Mutex
	last     uint64                // number of the last membership
	current  map[string]uint64     // existing memberships
	notified map[string]uint64     // memberships for which OnJoin was called, but not OnLeave
	causes   map[string]LeaveCause // why memberships in notified have ended
}

// hasRoomCallbacks reports whether OnJoin and OnLeave are called for a room.
func (s *Server) hasRoomCallbacks(room string) bool {
	return (s.cfg.OnJoin != nil || s.cfg.OnLeave != nil) && !slices.Contains(s.cfg.DefaultRooms, room)
}

func (c *session) membershipsOf() *memberships {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.memberships == nil {
		c.memberships = &memberships{
			current: make(map[string]uint64), notified: make(map[string]uint64), causes: make(map[string]LeaveCause),
		}
	}
	return c.memberships
}

// enterRoom adds a client to a room and reports whether it was not in the room before.
// If it was not, messages to the room wait until notifyJoined returns. If later is true, a
// job of the inbox calls notifyJoined; otherwise the caller must call it.
func (c *session) enterRoom(room string, limit int, asked, later bool) (joined bool, err error) {
	s := c.server
	if !s.hasRoomCallbacks(room) {
		joined, err = s.reg.Join(&c.member, room, limit, asked)
	} else {
		joined, err = c.enterWithCallbacks(room, limit, asked, later)
	}
	if joined {
		hook(s, "Joined", s.cfg.Hooks.Joined, JoinedInfo{ClientID: c.member.ID, Room: room})
	}
	return joined, err
}

func (c *session) enterWithCallbacks(room string, limit int, asked, later bool) (bool, error) {
	ms := c.membershipsOf()
	c.park(room)
	// Holding the lock for all three keeps the jobs in the order of the joins and leaves.
	ms.mu.Lock()
	joined, err := c.server.reg.Join(&c.member, room, limit, asked)
	if joined {
		ms.last++
		ms.current[room] = ms.last
		if later {
			c.inbox.Push(job{do: func(c *session, ctx context.Context, _ wire.Message) (any, error) {
				c.notifyJoined(ctx, []string{room})
				return nil, nil //nolint:nilnil // no answer is expected
			}})
		}
	}
	ms.mu.Unlock()
	if !joined {
		c.unpark(room)
	}
	return joined, err
}

// leaveRoom removes a client from a room and reports whether it was in the room. If later
// is true, a job of the inbox calls OnLeave; otherwise the caller must call notify.
func (c *session) leaveRoom(room string, cause LeaveCause, later bool) (was bool) {
	s := c.server
	if s.hasRoomCallbacks(room) {
		was = c.leaveWithCallbacks(room, cause, later)
	} else {
		was = s.reg.Leave(&c.member, room)
	}
	if was {
		hook(s, "Left", s.cfg.Hooks.Left, LeftInfo{c.member.ID, room, cause})
	}
	return was
}

func (c *session) leaveWithCallbacks(room string, cause LeaveCause, later bool) bool {
	ms := c.membershipsOf()
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if !c.server.reg.Leave(&c.member, room) {
		return false
	}
	delete(ms.current, room)
	if ms.notified[room] != 0 {
		ms.causes[room] = cause
	}
	if later {
		c.inbox.Push(job{do: func(c *session, ctx context.Context, _ wire.Message) (any, error) {
			c.notify(ctx, room)
			return nil, nil //nolint:nilnil // no answer is expected
		}})
	}
	return true
}

// notifyJoined calls OnJoin for rooms that were joined, and releases their messages.
func (c *session) notifyJoined(ctx context.Context, rooms []string) {
	if len(rooms) == 0 {
		return
	}
	defer c.notifyJoined(ctx, rooms[1:]) // also if a callback calls runtime.Goexit
	if room := rooms[0]; c.server.hasRoomCallbacks(room) {
		defer c.unpark(room)
		c.startParkingTime()
		c.notify(ctx, room)
	}
}

// notify makes the pending calls of OnLeave and OnJoin for a room.
func (c *session) notify(ctx context.Context, room string) {
	s := c.server
	if !s.hasRoomCallbacks(room) {
		return
	}
	ms := c.membershipsOf()
	ms.mu.Lock()
	was, is, cause := ms.notified[room], ms.current[room], ms.causes[room]
	if was == is {
		ms.mu.Unlock()
		return
	}
	delete(ms.notified, room)
	delete(ms.causes, room)
	if is != 0 {
		ms.notified[room] = is
	}
	ms.mu.Unlock()
	if is != 0 {
		defer c.callOnJoin(ctx, room)
	}
	if was != 0 {
		c.callOnLeave(ctx, room, cause)
	}
}

// notifyDisconnected makes the pending calls of OnLeave for a client that has disconnected,
// in the order in which it joined the rooms.
func (c *session) notifyDisconnected(ctx context.Context) {
	c.mu.Lock()
	ms := c.memberships
	c.mu.Unlock()
	if ms == nil {
		return
	}
	ms.mu.Lock()
	rooms := slices.SortedFunc(maps.Keys(ms.notified), func(a, b string) int { return int(ms.notified[a]) - int(ms.notified[b]) })
	causes := ms.causes
	ms.notified, ms.causes = make(map[string]uint64), make(map[string]LeaveCause)
	ms.mu.Unlock()
	var next func()
	next = func() {
		if len(rooms) == 0 {
			return
		}
		room := rooms[0]
		rooms = rooms[1:]
		defer next() // also if a callback calls runtime.Goexit
		cause, ok := causes[room]
		if !ok {
			cause = LeftDisconnected
		}
		c.callOnLeave(ctx, room, cause)
	}
	next()
}

// callOnJoin calls OnJoin.
func (c *session) callOnJoin(ctx context.Context, room string) {
	s := c.server
	if s.cfg.OnJoin == nil {
		return
	}
	err := s.timed(CallbackOnJoin, c, func() error { s.cfg.OnJoin(ctx, c.who(), room); return nil })
	c.callbackFailed("OnJoin", err)
}

// callOnLeave calls OnLeave.
func (c *session) callOnLeave(ctx context.Context, room string, cause LeaveCause) {
	s := c.server
	if s.cfg.OnLeave == nil {
		return
	}
	err := s.timed(CallbackOnLeave, c, func() error { s.cfg.OnLeave(ctx, c.who(), room, cause); return nil })
	c.callbackFailed("OnLeave", err)
}

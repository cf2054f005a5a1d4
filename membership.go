package ignis

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/ignis-go/ignis/wire"
)

// memberships keep OnJoin and OnLeave in step with the rooms of a client. Rooms are joined
// and left at any time, by the application as well, and the callbacks come later, in turn
// with the others. OnLeave is called exactly once for each call of OnJoin, after it; a
// membership that has ended before its turn came is not mentioned at all. A session has
// none until it joins a room for which a callback is due.
type memberships struct {
	mu      sync.Mutex
	last    uint64                // number of the last membership
	current map[string]uint64     // memberships that exist
	told    map[string]uint64     // memberships for which OnJoin was called and OnLeave was not
	causes  map[string]LeaveCause // why those of told have ended that have
}

// tells reports whether OnJoin and OnLeave are called for a room.
func (s *Server) tells(room string) bool {
	return (s.cfg.OnJoin != nil || s.cfg.OnLeave != nil) && !slices.Contains(s.cfg.DefaultRooms, room)
}

func (c *session) membershipsOf() *memberships {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.memberships == nil {
		c.memberships = &memberships{
			current: make(map[string]uint64), told: make(map[string]uint64), causes: make(map[string]LeaveCause),
		}
	}
	return c.memberships
}

// enterRoom adds a client to a room and reports whether it was not in the room before.
// If it was not, messages to the room wait until tellJoined has been called. With later
// set, that is done by a job of the inbox.
func (c *session) enterRoom(room string, limit int, asked, later bool) (joined bool, err error) {
	s := c.server
	if !s.tells(room) {
		joined, err = s.reg.Join(&c.member, room, limit, asked)
	} else {
		joined, err = c.enterTold(room, limit, asked, later)
	}
	if joined {
		hook(s, "Joined", s.cfg.Hooks.Joined, JoinedInfo{ClientID: c.member.ID, Room: room})
	}
	return joined, err
}

func (c *session) enterTold(room string, limit int, asked, later bool) (bool, error) {
	ms := c.membershipsOf()
	c.park(room)
	// One lock for all three, so that the jobs are in the order of what happened.
	ms.mu.Lock()
	joined, err := c.server.reg.Join(&c.member, room, limit, asked)
	if joined {
		ms.last++
		ms.current[room] = ms.last
		if later {
			c.inbox.Push(job{do: func(c *session, ctx context.Context, _ wire.Message) (any, error) {
				c.tellJoined(ctx, []string{room})
				return nil, nil //nolint:nilnil // nobody waits for an answer
			}})
		}
	}
	ms.mu.Unlock()
	if !joined {
		c.unpark(room)
	}
	return joined, err
}

// leaveRoom removes a client from a room and reports whether it was in the room. With
// later set, a job of the inbox calls OnLeave; otherwise the caller calls tell.
func (c *session) leaveRoom(room string, cause LeaveCause, later bool) (was bool) {
	s := c.server
	if s.tells(room) {
		was = c.leaveTold(room, cause, later)
	} else {
		was = s.reg.Leave(&c.member, room)
	}
	if was {
		hook(s, "Left", s.cfg.Hooks.Left, LeftInfo{c.member.ID, room, cause})
	}
	return was
}

func (c *session) leaveTold(room string, cause LeaveCause, later bool) bool {
	ms := c.membershipsOf()
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if !c.server.reg.Leave(&c.member, room) {
		return false
	}
	delete(ms.current, room)
	if ms.told[room] != 0 {
		ms.causes[room] = cause
	}
	if later {
		c.inbox.Push(job{do: func(c *session, ctx context.Context, _ wire.Message) (any, error) {
			c.tell(ctx, room)
			return nil, nil //nolint:nilnil // nobody waits for an answer
		}})
	}
	return true
}

// tellJoined calls OnJoin for rooms that were joined, and releases their messages.
func (c *session) tellJoined(ctx context.Context, rooms []string) {
	if len(rooms) == 0 {
		return
	}
	defer c.tellJoined(ctx, rooms[1:]) // also if a callback calls runtime.Goexit
	if room := rooms[0]; c.server.tells(room) {
		defer c.unpark(room)
		c.parkingTime()
		c.tell(ctx, room)
	}
}

// tell calls the callbacks that are due for a room.
func (c *session) tell(ctx context.Context, room string) {
	s := c.server
	if !s.tells(room) {
		return
	}
	ms := c.membershipsOf()
	ms.mu.Lock()
	was, is, cause := ms.told[room], ms.current[room], ms.causes[room]
	if was == is {
		ms.mu.Unlock()
		return
	}
	delete(ms.told, room)
	delete(ms.causes, room)
	if is != 0 {
		ms.told[room] = is
	}
	ms.mu.Unlock()
	if is != 0 {
		defer c.joined(ctx, room)
	}
	if was != 0 {
		c.left(ctx, room, cause)
	}
}

// tellGone calls OnLeave for all rooms for which it is due when the client has gone, in
// the order in which they were joined.
func (c *session) tellGone(ctx context.Context) {
	c.mu.Lock()
	ms := c.memberships
	c.mu.Unlock()
	if ms == nil {
		return
	}
	ms.mu.Lock()
	rooms := slices.SortedFunc(maps.Keys(ms.told), func(a, b string) int { return int(ms.told[a]) - int(ms.told[b]) })
	causes := ms.causes
	ms.told, ms.causes = make(map[string]uint64), make(map[string]LeaveCause)
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
		c.left(ctx, room, cause)
	}
	next()
}

// joined calls OnJoin.
func (c *session) joined(ctx context.Context, room string) {
	s := c.server
	if s.cfg.OnJoin == nil {
		return
	}
	err := s.call("OnJoin", c, func() error { s.cfg.OnJoin(ctx, c.who(), room); return nil })
	c.callbackFailed("OnJoin", err)
}

// left calls OnLeave.
func (c *session) left(ctx context.Context, room string, cause LeaveCause) {
	s := c.server
	if s.cfg.OnLeave == nil {
		return
	}
	err := s.call("OnLeave", c, func() error { s.cfg.OnLeave(ctx, c.who(), room, cause); return nil })
	c.callbackFailed("OnLeave", err)
}

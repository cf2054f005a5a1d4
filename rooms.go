package ignis

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/ignis-go/ignis/internal/printable"
	"github.com/ignis-go/ignis/wire"
)

// LeaveCause says why a client left a room.
type LeaveCause string

// The causes.
const (
	LeftAsked        LeaveCause = "asked"        // the client asked for it
	LeftApplication  LeaveCause = "application"  // Server.Leave, or new credentials that do not allow the room
	LeftDisconnected LeaveCause = "disconnected" // the client went
)

// Why a client may not join a room. Protocol 1 stays silent about it; the log and
// Stats.RefusedJoins tell, and Stats.RefusedLeaves.
const (
	refusedMalformed = "malformed request"
	refusedName      = "name not allowed"
	refusedOther     = "another client's id"
	refusedMany      = "too many names in one request"
	refusedByApp     = "not allowed by the application"
	refusedFull      = "in too many rooms"
)

// refusalCodes are what clients of protocol 2 are told.
var refusalCodes = map[string]wire.ErrorCode{
	refusedMalformed: wire.CodeInvalid,
	refusedName:      wire.CodeInvalid,
	refusedOther:     wire.CodeForbidden,
	refusedMany:      wire.CodeTooLarge,
	refusedByApp:     wire.CodeForbidden,
	refusedFull:      wire.CodeTooLarge,
}

// joining is a request to join rooms.
type joining struct {
	server *Server
	client *session
	data   wire.JoinData
	joined []string // of data.Rooms, those that the client was not in before
}

// join puts a client into those of the rooms it asks for that it may join.
func (c *session) join(ctx context.Context, m wire.Message) (any, error) {
	s := c.server
	if c.over() {
		c.close(wire.CloseExpired)
		return nil, &Error{Code: wire.CodeForbidden, Message: wire.CloseReason(wire.CloseExpired)}
	}
	asked, bad, many, ok := s.roomNames(m)
	if !ok {
		c.refuseJoin(refusedMalformed, 1)
		return nil, &Error{Code: wire.CodeInvalid, Message: "join needs {rooms: string[]}"}
	}
	c.refuseJoin(refusedName, bad)
	c.refuseJoin(refusedMany, many)
	if many > 0 && c.wantsAnswer(m) {
		return nil, &Error{Code: wire.CodeTooLarge, Message: fmt.Sprintf("at most %d rooms may be joined at once", s.cfg.MaxRoomsPerRequest)}
	}
	j := &joining{server: s, client: c, data: wire.JoinData{Rooms: []wire.JoinedRoom{}, Refused: []wire.RefusedRoom{}}}
	rooms := slices.DeleteFunc(asked, func(room string) bool {
		switch {
		case !validRoomName(room):
			j.refuse(refusedName, room, "")
		case isOther(c, room):
			j.refuse(refusedOther, room, "")
		default:
			return false
		}
		return true
	})
	if len(rooms) > 0 {
		j.enter(ctx, rooms)
	}
	s.cfg.Logger.Debug("client joined rooms", "client", c.member.ID, "rooms", len(j.joined))
	return answered{j.data, func() { j.tell(ctx) }}, nil
}

// enter puts the client into those of the rooms that the application allows.
func (j *joining) enter(ctx context.Context, rooms []string) {
	s, c := j.server, j.client
	allowed, err := c.allowedRooms(ctx, slices.Clone(rooms))
	code := wire.ErrorCode("")
	if err != nil {
		code = forClient(err).Code
	}
	for _, room := range rooms {
		if !slices.Contains(allowed, room) {
			j.refuse(refusedByApp, room, code)
			continue
		}
		joined, err := c.enterRoom(room, s.cfg.MaxRooms+len(s.cfg.DefaultRooms), true)
		if err != nil {
			j.refuse(refusedFull, room, "")
			continue
		}
		j.data.Rooms = append(j.data.Rooms, wire.JoinedRoom{Room: room})
		if joined {
			j.joined = append(j.joined, room)
		}
	}
}

// refuse notes, counts and logs a room that the client may not join. The code is that of
// the reason if it is empty.
func (j *joining) refuse(reason, room string, code wire.ErrorCode) {
	if code == "" {
		code = refusalCodes[reason]
	}
	j.data.Refused = append(j.data.Refused, wire.RefusedRoom{Room: room, Code: code})
	j.client.refuseRoom(reason, room)
}

// tell calls OnJoin for what was joined, once the client has its answer.
func (j *joining) tell(ctx context.Context) {
	for _, room := range j.joined {
		j.client.joined(ctx, room)
	}
}

// enterRoom puts a client into a room, unless it is there, and reports whether it was
// put there. What is sent to the room from then on waits for OnJoin: see joined.
func (c *session) enterRoom(room string, limit int, asked bool) (bool, error) {
	s := c.server
	parks := s.cfg.OnJoin != nil && s.tells(room)
	if parks {
		c.park(room)
	}
	joined, err := s.reg.Join(&c.member, room, limit, asked)
	if parks && !joined {
		c.unpark(room)
	}
	if joined {
		hook(s, "Joined", s.cfg.Hooks.Joined, JoinedInfo{ClientID: c.member.ID, Room: room})
	}
	return joined, err
}

// tells reports whether OnJoin and OnLeave are called for a room.
func (s *Server) tells(room string) bool { return !slices.Contains(s.cfg.DefaultRooms, room) }

// joined calls OnJoin, and lets the room's messages go.
func (c *session) joined(ctx context.Context, room string) {
	s := c.server
	if s.cfg.OnJoin == nil || !s.tells(room) {
		return
	}
	defer c.unpark(room) // also when the callback ends the goroutine
	err := s.call("OnJoin", c, func() error { s.cfg.OnJoin(ctx, c.who(), room); return nil })
	c.callbackFailed("OnJoin", err)
}

// leaveRoom takes a client out of a room, and reports whether it was there.
func (c *session) leaveRoom(room string, cause LeaveCause) bool {
	s := c.server
	was := s.reg.Leave(&c.member, room)
	if was {
		hook(s, "Left", s.cfg.Hooks.Left, LeftInfo{c.member.ID, room, cause})
	}
	return was
}

// left calls OnLeave.
func (c *session) left(ctx context.Context, room string, cause LeaveCause) {
	s := c.server
	if s.cfg.OnLeave == nil || !s.tells(room) {
		return
	}
	err := s.call("OnLeave", c, func() error { s.cfg.OnLeave(ctx, c.who(), room, cause); return nil })
	c.callbackFailed("OnLeave", err)
}

// allowedRooms asks the application. It has no say over what was not asked.
func (c *session) allowedRooms(ctx context.Context, rooms []string) ([]string, error) {
	s := c.server
	if s.cfg.ValidateRooms == nil {
		return nil, nil
	}
	var allowed []string
	err := s.call("ValidateRooms", c, func() (err error) {
		allowed, err = s.cfg.ValidateRooms(ctx, c.who(), rooms)
		return err
	})
	if err != nil {
		c.callbackFailed("ValidateRooms", err)
		return nil, err
	}
	return allowed, nil
}

// leave takes a client out of the rooms it names.
func (c *session) leave(ctx context.Context, m wire.Message) (any, error) {
	s := c.server
	rooms, _, many, ok := s.roomNames(m)
	if !ok {
		s.counts.ignored.Add(1)
		s.cfg.Logger.Debug("message dropped: malformed leave", "client", c.member.ID)
		return nil, &Error{Code: wire.CodeInvalid, Message: "leave needs {rooms: string[]}"}
	}
	if many > 0 {
		s.counts.refusedLeaves.Add(uint64(many))
		s.info("leave refused: "+refusedMany, "client", c.member.ID, "user", c.who().UserID, "names", many)
		if c.wantsAnswer(m) {
			return nil, &Error{Code: wire.CodeTooLarge, Message: fmt.Sprintf("at most %d rooms may be left at once", s.cfg.MaxRoomsPerRequest)}
		}
	}
	rooms = slices.DeleteFunc(rooms, func(room string) bool { return !c.leaveRoom(room, LeftAsked) })
	return answered{nil, func() {
		for _, room := range rooms {
			c.left(ctx, room, LeftAsked)
		}
	}}, nil
}

// reviseRooms takes a client with new credentials out of the rooms that it has asked for
// and may no longer be in.
func (c *session) reviseRooms(ctx context.Context) {
	s := c.server
	rooms := slices.DeleteFunc(c.member.Asked(), func(room string) bool { return !s.tells(room) })
	if len(rooms) == 0 {
		return
	}
	allowed, err := c.allowedRooms(ctx, slices.Clone(rooms))
	if err != nil {
		return // it has been logged; a failure takes nothing away
	}
	for _, room := range rooms {
		if !slices.Contains(allowed, room) && c.leaveRoom(room, LeftApplication) {
			s.info("client taken out of a room by its new credentials", "client", c.member.ID, "user", c.who().UserID, "room", printable.Text(room, 2*wire.MaxRoomName))
			c.left(ctx, room, LeftApplication)
		}
	}
}

// roomNames reads the data of a join or leave: {rooms: string[]}. It returns
// each name once, how many were not strings, and how many were over the limit.
func (s *Server) roomNames(m wire.Message) (names []string, bad, many int, ok bool) {
	asked, bad, many, ok := wire.DecodeRooms(m.Data, s.cfg.MaxRoomsPerRequest)
	for _, name := range asked {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, bad, many, ok
}

// validRoomName reports whether a client may ask for a room of that name.
func validRoomName(name string) bool {
	if name == "" || strings.HasPrefix(name, wire.ReservedPrefix) {
		return false
	}
	n := 0
	for _, r := range name {
		n += utf16.RuneLen(r)
	}
	return n <= wire.MaxRoomName
}

// isOther reports whether room is the id of a client, here or on another
// instance, other than c.
func isOther(c *session, room string) bool { return room != c.member.ID && isClientID(room) }

// refuseJoin counts and logs n names without naming them: they are not names of rooms,
// or were not looked at.
func (c *session) refuseJoin(reason string, n int) {
	s := c.server
	if n > 0 {
		s.counts.refusedJoin(reason, n)
		s.info("join refused: "+reason, "client", c.member.ID, "user", c.who().UserID, "names", n)
	}
}

// refuseRoom counts and logs a room that a client may not join.
func (c *session) refuseRoom(reason, room string) {
	s := c.server
	s.counts.refusedJoin(reason, 1)
	hook(s, "Joined", s.cfg.Hooks.Joined, JoinedInfo{c.member.ID, room, reason})
	s.info("join refused: "+reason, "client", c.member.ID, "user", c.who().UserID, "room", printable.Text(room, 2*wire.MaxRoomName))
}

// Join puts a client of this instance into rooms. It is for the application: it asks no
// validator and no limit applies. Rooms that the client is in already, and empty names,
// are left as they are. It returns [ErrNoClient] if no authenticated client with that ID
// is connected to this server.
func (s *Server) Join(clientID string, rooms ...string) error {
	c, err := s.authenticated("join", clientID)
	if err != nil {
		return err
	}
	for _, room := range rooms {
		if room == "" {
			continue
		}
		joined, _ := c.enterRoom(room, math.MaxInt, false) // no limit, so no error
		if joined && s.cfg.OnJoin != nil && s.tells(room) {
			c.inbox.Push(job{do: func(c *session, ctx context.Context, _ wire.Message) (any, error) {
				c.joined(ctx, room)
				return nil, nil //nolint:nilnil // nobody waits for an answer
			}})
		}
	}
	return nil
}

// Leave takes a client of this instance out of rooms. It returns [ErrNoClient] if no
// authenticated client with that ID is connected to this server.
func (s *Server) Leave(clientID string, rooms ...string) error {
	c, err := s.authenticated("leave", clientID)
	if err != nil {
		return err
	}
	for _, room := range rooms {
		if c.leaveRoom(room, LeftApplication) && s.cfg.OnLeave != nil && s.tells(room) {
			c.inbox.Push(job{do: func(c *session, ctx context.Context, _ wire.Message) (any, error) {
				c.left(ctx, room, LeftApplication)
				return nil, nil //nolint:nilnil // nobody waits for an answer
			}})
		}
	}
	return nil
}

// authenticated returns an authenticated client of this instance.
func (s *Server) authenticated(what, clientID string) (*session, error) {
	if err := s.running(); err != nil {
		return nil, err
	}
	if m, ok := s.reg.Get(clientID); ok && m.Active() {
		return m.Value, nil
	}
	return nil, fmt.Errorf("ignis: %s: client %q: %w", what, clientID, ErrNoClient)
}

package ignis

import (
	"context"
	"math"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/ignis-go/ignis/internal/printable"
	"github.com/ignis-go/ignis/wire"
)

// Why a client may not join a room. The wire stays silent about it; the log and
// Stats.RefusedJoins tell, and Stats.RefusedLeaves.
const (
	refusedMalformed = "malformed request"
	refusedName      = "name not allowed"
	refusedOther     = "another client's id"
	refusedMany      = "too many names in one request"
	refusedByApp     = "not allowed by the application"
	refusedFull      = "in too many rooms"
)

// join puts a client into those of the rooms it asks for that it may join.
func (s *Server) join(ctx context.Context, c *session, m wire.Message) {
	asked, bad, many, ok := s.roomNames(m)
	if !ok {
		s.refuseJoin(c, refusedMalformed, 1)
		return
	}
	s.refuseJoin(c, refusedName, bad)
	s.refuseJoin(c, refusedMany, many)
	rooms := slices.DeleteFunc(asked, func(room string) bool {
		switch {
		case !validRoomName(room):
			s.refuseRoom(c, refusedName, room)
		case isOther(c, room):
			s.refuseRoom(c, refusedOther, room)
		default:
			return false
		}
		return true
	})
	if len(rooms) == 0 {
		return
	}
	allowed := s.allowedRooms(ctx, c, slices.Clone(rooms))
	joined := 0
	for _, room := range rooms {
		if !slices.Contains(allowed, room) {
			s.refuseRoom(c, refusedByApp, room)
			continue
		}
		if _, err := s.reg.Join(&c.member, room, s.cfg.MaxRooms+len(s.cfg.DefaultRooms)); err != nil {
			s.refuseRoom(c, refusedFull, room)
			continue
		}
		joined++
	}
	s.cfg.Logger.Debug("client joined rooms", "client", c.member.ID, "rooms", joined)
}

// allowedRooms asks the application. It has no say over what was not asked.
func (s *Server) allowedRooms(ctx context.Context, c *session, rooms []string) []string {
	if s.cfg.ValidateRooms == nil {
		return nil
	}
	var allowed []string
	err := s.call("ValidateRooms", c, func() (err error) {
		allowed, err = s.cfg.ValidateRooms(ctx, c.who(), rooms)
		return err
	})
	if err != nil {
		s.callbackFailed("ValidateRooms", c, err)
		return nil
	}
	return allowed
}

// leave takes a client out of the rooms it names.
func (s *Server) leave(_ context.Context, c *session, m wire.Message) {
	rooms, _, many, ok := s.roomNames(m)
	if !ok {
		s.counts.ignored.Add(1)
		s.cfg.Logger.Debug("message dropped: malformed leave", "client", c.member.ID)
	}
	if many > 0 {
		s.counts.refusedLeaves.Add(uint64(many))
		s.info("leave refused: "+refusedMany, "client", c.member.ID, "user", c.who().UserID, "names", many)
	}
	for _, room := range rooms {
		s.reg.Leave(&c.member, room)
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
func (s *Server) refuseJoin(c *session, reason string, n int) {
	if n > 0 {
		s.counts.refusedJoin(reason, n)
		s.info("join refused: "+reason, "client", c.member.ID, "user", c.who().UserID, "names", n)
	}
}

// refuseRoom counts and logs a room that a client may not join.
func (s *Server) refuseRoom(c *session, reason, room string) {
	s.counts.refusedJoin(reason, 1)
	s.info("join refused: "+reason, "client", c.member.ID, "user", c.who().UserID, "room", printable.Text(room, 2*wire.MaxRoomName))
}

// Join puts a client of this instance into rooms. It is for the application: no
// validator is asked and no limit applies. Clients that are unknown or not
// authenticated, and rooms that it is in, are left as they are.
func (s *Server) Join(clientID string, rooms ...string) error {
	return s.eachRoom(clientID, rooms, func(c *session, room string) {
		_, _ = s.reg.Join(&c.member, room, math.MaxInt) // no limit, so no error
	})
}

// Leave takes a client of this instance out of rooms; see [Server.Join].
func (s *Server) Leave(clientID string, rooms ...string) error {
	return s.eachRoom(clientID, rooms, func(c *session, room string) {
		s.reg.Leave(&c.member, room)
	})
}

func (s *Server) eachRoom(clientID string, rooms []string, f func(*session, string)) error {
	if err := s.running(); err != nil {
		return err
	}
	if m, ok := s.reg.Get(clientID); ok {
		for _, room := range rooms {
			if room != "" {
				f(m.Value, room)
			}
		}
	}
	return nil
}

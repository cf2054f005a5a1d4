package ignis

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/ignis-go/ignis/internal/printable"
	"github.com/ignis-go/ignis/internal/refusal"
	"github.com/ignis-go/ignis/wire"
)

// LeaveCause is the reason why a client left a room.
type LeaveCause string

// The causes.
const (
	LeftAsked        LeaveCause = "asked"        // the client asked for it
	LeftApplication  LeaveCause = "application"  // Server.Leave, or new credentials that do not allow the room
	LeftDisconnected LeaveCause = "disconnected" // the client disconnected
)

// The reasons why a client may not join or leave a room. They appear in the log and are
// the keys of Stats.RefusedJoins. Clients of protocol 2 receive the codes below, and
// clients of protocol 1 receive nothing.
const (
	refusedMalformed = "malformed request"
	refusedName      = "name not allowed"
	refusedOther     = "another client's id"
	refusedMany      = "too many names in one request"
	refusedByApp     = "not allowed by the application"
	refusedByRules   = "not allowed by the access rules"
	refusedFull      = "in too many rooms"
	refusedRate      = "too many joins"
)

// refusalCodes maps the reasons to the codes that clients of protocol 2 receive.
var refusalCodes = map[string]wire.ErrorCode{
	refusedMalformed: wire.CodeInvalid,
	refusedName:      wire.CodeInvalid,
	refusedOther:     wire.CodeForbidden,
	refusedMany:      wire.CodeTooLarge,
	refusedByApp:     wire.CodeForbidden,
	refusedByRules:   wire.CodeForbidden,
	refusedFull:      wire.CodeTooLarge,
	refusedRate:      wire.CodeRateLimited,
}

// joining is a request to join rooms.
type joining struct {
	server *Server
	client *session
	data   wire.JoinData
	joined []string // those of data.Rooms that the client was not in before
}

// join handles a join event.
func (c *session) join(ctx context.Context, m wire.Message) (any, error) {
	s := c.server
	if c.expired() {
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
		return nil, &Error{Code: wire.CodeTooLarge, Message: fmt.Sprintf("at most %d rooms can be joined at once", s.cfg.MaxRoomsPerRequest)}
	}
	j := &joining{server: s, client: c, data: wire.JoinData{Rooms: []wire.JoinedRoom{}, Refused: []wire.RefusedRoom{}}}
	rate, now := s.tuning.Load().joins, s.uptime()
	c.joins.Fit(rate, now) // SetLimits may have changed it
	rooms := slices.DeleteFunc(asked, func(room string) bool {
		switch {
		case !validRoomName(room):
			j.refuse(refusedName, room, wire.ErrorData{})
		case isOther(c, room):
			j.refuse(refusedOther, room, wire.ErrorData{})
		case !c.joins.Take(rate, now, 1):
			j.refuse(refusedRate, room, wire.ErrorData{})
		default:
			return false
		}
		return true
	})
	if len(rooms) > 0 {
		j.enter(ctx, rooms)
	}
	s.cfg.Logger.Debug("client joined rooms", "client", c.member.ID, "rooms", len(j.joined))
	return answered{j.data, func() { c.notifyJoined(ctx, j.joined) }}, nil
}

// enter adds the client to the rooms that the application allows.
func (j *joining) enter(ctx context.Context, rooms []string) {
	s, c := j.server, j.client
	collecting, byRules := refusal.Collect(ctx)
	allowed, err := c.allowedRooms(collecting, c.who(), slices.Clone(rooms))
	if canceled(ctx, err) {
		return // the client has disconnected, so nobody has refused it anything
	}
	said := saidAboutRooms(err)
	for _, room := range rooms {
		if !slices.Contains(allowed, room) {
			if byRules.Has(room) {
				j.refuse(refusedByRules, room, wire.ErrorData{}) // the error is about the other rooms
			} else {
				j.refuse(refusedByApp, room, said)
			}
			continue
		}
		joined, err := c.enterRoom(room, s.tuning.Load().MaxRooms+len(s.cfg.DefaultRooms), true, false)
		if err != nil {
			j.refuse(refusedFull, room, wire.ErrorData{})
			continue
		}
		j.data.Rooms = append(j.data.Rooms, wire.JoinedRoom{Room: room})
		if joined {
			j.joined = append(j.joined, room)
		}
	}
}

// saidAboutRooms returns what a client is told if ValidateRooms returns err. The message is
// empty unless the application chose it.
func saidAboutRooms(err error) wire.ErrorData {
	if err == nil {
		return wire.ErrorData{}
	}
	said := wire.ErrorData{Code: forClient(err).Code}
	if e := asError(err); e != nil {
		said.Message = e.Message
	}
	return said
}

// refuse records, counts and logs a room that the client may not join. An empty code
// means the code of the reason.
func (j *joining) refuse(reason, room string, said wire.ErrorData) {
	if said.Code == "" {
		said.Code = refusalCodes[reason]
	}
	j.data.Refused = append(j.data.Refused, wire.RefusedRoom{Room: room, Code: said.Code, Message: said.Message})
	j.client.refuseRoom(reason, room)
}

// allowedRooms returns the rooms that the application allows. If there is an error, it is
// about the others.
func (c *session) allowedRooms(ctx context.Context, id *Client, rooms []string) ([]string, error) {
	s := c.server
	if s.cfg.ValidateRooms == nil {
		return nil, nil
	}
	var allowed []string
	err := s.timed(CallbackValidateRooms, c, func() (err error) {
		allowed, err = s.cfg.ValidateRooms(ctx, id, rooms)
		return err
	})
	if err != nil {
		if !decided(err) && !c.abandoned(ctx, "ValidateRooms", err) {
			c.callbackFailed("ValidateRooms", err)
		}
		if e, ok := errors.AsType[*PartialError](err); !ok || e == nil {
			return nil, err
		}
	}
	return allowed, err
}

// leave handles a leave event.
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
			return nil, &Error{Code: wire.CodeTooLarge, Message: fmt.Sprintf("at most %d rooms can be left at once", s.cfg.MaxRoomsPerRequest)}
		}
	}
	rooms = slices.DeleteFunc(rooms, func(room string) bool { return !c.leaveRoom(room, LeftAsked, false) })
	return answered{nil, func() { c.notifyLeft(ctx, rooms) }}, nil
}

// notifyLeft calls OnLeave for rooms that were left.
func (c *session) notifyLeft(ctx context.Context, rooms []string) {
	if len(rooms) > 0 {
		defer c.notifyLeft(ctx, rooms[1:]) // also if a callback calls runtime.Goexit
		c.notify(ctx, rooms[0])
	}
}

// lostRooms returns the rooms that a client joined at its own request and that its new
// identity does not allow. An error means that the application could not decide.
func (c *session) lostRooms(ctx context.Context, id *Client) ([]string, error) {
	rooms := slices.DeleteFunc(c.member.Asked(), func(room string) bool {
		return slices.Contains(c.server.cfg.DefaultRooms, room)
	})
	if len(rooms) == 0 {
		return nil, nil
	}
	allowed, err := c.allowedRooms(ctx, id, slices.Clone(rooms))
	if err != nil && (asError(err) == nil || undecided(err)) {
		return nil, err
	}
	return slices.DeleteFunc(rooms, func(room string) bool { return slices.Contains(allowed, room) }), nil
}

// roomNames decodes the data of a join or leave: {rooms: string[]}. It returns the names
// without duplicates, the number of elements that are not strings, and the number of
// names over the limit.
func (s *Server) roomNames(m wire.Message) (names []string, bad, many int, ok bool) {
	asked, bad, many, ok := wire.DecodeRooms(m.Data, s.cfg.MaxRoomsPerRequest)
	for _, name := range asked {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, bad, many, ok
}

// validRoomName reports whether clients may join a room with this name.
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

// isOther reports whether room is the ID of another client, connected to any instance.
func isOther(c *session, room string) bool { return room != c.member.ID && isClientID(room) }

// refuseJoin counts and logs n refused elements of a join that are not strings or exceed
// the limit. Unlike refuseRoom, it has no names to log.
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
	if reason == refusedByRules { // package enforce has logged it, with the rule
		return
	}
	s.info("join refused: "+reason, "client", c.member.ID, "user", c.who().UserID, "room", printable.Text(room, 2*wire.MaxRoomName))
}

// Join adds a client to rooms. It neither calls ValidateRooms nor applies MaxRooms. Rooms
// that the client is already in, and empty names, are ignored. Join returns [ErrNoClient]
// if no authenticated client with that ID is connected to this server. See [Server.JoinAll]
// for clients of other servers.
func (s *Server) Join(clientID string, rooms ...string) error {
	c, err := s.authenticated("join", clientID)
	if err != nil {
		return err
	}
	c.enterRooms(rooms)
	return nil
}

func (c *session) enterRooms(rooms []string) {
	for _, room := range rooms {
		if room != "" {
			_, _ = c.enterRoom(room, math.MaxInt, false, true) // cannot fail without a limit
		}
	}
}

// Leave removes a client from rooms. Rooms that the client is not in are ignored. Leave
// returns [ErrNoClient] if no authenticated client with that ID is connected to this
// server. See [Server.LeaveAll] for clients of other servers.
func (s *Server) Leave(clientID string, rooms ...string) error {
	c, err := s.authenticated("leave", clientID)
	if err != nil {
		return err
	}
	c.leaveRooms(rooms)
	return nil
}

func (c *session) leaveRooms(rooms []string) {
	for _, room := range rooms {
		c.leaveRoom(room, LeftApplication, true)
	}
}

// authenticated returns the authenticated client of this server with the ID.
func (s *Server) authenticated(what, clientID string) (*session, error) {
	if err := s.running(); err != nil {
		return nil, err
	}
	if m, ok := s.reg.Get(clientID); ok && m.Active() {
		return m.Value, nil
	}
	return nil, fmt.Errorf("ignis: %s %q: %w", what, clientID, ErrNoClient)
}

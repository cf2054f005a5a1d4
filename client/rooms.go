package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/ignis-go/ignis/wire"
)

// JoinError is the error for a join of which the server refused some or all rooms. The
// client is in the other rooms that it asked for.
type JoinError struct {
	Refused []wire.RefusedRoom // not empty
}

// Error returns the refused rooms and the reasons.
func (e *JoinError) Error() string {
	var b strings.Builder
	b.WriteString("the server refused")
	for i, r := range e.Refused {
		if i == 10 {
			fmt.Fprintf(&b, ", and %d more", len(e.Refused)-i)
			break
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, " room %.256q (%s", r.Room, codeText(r.Code))
		if r.Message != "" {
			fmt.Fprintf(&b, " %.200q", r.Message)
		}
		b.WriteByte(')')
	}
	return b.String()
}

// Join asks the server to add the client to rooms, and returns the server's answer.
// If the server refuses some of the rooms, the error wraps a [*JoinError], and the
// client is in the rooms that the answer lists. If it refuses the request as a whole,
// the error wraps an [*Error]. Join waits for the answer as [Conn.Request] does.
//
// A server that uses protocol 1 does not answer. Join then returns a zero result as soon
// as the request has been sent, and the client may or may not be in the rooms: the server
// silently ignores rooms that it does not allow.
//
// Room names have 1 to 256 UTF-16 code units and must not start with "ws:". If a name
// is invalid, Join returns an error and sends nothing.
func (c *Conn) Join(ctx context.Context, rooms ...string) (wire.JoinData, error) {
	var joined wire.JoinData
	answer, err := c.rooms(ctx, wire.EventJoin, rooms)
	if err != nil || answer.Data == nil {
		return joined, err
	}
	if err := answer.Decode(&joined); err != nil {
		return wire.JoinData{}, fmt.Errorf("event %q: %w: answer: %w", wire.EventJoin, ErrProtocol, err)
	}
	if len(joined.Refused) > 0 {
		return joined, fmt.Errorf("event %q: %w", wire.EventJoin, &JoinError{joined.Refused})
	}
	return joined, nil
}

// Leave removes the client from rooms and waits for the server's answer as
// [Conn.Request] does. A server that uses protocol 1 does not answer; Leave then returns
// as soon as the request has been sent. Leaving a room that the client is not in is
// a no-op. Leave checks names as [Conn.Join] does.
func (c *Conn) Leave(ctx context.Context, rooms ...string) error {
	_, err := c.rooms(ctx, wire.EventLeave, rooms)
	return err
}

// rooms sends the request and returns the answer, or a zero message if there is none.
func (c *Conn) rooms(ctx context.Context, event string, rooms []string) (wire.Message, error) {
	if len(rooms) == 0 {
		return wire.Message{}, nil
	}
	for _, room := range rooms {
		if err := checkRoom(room); err != nil {
			return wire.Message{}, fmt.Errorf("event %q: %w", event, err)
		}
	}
	data := map[string][]string{"rooms": rooms}
	if c.connected.Protocol < 2 {
		return wire.Message{}, c.Send(ctx, event, data)
	}
	return c.Request(ctx, event, data)
}

func checkRoom(room string) error {
	switch {
	case room == "":
		return errors.New("empty room name")
	case !utf8.ValidString(room):
		return fmt.Errorf("room name %.256q is not valid UTF-8", room)
	case strings.HasPrefix(room, wire.ReservedPrefix):
		return fmt.Errorf("room name %.256q starts with %q, which is reserved", room, wire.ReservedPrefix)
	case len(room) > wire.MaxRoomName && len(utf16.Encode([]rune(room))) > wire.MaxRoomName:
		return fmt.Errorf("room name is longer than %d UTF-16 code units", wire.MaxRoomName)
	}
	return nil
}

package webhook

import (
	"context"
	"errors"
	"slices"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/strictjson"
)

// ValidateRooms asks the endpoint which of the rooms a client may join, in one request. It
// can be used as [ignis.Config].ValidateRooms. If the endpoint says why it refuses rooms,
// the error is an [*ignis.PartialError] that wraps an [*ignis.Error] for the client. If there
// is no usable answer, the client joins none of the rooms, and the error wraps an
// *ignis.Error with the code unavailable or timeout.
func (c *Client) ValidateRooms(ctx context.Context, client *ignis.Client, rooms []string) (allowed []string, err error) {
	ask := func() any { return joinData{c.whoIs(client, true), rooms} }
	err = c.ask(ctx, c.rooms, ask, func(a answer) (err error) {
		allowed, err = readRooms(a, rooms)
		return err
	})
	if r, refused := errors.AsType[*refusal](err); refused {
		if r.shown == nil {
			return allowed, nil
		}
		err = &ignis.PartialError{Err: r}
	}
	return allowed, err
}

// readRooms reads the answer about rooms.
func readRooms(a answer, asked []string) (allowed []string, err error) {
	e := shownRefusal(a)
	switch {
	case e != nil:
		return nil, &refusal{e.Error(), e}
	case denied(a.status):
		return nil, &refusal{text: a.detail()}
	case !a.accepted():
		return nil, unexpected(typeJoin, a)
	}
	fields, err := fieldsOf(a.body, "rooms", "refuse")
	if err == nil {
		e, err = refusalOf(fields)
	}
	if err != nil {
		return nil, malformed(typeJoin, err)
	}
	if e == nil || fields.Value("rooms") != nil {
		allowed, err = roomsIn(fields, asked)
	}
	if e != nil && err == nil {
		err = &refusal{e.Error(), e}
	}
	return allowed, err
}

// roomsIn returns those of the asked rooms that are in the field rooms of an answer.
func roomsIn(fields strictjson.Fields, asked []string) (allowed []string, err error) {
	names, ok := strictjson.Texts(fields.Value("rooms"))
	if !ok {
		return nil, malformed(typeJoin, errors.New("rooms is not an array of strings (in PHP, apply array_values to the result of array_filter)"))
	}
	for _, room := range names {
		if slices.Contains(asked, room) && !slices.Contains(allowed, room) {
			allowed = append(allowed, room)
		}
	}
	return allowed, nil
}

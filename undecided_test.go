package ignis_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// What a client is told if Authenticate returns an *Error: a fixed text in protocol 1, and the
// message and the code in protocol 2. It is closed with 1013 if the application cannot decide.
func TestAuthenticateReturnsError(t *testing.T) {
	refused := &ignis.Error{Code: wire.CodeForbidden, Message: "Your account is closed."}
	for name, row := range map[string]struct {
		err   error
		one   string // what protocol 1 receives
		two   string // what protocol 2 receives
		code  uint16
		cause ignis.Cause
		fails uint64 // CallbackErrors
	}{
		"unavailable":        {&ignis.Error{Code: wire.CodeUnavailable, Message: "The database is down."}, failure(wire.ErrorAuthentication), `{"event":"error","data":{"message":"The database is down.","code":"unavailable"}}`, 1013, ignis.CauseTryAgain, 0},
		"rate limited":       {fmt.Errorf("x: %w", &ignis.Error{Code: wire.CodeRateLimited}), failure(wire.ErrorAuthentication), `{"event":"error","data":{"message":"rate_limited","code":"rate_limited"}}`, 1013, ignis.CauseTryAgain, 0},
		"timeout":            {&ignis.Error{Code: wire.CodeTimeout}, failure(wire.ErrorAuthentication), `{"event":"error","data":{"message":"timeout","code":"timeout"}}`, 1013, ignis.CauseTryAgain, 0},
		"another code":       {&ignis.Error{Code: wire.CodeInternal}, failure(wire.ErrorAuthentication), `{"event":"error","data":{"message":"internal","code":"internal"}}`, 4003, ignis.CauseAuthFailed, 1},
		"a nil *Error":       {(*ignis.Error)(nil), failure(wire.ErrorAuthentication), failure(wire.ErrorAuthentication), 4003, ignis.CauseAuthFailed, 1},
		"any other":          {errors.New("x"), failure(wire.ErrorAuthentication), failure(wire.ErrorAuthentication), 4003, ignis.CauseAuthFailed, 1},
		"refused":            {ignis.ErrUnauthenticated, failure(wire.ErrorRejected), failure(wire.ErrorRejected), 4003, ignis.CauseAuthFailed, 0},
		"refused with text":  {errors.Join(ignis.ErrUnauthenticated, refused), failure(wire.ErrorRejected), `{"event":"error","data":{"message":"Your account is closed.","code":"forbidden"}}`, 4003, ignis.CauseAuthFailed, 0},
		"refused with nil":   {errors.Join(ignis.ErrUnauthenticated, (*ignis.Error)(nil)), failure(wire.ErrorRejected), failure(wire.ErrorRejected), 4003, ignis.CauseAuthFailed, 0},
		"refused, try later": {errors.Join(ignis.ErrUnauthenticated, &ignis.Error{Code: wire.CodeUnavailable, Message: "later"}), failure(wire.ErrorRejected), `{"event":"error","data":{"message":"later","code":"unavailable"}}`, 4003, ignis.CauseAuthFailed, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				n := startMem(t, ignis.Config{Authenticate: func(context.Context, ignis.Credentials) (ignis.Identity, error) {
					return ignis.Identity{}, row.err
				}})
				for protocol, want := range map[int]string{1: row.one, 2: row.two} {
					p := n.connect()
					p.text(fmt.Sprintf(`{"event":"authenticate","data":{"protocol":%d}}`, protocol))
					p.only(append([]string{want}, closed(row.code)...)...)
				}
				if s := n.Stats(); s.RefusedAuth != 2 || s.Disconnects[row.cause] != 2 || s.CallbackErrors != 2*row.fails {
					t.Errorf("RefusedAuth %d, Disconnects %v, CallbackErrors %d", s.RefusedAuth, s.Disconnects, s.CallbackErrors)
				}
			})
		})
	}
}

// What a client is told if AgreeKeys returns an *Error: a fixed text in protocol 1, and the
// message and the code in protocol 2.
func TestAgreeKeysReturnsError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{
			Encryption: ignis.EncryptionOptional,
			AgreeKeys: func(context.Context, *ignis.Client, ignis.Credentials) (*ignis.Cipher, error) {
				return nil, fmt.Errorf("x: %w", &ignis.Error{Code: wire.CodeForbidden, Message: "Unknown key."})
			},
		})
		for protocol, want := range map[int]string{
			1: failure(wire.ErrorHandshake),
			2: `{"event":"error","data":{"message":"Unknown key.","code":"forbidden"}}`,
		} {
			p := n.connect()
			p.text(fmt.Sprintf(`{"event":"authenticate","data":{"protocol":%d}}`, protocol))
			p.only(append([]string{want}, closed(wire.CloseEncryptionRequired)...)...)
		}
	})
}

// If Authenticate or ValidateRooms cannot decide about a refresh, nothing changes. If
// ValidateRooms refuses, the client loses its rooms.
func TestRefreshUndecided(t *testing.T) {
	later := &ignis.Error{Code: wire.CodeUnavailable, Message: "Try again later."}
	refused := &ignis.Error{Code: wire.CodeForbidden, Message: "Closed."}
	for name, row := range map[string]struct {
		authenticate, rooms error
		want                string
		stays               bool
		fails               uint64 // CallbackErrors
	}{
		"authenticate unavailable": {later, nil, nack("1", wire.CodeUnavailable, "Try again later."), true, 0},
		"authenticate refused":     {errors.Join(ignis.ErrUnauthenticated, refused), nil, nack("1", wire.CodeForbidden, "Closed."), true, 0},
		"rooms unavailable":        {nil, later, nack("1", wire.CodeUnavailable, "Try again later."), true, 1},
		"rooms refused":            {nil, refused, ack("1", "{}"), false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var authenticate, rooms error
				n := startMem(t, ignis.Config{
					Authenticate: func(context.Context, ignis.Credentials) (ignis.Identity, error) {
						return ignis.Identity{UserID: "ann"}, authenticate
					},
					ValidateRooms: func(_ context.Context, _ *ignis.Client, names []string) ([]string, error) {
						return names, rooms
					},
				})
				p := n.connect()
				p.text(`{"event":"authenticate","data":{"protocol":2}}`)
				p.connected()
				p.join(names("a"))
				synctest.Wait()
				authenticate, rooms = row.authenticate, row.rooms
				p.text(`{"event":"refresh","data":{},"id":"1"}`)
				p.only(row.want)
				if got := n.InRoom(p.id, "a"); got != row.stays {
					t.Errorf("in the room: %v", got)
				}
				if got := n.Stats().CallbackErrors; got != row.fails {
					t.Errorf("CallbackErrors %d, want %d", got, row.fails)
				}
			})
		})
	}
}

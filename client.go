package ignis

import (
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/ignis-go/ignis/wire"
)

// State is where a client stands on its way through the server.
type State uint8

// The states, in the order in which a client goes through them.
const (
	StateUnauthorized State = iota
	StateAuthenticating
	StateAuthenticated
	StateDisconnected
)

// String returns the state's name as Ignis spells it.
func (s State) String() string {
	switch s {
	case StateUnauthorized:
		return "unauthorized"
	case StateAuthenticating:
		return "authenticating"
	case StateAuthenticated:
		return "authenticated"
	}
	return "disconnected"
}

// Credentials are what a client sent to authenticate itself. They come from
// outside and have been checked for nothing but being JSON.
type Credentials struct {
	// ClientID is the id that the client will have.
	ClientID string
	// RemoteAddr is the client's network address: what Accept has returned, or that of
	// the request, which behind a proxy is the proxy's.
	RemoteAddr string
	// Value is what Accept has returned.
	Value any
	// Type, Token and PublicKey are the fields of those names, where they are
	// strings.
	Type, Token, PublicKey string
	// Software names the client's program, as name/version, where it says so. It is not
	// to be trusted.
	Software string
	// Refreshed is nil, or the client that is authenticated already and refreshes its
	// session with these credentials. They must be the same user's.
	Refreshed *Client
	// Raw is all that was sent, as JSON; {} when that was nothing.
	Raw json.RawMessage
}

// Decode stores what the client sent in the value that v points to. An error names
// the type of a value that does not fit, and not the value.
func (c Credentials) Decode(v any) error {
	if err := wire.Decode(c.Raw, v); err != nil {
		return fmt.Errorf("credentials: %w", err)
	}
	return nil
}

func newCredentials(c Client, data json.RawMessage) Credentials {
	a := wire.DecodeAuthentication(data)
	cred := Credentials{
		ClientID: c.ID, RemoteAddr: c.RemoteAddr, Value: c.Value,
		Type: a.Type, Token: a.Token, PublicKey: a.PublicKey, Software: a.Software, Raw: data,
	}
	if data == nil || string(data) == "null" {
		cred.Raw = json.RawMessage("{}")
	}
	return cred
}

// Identity is who an authenticated client is.
type Identity struct {
	// UserID groups the sessions of one user; empty for an anonymous client.
	UserID string
	// Metadata is the application's own; see MetadataOf.
	Metadata any
	// Expires is when the session ends, by the wall clock: the client is then closed
	// with 4005, unless it has sent new credentials. Zero: it does not end.
	Expires time.Time
}

// Client is an authenticated client as callbacks see it. It never changes and
// is safe to keep and to share.
type Client struct {
	ID          string // UUID v4
	UserID      string // empty for an anonymous client
	Metadata    any    // from Identity
	RemoteAddr  string
	ConnectedAt time.Time
	Value       any // from Accepted
	Encrypted   bool
}

// MetadataOf returns the client's metadata as a T, or an error that says what
// it is instead.
func MetadataOf[T any](c *Client) (T, error) {
	v, ok := c.Metadata.(T)
	if !ok {
		return v, fmt.Errorf("ignis: metadata of client %s is a %T, not a %T", c.ID, c.Metadata, v)
	}
	return v, nil
}

// ClientInfo is a snapshot of a client, safe to keep.
type ClientInfo struct {
	Client
	State State
	// Protocol is the version of the protocol that it speaks: 1 or 2.
	Protocol int
	// Expires is when its session ends; zero if it does not.
	Expires time.Time
	// Rooms are its own id, then the others in the order of joining.
	Rooms []string
	// Backpressured is true while messages wait because the client does not read
	// as fast as it is sent to.
	Backpressured bool
	// LastActivity is when its last message came.
	LastActivity time.Time
}

// Disconnect says how a client went.
type Disconnect struct {
	Cause Cause
	// Code and Reason are those of the close frame; 1006 when there was none.
	Code   uint16
	Reason string
	// Rooms are those that it was in, without the one of its own ID.
	Rooms []string
}

// Client returns a snapshot of the client with the id.
func (s *Server) Client(id string) (ClientInfo, bool) {
	if s == nil {
		return ClientInfo{}, false
	}
	m, ok := s.reg.Get(id)
	if !ok {
		return ClientInfo{}, false
	}
	return m.Value.info(), true
}

// Clients returns snapshots of all clients, also of those not authenticated, in
// no order.
func (s *Server) Clients() []ClientInfo {
	if s == nil {
		return nil
	}
	return infos(s.reg.AppendAll(nil))
}

// ClientsOfUser returns snapshots of the user's clients on this instance.
func (s *Server) ClientsOfUser(userID string) []ClientInfo {
	if s == nil {
		return nil
	}
	return infos(s.reg.AppendUser(nil, userID))
}

// ClientsInRoom returns snapshots of the room's clients on this instance.
func (s *Server) ClientsInRoom(room string) []ClientInfo {
	if s == nil {
		return nil
	}
	return infos(s.reg.AppendRoom(nil, room))
}

func infos(cs []*session) []ClientInfo {
	list := make([]ClientInfo, len(cs))
	for i, c := range cs {
		list[i] = c.info()
	}
	return list
}

// Disconnect closes a client of this instance with a close code and a reason of at most
// 123 bytes. The code is the application's own, 4000 to 4999, or 1000 or 1008; with
// [wire.CloseDisconnected] the client does not connect again by itself. It returns
// [ErrNoClient] if no client with that ID is connected to this server.
func (s *Server) Disconnect(clientID string, code uint16, reason string) error {
	if err := s.running(); err != nil {
		return err
	}
	application := code == 1000 || code == 1008 || code >= 4000 && code <= 4999
	if !application || len(reason) > 123 || !utf8.ValidString(reason) {
		return fmt.Errorf("ignis: close code %d with a reason of %d bytes: want 1000, 1008 or 4000 to 4999, and at most 123 bytes of UTF-8", code, len(reason))
	}
	m, ok := s.reg.Get(clientID)
	if !ok {
		return fmt.Errorf("ignis: disconnect %q: %w", clientID, ErrNoClient)
	}
	m.Value.conn.Close(code, reason)
	return nil
}

// InRoom reports whether the client is connected to this server and in the room.
func (s *Server) InRoom(clientID, room string) bool {
	if s == nil {
		return false
	}
	m, ok := s.reg.Get(clientID)
	return ok && m.In(room)
}

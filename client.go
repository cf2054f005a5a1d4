package ignis

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/ignis-go/ignis/wire"
)

// State is the state of a client.
type State uint8

// The states, in the order in which a client passes through them.
const (
	StateUnauthorized State = iota
	StateAuthenticating
	StateAuthenticated
	StateDisconnected
)

// String returns the name that Ignis uses for the state.
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

// Credentials is the data that a client sent to authenticate. It is untrusted: the server
// has checked only that it is valid JSON.
type Credentials struct {
	// ClientID is the ID that the client will have.
	ClientID string
	// RemoteAddr is the client's network address, as returned by Accept. By default it is
	// the address of the request, which behind a proxy is the address of the proxy.
	RemoteAddr string
	// Value is Accepted.Value.
	Value any
	// Type, Token and PublicKey are the fields with these names. A field that is not a
	// string is empty.
	Type, Token, PublicKey string
	// Software is the name of the client program, as name/version, or empty if the client
	// did not send it. It must not be trusted.
	Software string
	// Refreshed is nil unless an authenticated client refreshes its session with these
	// credentials. They must belong to the same user.
	Refreshed *Client
	// Raw is everything that the client sent, as JSON. It is {} if the client sent no
	// data.
	Raw json.RawMessage
}

// Decode decodes Raw into the value that v points to. If a value has the wrong type, the
// error contains the type but not the value.
func (c Credentials) Decode(v any) error {
	if err := wire.Decode(c.Raw, v); err != nil {
		return fmt.Errorf("credentials: %w", err)
	}
	return nil
}

func newCredentials(c *Client, data json.RawMessage) Credentials {
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

// Identity is the identity of an authenticated client.
type Identity struct {
	// UserID identifies the user, who may have many sessions. Empty: an anonymous client.
	UserID string
	// Metadata is for the application; see MetadataOf.
	Metadata any
	// Expires is the time at which the session ends, by the wall clock. The client is then
	// closed with 4005 unless it has sent new credentials before. Zero: the session does
	// not end.
	Expires time.Time
	// TokenID identifies the token or login session that the client uses, such as the claim
	// jti of a JWT, so that Server.Revoke can revoke it. Empty: it cannot be revoked by ID.
	TokenID string
	// IssuedAt is the time at which the token was issued, for Revocation.IssuedBefore.
	// Zero: it counts as issued before any other time.
	IssuedAt time.Time
}

// Client is an authenticated client as passed to callbacks. It never changes and can be
// kept and shared.
type Client struct {
	ID          string // UUID v4
	UserID      string // empty for an anonymous client
	Metadata    any    // from Identity
	TokenID     string // from Identity
	RemoteAddr  string
	ConnectedAt time.Time
	Value       any // from Accepted
	Encrypted   bool
}

// MetadataOf returns the client's metadata as a T, or an error if it has another type.
func MetadataOf[T any](c *Client) (T, error) {
	v, ok := c.Metadata.(T)
	if !ok {
		return v, fmt.Errorf("ignis: metadata of client %s is a %T, not a %T", c.ID, c.Metadata, v)
	}
	return v, nil
}

// ClientInfo is a snapshot of a client.
type ClientInfo struct {
	Client
	State State
	// Protocol is the protocol version that the client uses, 1 or 2.
	Protocol int
	// Expires is the time at which the session ends, or zero if it does not end.
	Expires time.Time
	// Rooms starts with the room named by the client's own ID, followed by the others in
	// the order of joining.
	Rooms []string
	// SlowReader reports whether messages are waiting because the client reads too
	// slowly.
	SlowReader bool
	// LastActivity is the time of the client's last message.
	LastActivity time.Time
}

// Disconnect describes how a client was disconnected.
type Disconnect struct {
	Cause Cause
	// Code and Reason are those of the close frame. Code is 1006 if there was none.
	Code   uint16
	Reason string
	// Rooms are the rooms that the client was in, except the one named by its own ID.
	Rooms []string
}

// Client returns a snapshot of the client with the ID. It reports false if no such client
// is connected to this server.
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

// Clients returns snapshots of all clients of this server, authenticated or not, in no
// particular order.
func (s *Server) Clients() []ClientInfo {
	if s == nil {
		return nil
	}
	return infos(s.reg.AppendAll(nil))
}

// ClientsOfUser returns snapshots of the user's clients that are connected to this
// server.
func (s *Server) ClientsOfUser(userID string) []ClientInfo {
	if s == nil {
		return nil
	}
	return infos(s.reg.AppendUser(nil, userID))
}

// ClientsInRoom returns snapshots of the clients of this server that are in the room.
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

// Disconnect closes a client with a close code and a reason of at most 123 bytes. The
// code must be 1000, 1008 or between 4000 and 4999. A client that is closed with
// [wire.CloseDisconnected] does not reconnect automatically. Disconnect returns
// [ErrNoClient] if no client with that ID is connected to this server. See
// [Server.DisconnectAll] for clients of other servers.
func (s *Server) Disconnect(clientID string, code uint16, reason string) error {
	if err := s.running(); err != nil {
		return err
	}
	if err := wire.CheckClose(code, reason); err != nil {
		return fmt.Errorf("ignis: disconnect: %w", err)
	}
	m, ok := s.reg.Get(clientID)
	if !ok {
		return fmt.Errorf("ignis: disconnect %q: %w", clientID, ErrNoClient)
	}
	m.Value.conn.Close(code, reason)
	return nil
}

// InRoom reports whether the client is connected to this server and has joined the room.
func (s *Server) InRoom(clientID, room string) bool {
	if s == nil {
		return false
	}
	m, ok := s.reg.Get(clientID)
	return ok && m.In(room)
}

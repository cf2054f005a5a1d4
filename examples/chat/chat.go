package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// Sender is the part of a server that the chat uses. Tests can replace it.
type Sender interface {
	Send(ctx context.Context, to ignis.Address, event string, data any, options ...ignis.SendOption) error
	InRoom(clientID, room string) bool
}

// Chat is the application. It decides who may join a room, and relays messages to its
// members.
type Chat struct {
	server  Sender
	members map[string][]string // user IDs by private room; all other rooms are open
}

// NewChat returns a chat with private rooms, which only the listed users may join. All
// other rooms are open to everyone.
func NewChat(private map[string][]string) *Chat { return &Chat{members: private} }

// Attach sets the server with which the chat sends messages. The server is created with
// the methods of the chat as callbacks, so the chat must exist first. Call Attach before
// the server runs.
func (c *Chat) Attach(s Sender) { c.server = s }

// Authenticate accepts anyone who gives a name. A real application would verify a token.
func (c *Chat) Authenticate(_ context.Context, cred ignis.Credentials) (ignis.Identity, error) {
	name := strings.TrimSpace(cred.Token)
	if name == "" || len(name) > 40 {
		return ignis.Identity{}, fmt.Errorf("%w: the name must have 1 to 40 bytes", ignis.ErrUnauthenticated)
	}
	return ignis.Identity{UserID: strings.ToLower(name), Metadata: name}, nil
}

// MayJoin returns the rooms that the client may join.
func (c *Chat) MayJoin(_ context.Context, cl *ignis.Client, rooms []string) ([]string, error) {
	var allowed []string
	for _, room := range rooms {
		members, private := c.members[room]
		if !private || slices.Contains(members, cl.UserID) {
			allowed = append(allowed, room)
		}
	}
	return allowed, nil
}

// line is the data of the events "say", which clients send, and "said", which they receive.
type line struct {
	Room string    `json:"room"`
	Text string    `json:"text"`
	From string    `json:"from,omitempty"` // set by the server
	At   time.Time `json:"at,omitzero"`
}

// OnMessage relays what a client says in a room to the other members.
func (c *Chat) OnMessage(ctx context.Context, cl *ignis.Client, m wire.Message) (any, error) {
	if m.Event != "say" {
		return nil, &ignis.Error{Code: wire.CodeUnknownEvent}
	}
	var l line
	if err := m.Decode(&l); err != nil {
		return nil, err
	}
	if !c.server.InRoom(cl.ID, l.Room) {
		return nil, &ignis.Error{Code: wire.CodeForbidden, Message: "Join the room before you say something in it."}
	}
	name, err := ignis.MetadataOf[string](cl)
	if err != nil {
		return nil, err
	}
	l.From, l.At = name, time.Now().UTC()
	return nil, c.server.Send(ctx, ignis.ToRoom(l.Room), "said", l, ignis.Except(cl.ID))
}

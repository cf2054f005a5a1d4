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

// Sender is what the chat needs of the server. Its tests may give it anything.
type Sender interface {
	Send(ctx context.Context, to ignis.Address, event string, data any, options ...ignis.SendOption) error
	InRoom(clientID, room string) bool
}

// Chat is the application: it knows who may join which room and what happens
// with what is said. The server calls its methods; it calls the server's.
type Chat struct {
	server  Sender
	members map[string][]string // by room; nobody listed: open to all
}

// NewChat returns a chat whose rooms are open but for the private ones.
func NewChat(private map[string][]string) *Chat { return &Chat{members: private} }

// Attach gives the chat the server that it sends with. The two need each other,
// so one must be there first; attach before the server runs.
func (c *Chat) Attach(s Sender) { c.server = s }

// Authenticate takes anyone with a name. A real application verifies a token.
func (c *Chat) Authenticate(_ context.Context, cred ignis.Credentials) (ignis.Identity, error) {
	name := strings.TrimSpace(cred.Token)
	if name == "" || len(name) > 40 {
		return ignis.Identity{}, fmt.Errorf("%w: a name of 1 to 40 bytes is needed", ignis.ErrUnauthenticated)
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

// line is what clients say and hear.
type line struct {
	Room string    `json:"room"`
	Text string    `json:"text"`
	From string    `json:"from,omitempty"` // set here, whatever a client says
	At   time.Time `json:"at,omitzero"`
}

// OnMessage passes on what is said in a room to its other members.
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

package access

import (
	"cmp"
	"slices"
)

// The tags of the following types describe rules in a file. Package configfile decodes them,
// and derives a JSON Schema and the reference in docs/configuration.md from them.

// Rule says what clients may do in the rooms that match a pattern. To decode rules from
// YAML or JSON, decode a [Rules].
type Rule struct {
	// Match is the pattern of the rooms' names; see the package documentation. Required.
	Match string `key:"match" required:"" help:"Pattern of the rooms' names, such as public-*, team-{team} or user:{user}:*. The most specific pattern that matches decides."`
	// Join says who may join the rooms. The zero value means nobody.
	Join JoinRule `key:"join" help:"Who may join: anyone, nobody, webhook (which the webhook decides), or the clients with a claim (nobody)."`
	// Send says which events clients may send to the rooms, and where they go. An event may
	// be in only one entry, so their order does not matter. Empty: none.
	Send []SendRule `key:"send" single:"" help:"Which events clients may send to the rooms: a mapping, or a list of them if events go to different places (none)."`

	// Line is the line of the rule in a file, for messages. 0: not known.
	Line int `key:"-"`
}

// Who says who may join a room.
type Who string

// The values of [JoinRule].Who.
const (
	Nobody  Who = "nobody"
	Anyone  Who = "anyone"  // every authenticated client
	Webhook Who = "webhook" // the clients that the application's webhook allows
)

func (w Who) valid() bool { return w == Anyone || w == Nobody || w == Webhook }

// JoinRule says who may join a room. Set either Who or Claim. If both are empty, nobody
// may join.
type JoinRule struct {
	// Who says who may join, whatever the room is called.
	Who Who `key:"-" short:"" enum:"anyone,nobody,webhook"`
	// Claim is the name of a claim of the client's token. The client may join if the claim
	// is the value of the variable Of, or a list that contains it; or, if Is is set, one of
	// the values of Is, or a list that contains one of them.
	Claim string `key:"claim" required:"" help:"Claim of the token that is, or lists, the value of the pattern's variable, or one of the values of is."`
	// Of is a variable of the pattern other than {user}. Empty: the only one, unless Is is
	// set.
	Of string `key:"of" help:"Variable of the pattern (the only one)."`
	// Is lists values that the claim is compared with instead of a variable, at most
	// MaxValues.
	Is []string `key:"is" help:"Value, or list of values, that the claim is compared with instead of a variable."`
}

// isZero reports whether nothing is set.
func (j *JoinRule) isZero() bool { return j.Who == "" && j.Claim == "" && j.Of == "" && j.Is == nil }

// Senders says which clients may send to a room.
type Senders string

// The values of [SendRule].From.
const (
	FromMembers Senders = "members" // clients that are in the room
	FromAnyone  Senders = "anyone"  // every authenticated client
)

// Target says where a client's message goes.
type Target string

// The values of [SendRule].To.
const (
	ToRoom    Target = "room"    // to the clients in the room, including the sender
	ToWebhook Target = "webhook" // to the application's webhook
	ToBoth    Target = "both"    // to the webhook, and then to the room unless it refuses
)

// SendRule says which events clients may send to a room, and where the messages go.
type SendRule struct {
	// Events are the names of the events, which are compared exactly. Required. A rule has at
	// most MaxEvents in all its entries.
	Events []string `key:"events" required:"" help:"Names of the events."`
	// From says who may send. Empty: FromMembers.
	From Senders `key:"from" enum:"members,anyone" default:"members" help:"Who may send: clients in the room (members) or anyone."`
	// To says where messages go. Empty: ToRoom.
	To Target `key:"to" enum:"room,webhook,both" default:"room" help:"Where messages go: to the clients in the room (room), to the webhook, or both."`
	// ExceptSender says that the client that sends a message does not receive it itself. It
	// requires that To is ToRoom or ToBoth.
	ExceptSender bool `key:"except_sender" help:"Send messages to the clients in the room except the one that sent them (false)."`
}

// clone returns a copy that shares no memory with the rule.
func (r Rule) clone() Rule {
	r.Join.Is = slices.Clone(r.Join.Is)
	r.Send = slices.Clone(r.Send)
	for i := range r.Send {
		r.Send[i].Events = slices.Clone(r.Send[i].Events)
	}
	return r
}

// from returns who may send, which is never empty.
func (s SendRule) from() Senders { return cmp.Or(s.From, FromMembers) }

// to returns where messages go, which is never empty.
func (s SendRule) to() Target { return cmp.Or(s.To, ToRoom) }

// Relays reports whether messages go to the clients in the room.
func (s SendRule) Relays() bool { return s.to() == ToRoom || s.to() == ToBoth }

// TellsWebhook reports whether messages go to the webhook.
func (s SendRule) TellsWebhook() bool { return s.to() == ToWebhook || s.to() == ToBoth }

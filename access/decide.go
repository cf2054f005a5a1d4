package access

import (
	"encoding/json"
	"strings"
)

// Subject is the authenticated client that a decision is about.
type Subject struct {
	// User is the client's user ID. Empty: it has none.
	User string
	// Claims returns the value of the claim with exactly this name as valid JSON, or nil if
	// the client's token has no such claim. Nil: there are no claims.
	Claims func(name string) json.RawMessage
}

// Reason says why a request is not allowed. The texts are fixed, so they can be logged and
// used as keys of counters.
type Reason string

// The reasons.
const (
	NoRule      Reason = "no rule matches the room"
	NobodyJoins Reason = "nobody may join"
	OtherUser   Reason = "the room is another user's"
	NoUser      Reason = "the room is a user's, and the client has no user ID"
	UserColon   Reason = "the room is a user's, and the client's user ID contains a colon"
	DefaultRoom Reason = "names that begin with ws- match only patterns that begin with ws-"
	NoClaim     Reason = "the token does not have the claim"
	ClaimLacks  Reason = "the claim does not list the value"
	NoEvents    Reason = "nothing may be sent to the room"
	OtherEvent  Reason = "the event is not listed"
	NotMember   Reason = "only members may send, and the client is not in the room"

	NameEmpty    Reason = "the name of the room is empty"
	NameTooLong  Reason = "the name of the room is longer than 256 characters"
	NameReserved Reason = "names that begin with ws: are reserved"
	NameUTF8     Reason = "the name of the room is not valid UTF-8"
	NameControl  Reason = "the name of the room contains a control, invisible or unknown character"
	NameSpace    Reason = "the name of the room begins or ends with a space"
	NameGlob     Reason = `the name of the room contains one of * ? [ ] { } \`
	NameNotNFC   Reason = "the name of the room is not in Unicode normalization form C"
	NameClientID Reason = "the name of the room has the form of a client's ID"
)

// BadName reports whether the reason is that clients cannot use the name of the room,
// whatever the rules say.
func (r Reason) BadName() bool {
	switch r {
	case NameEmpty, NameTooLong, NameReserved, NameUTF8, NameControl, NameSpace, NameGlob, NameNotNFC, NameClientID:
		return true
	}
	return false
}

// Decision says whether a request is allowed, and why. The zero value refuses it.
type Decision struct {
	// Allowed reports whether the request is allowed.
	Allowed bool
	// AskWebhook reports whether the webhook has to decide if the client may join. If so,
	// Allowed is false.
	AskWebhook bool
	// Relay reports whether to send the message to the clients in the room.
	Relay bool
	// ExceptSender reports whether to send it to all of them except the one that sent it.
	ExceptSender bool
	// TellWebhook reports whether to pass the message to the webhook. If Relay is true as
	// well, the webhook comes first and may refuse the message.
	TellWebhook bool

	// Reason is why the request is not allowed. It is empty if Allowed or AskWebhook is true.
	Reason Reason
	// Rule is the index of the rule that decided, or -1 if there is none.
	Rule int
	// Match is the pattern of that rule.
	Match string
	// Line is the line of that rule in the YAML file, or 0 if it was not decoded from one.
	Line int
	// Claim is the claim that decided about a join, or empty.
	Claim string
}

// Join decides whether a client may join a room. It allocates no memory, unless the name
// contains combining marks or the claim contains escape sequences.
func (r *Rules) Join(s Subject, room string) Decision {
	rule, v, d := r.decide(&s, room)
	if rule == nil {
		return d
	}
	d.Claim = rule.claim
	switch {
	case rule.claim != "":
		if rule.of >= 0 {
			d.Reason = s.lists(rule.claim, v.text[rule.of:rule.of+1])
		} else {
			d.Reason = s.lists(rule.claim, rule.is)
		}
		d.Allowed = d.Reason == ""
	case rule.who == Anyone:
		d.Allowed = true
	case rule.who == Webhook:
		d.AskWebhook = true
	default:
		d.Reason = NobodyJoins
	}
	return d
}

// Send decides whether a client may send an event to a room, and where it goes. The caller
// says whether the client is in the room. Whether the rules let it join does not matter.
// Send allocates no memory, unless the name contains combining marks.
func (r *Rules) Send(s Subject, room, event string, member bool) Decision {
	rule, _, d := r.decide(&s, room)
	if rule == nil {
		return d
	}
	i, listed := rule.sends[event]
	switch {
	case len(rule.send) == 0:
		d.Reason = NoEvents
	case !listed:
		d.Reason = OtherEvent
	case rule.send[i].from() != FromAnyone && !member:
		d.Reason = NotMember
	default:
		s := &rule.send[i]
		d.Allowed, d.Relay, d.TellWebhook = true, s.Relays(), s.TellsWebhook()
		d.ExceptSender = s.ExceptSender
	}
	return d
}

// decide returns the rule for a room and the values of its variables. If the rule is nil,
// the decision is final: it refuses the request.
func (r *Rules) decide(s *Subject, room string) (*rule, values, Decision) {
	var v values
	d := Decision{Rule: -1}
	if d.Reason = checkName(room); d.Reason != "" {
		return nil, v, d
	}
	var g *group
	if r != nil {
		g = r.root.find(room, &v)
	}
	if g == nil {
		d.Reason = NoRule
		return nil, v, d
	}
	first := g.rules[0]
	d.Rule, d.Match, d.Line = first.index, first.pattern, first.line
	if strings.HasPrefix(room, defaultPrefix) && !strings.HasPrefix(first.pattern, defaultPrefix) {
		d.Reason = DefaultRoom
		return nil, v, d
	}
	for _, rule := range g.rules {
		if rule.user < 0 || v.text[rule.user] == s.User {
			d.Rule, d.Match, d.Line = rule.index, rule.pattern, rule.line
			return rule, v, d
		}
	}
	d.Reason = OtherUser
	switch {
	case s.User == "":
		d.Reason = NoUser
	case strings.Contains(s.User, ":"):
		d.Reason = UserColon
	}
	return nil, v, d
}

// lists returns "" if a claim lists one of the values, and otherwise why not.
func (s *Subject) lists(claim string, values []string) Reason {
	var list json.RawMessage
	if s.Claims != nil {
		list = s.Claims(claim)
	}
	if absent(list) {
		return NoClaim
	}
	for _, value := range values {
		if claimLists(list, value) {
			return ""
		}
	}
	return ClaimLacks
}

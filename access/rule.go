package access

import "encoding/json"

// Rule says what clients may do in the rooms that match a pattern. It can be decoded from
// JSON and YAML; what is wrong with it is then reported by [Compile].
type Rule struct {
	// Match is the pattern of the rooms' names; see the package documentation. Required.
	Match string `json:"match" yaml:"match"`
	// Join says who may join the rooms. The zero value means nobody.
	Join JoinRule `json:"join" yaml:"join"`
	// Send says which events clients may send to the rooms. Nil means none.
	Send *SendRule `json:"send,omitempty" yaml:"send,omitempty"`

	problems []problem // found while decoding
}

// Who says who may join a room.
type Who string

// The values of [JoinRule.Who].
const (
	Nobody  Who = "nobody"
	Anyone  Who = "anyone"  // every authenticated client
	Webhook Who = "webhook" // whoever the application's webhook lets in
)

// JoinRule says who may join a room. In JSON and YAML it is anyone, nobody, webhook or an
// object:
//
//	{claim: NAME}                 the claim lists the value of the pattern's variable
//	{claim: NAME, of: VARIABLE}   the same, if the pattern has several
type JoinRule struct {
	// Who is empty if Claim is set. If both are empty, nobody may join.
	Who Who `json:"-" yaml:"-"`
	// Claim is the name of a claim of the client's token. The client may join if the claim
	// is the value of the variable Of, or a list that contains it.
	Claim string `json:"claim,omitempty" yaml:"claim,omitempty"`
	// Of is a variable of the pattern other than {user}. Empty means the only one.
	Of string `json:"of,omitempty" yaml:"of,omitempty"`
}

// Senders says which clients may send to a room.
type Senders string

// The values of [SendRule.From].
const (
	FromMembers Senders = "members" // clients that are in the room
	FromAnyone  Senders = "anyone"  // every authenticated client
)

// Target says where a client's message goes.
type Target string

// The values of [SendRule.To].
const (
	ToRoom    Target = "room"    // to the clients in the room, with the sender stamped
	ToWebhook Target = "webhook" // to the application's webhook
	ToBoth    Target = "both"
)

// SendRule says which events clients may send to a room, and what becomes of them.
type SendRule struct {
	// Events lists the names of events. Required. Each is compared exactly.
	Events []string `json:"events" yaml:"events,flow"`
	// From says who may send. Empty means FromMembers.
	From Senders `json:"from,omitempty" yaml:"from,omitempty"`
	// To says where messages go. Empty means ToRoom.
	To Target `json:"to,omitempty" yaml:"to,omitempty"`
}

// UsesWebhook reports whether the rule has the webhook asked or told.
func (r *Rule) UsesWebhook() bool {
	return r.Join.Who == Webhook || r.Send != nil && (r.Send.To == ToWebhook || r.Send.To == ToBoth)
}

// MarshalJSON returns the form that UnmarshalJSON reads.
func (j JoinRule) MarshalJSON() ([]byte, error) {
	v, err := j.MarshalYAML()
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// MarshalYAML returns what a YAML encoder is to write.
func (j JoinRule) MarshalYAML() (any, error) {
	type object JoinRule // without methods
	switch {
	case j.Claim != "" || j.Of != "":
		return object(j), nil
	case j.Who == "":
		return Nobody, nil
	}
	return j.Who, nil
}

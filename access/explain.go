package access

import (
	"fmt"
	"slices"
	"strings"
)

// String returns the decision and where it comes from, as in
//
//	yes (rooms[2] "team-{team}", claim teams)
func (d Decision) String() string {
	var b strings.Builder
	switch {
	case d.AskWebhook:
		b.WriteString("the webhook decides")
	case d.Allowed:
		b.WriteString("yes")
	default:
		b.WriteString("no")
	}
	var why []string
	if d.Rule >= 0 {
		why = append(why, fmt.Sprintf("rooms[%d] %q", d.Rule, d.Match))
	}
	if d.Claim != "" {
		why = append(why, "claim "+d.Claim)
	}
	if d.Reason != "" {
		why = append(why, string(d.Reason))
	}
	if len(why) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(why, ", "))
	}
	return b.String()
}

// Explanation is all that the rules say about a client and a room, for people.
type Explanation struct {
	// Join is the decision about joining.
	Join Decision
	// Events are the events that the client may send, now or as a member.
	Events []string
	// From and To say who may send them and where they go. They are empty if Events is.
	From Senders
	To   Target
}

// Explain returns all that the rules say about a client and a room.
func (r *Rules) Explain(s Subject, room string) Explanation {
	e := Explanation{Join: r.Join(s, room)}
	if rule, _, _ := r.decide(&s, room); rule != nil && len(rule.events) > 0 {
		e.Events, e.From, e.To = slices.Clone(rule.events), rule.from, rule.to
	}
	return e
}

// String returns the explanation in one line, as in
//
//	join: yes (rooms[2] "team-{team}", claim teams)   send: say, typing
//
// A note behind the events says what is unusual about them.
func (e Explanation) String() string {
	return "join: " + e.Join.String() + "   send: " + e.send()
}

func (e Explanation) send() string {
	if len(e.Events) == 0 {
		return "no"
	}
	var notes []string
	switch {
	case e.From == FromAnyone:
		notes = append(notes, "also without joining")
	case !e.Join.Allowed:
		notes = append(notes, "as a member")
	}
	switch e.To {
	case ToWebhook:
		notes = append(notes, "to the webhook")
	case ToBoth:
		notes = append(notes, "to the room and the webhook")
	}
	text := strings.Join(e.Events, ", ")
	if len(notes) > 0 {
		text += " (" + strings.Join(notes, ", ") + ")"
	}
	return text
}

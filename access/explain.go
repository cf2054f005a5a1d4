package access

import (
	"fmt"
	"slices"
	"strings"
)

// String returns the decision, the rule that made it, and the reason, such as
//
//	yes (rooms[2] "team-{team}" on line 6, claim teams)
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
		why = append(why, place(d.Rule, d.Line, d.Match))
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

// Explanation describes everything that the rules allow a client in a room.
type Explanation struct {
	// Join is the decision about joining.
	Join Decision
	// Events are the events that the client may send, immediately or once it is a member.
	Events []string
	// From and To say who may send the events and where they go. They are empty if Events
	// is empty.
	From Senders
	To   Target
}

// Explain returns what the rules allow a client in a room.
func (r *Rules) Explain(s Subject, room string) Explanation {
	e := Explanation{Join: r.Join(s, room)}
	if rule, _, _ := r.decide(&s, room); rule != nil && len(rule.events) > 0 {
		e.Events, e.From, e.To = slices.Clone(rule.events), rule.from, rule.to
	}
	return e
}

// String returns the explanation as one line, such as
//
//	join: yes (rooms[2] "team-{team}" on line 6, claim teams)   send: say, typing
//
// By default, members send messages to the room. If this differs, or if the client cannot
// become a member by joining, a note after the events says so.
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
		notes = append(notes, "to the webhook, then to the room")
	}
	text := strings.Join(e.Events, ", ")
	if len(notes) > 0 {
		text += " (" + strings.Join(notes, ", ") + ")"
	}
	return text
}

package access

import (
	"fmt"
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
	// Send says which events the client may send, immediately or once it is a member, and
	// where they go. From and To of its entries are never empty.
	Send []SendRule
}

// Explain returns what the rules allow a client in a room.
func (r *Rules) Explain(s Subject, room string) Explanation {
	e := Explanation{Join: r.Join(s, room)}
	if rule, _, _ := r.decide(&s, room); rule != nil {
		e.Send = Rule{Send: rule.send}.clone().Send
		for i := range e.Send {
			e.Send[i].From, e.Send[i].To = e.Send[i].from(), e.Send[i].to()
		}
	}
	return e
}

// String returns the explanation as one line, such as
//
//	join: yes (rooms[2] "team-{team}" on line 6, claim teams)   send: say, typing
//
// By default, members send messages to the room. If this differs, or if the client cannot
// become a member by joining, a note after the events says so. Events that go to different
// places are separated by semicolons.
func (e Explanation) String() string {
	return "join: " + e.Join.String() + "   send: " + e.send()
}

func (e Explanation) send() string {
	if len(e.Send) == 0 {
		return "no"
	}
	texts := make([]string, len(e.Send))
	for i, s := range e.Send {
		texts[i] = e.entry(s)
	}
	return strings.Join(texts, "; ")
}

// entry describes the events of an entry of Send.
func (e Explanation) entry(s SendRule) string {
	var notes []string
	switch {
	case s.From == FromAnyone:
		notes = append(notes, "also without joining")
	case !e.Join.Allowed:
		notes = append(notes, "as a member")
	}
	switch {
	case s.To == ToWebhook:
		notes = append(notes, "to the webhook")
	case s.To == ToBoth && s.ExceptSender:
		notes = append(notes, "to the webhook, then to the others in the room")
	case s.To == ToBoth:
		notes = append(notes, "to the webhook, then to the room")
	case s.ExceptSender:
		notes = append(notes, "to the others in the room")
	}
	text := strings.Join(s.Events, ", ")
	if len(notes) > 0 {
		text += " (" + strings.Join(notes, ", ") + ")"
	}
	return text
}

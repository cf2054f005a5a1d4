package access_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/access"
)

// subject returns a client whose token has the claims of a JSON object.
func subject(t testing.TB, user, claims string) access.Subject {
	t.Helper()
	s := access.Subject{User: user}
	if claims != "" {
		var m map[string]json.RawMessage
		if err := json.Unmarshal([]byte(claims), &m); err != nil {
			t.Fatalf("%v in %s", err, claims)
		}
		s.Claims = func(name string) json.RawMessage { return m[name] }
	}
	return s
}

// The rules at the beginning of docs/access.md.
const quizRules = `
rooms:
  - match: "public-*"
    join: anyone
  - match: "user:{user}:*"        # only that user's own
    join: anyone
  - match: "team-{team}"
    join: {claim: teams}          # the token's claim lists the value of {team}
    send: {events: ["say", "typing"], from: members}
  - match: "quiz-*"
    join: webhook
    send: {events: ["answer"], to: webhook}
`

func TestJoin(t *testing.T) {
	rules := compile(t, quizRules)
	const red = `{"teams":["red",7]}`
	for _, c := range []struct{ user, claims, room, want string }{
		{"", "", "public-news", `yes (rooms[0] "public-*")`},
		{"", "", "public-:", `yes (rooms[0] "public-*")`},
		{"", "", "public-", `no (no rule matches the room)`},
		{"", "", "Public-news", `no (no rule matches the room)`},
		{"ann", "", "user:ann:inbox", `yes (rooms[1] "user:{user}:*")`},
		{"ann", "", "user:ann:a:b", `yes (rooms[1] "user:{user}:*")`},
		{"ann", "", "user:ann:", `no (no rule matches the room)`},
		{"ann", "", "user:ann", `no (no rule matches the room)`},
		{"ann", "", "user:bob:inbox", `no (rooms[1] "user:{user}:*", the room is another user's)`},
		{"ann", "", "user:Ann:inbox", `no (rooms[1] "user:{user}:*", the room is another user's)`},
		{"ann", "", "user:ann :inbox", `no (rooms[1] "user:{user}:*", the room is another user's)`},
		{"", "", "user:ann:inbox", `no (rooms[1] "user:{user}:*", the room is a user's, and the client has no user ID)`},
		{"", "", "user::inbox", `no (no rule matches the room)`},
		{"a:b", "", "user:a:b:inbox", `no (rooms[1] "user:{user}:*", the room is a user's, and the client's user ID contains a colon)`},
		{"a", "", "user:a:b:inbox", `yes (rooms[1] "user:{user}:*")`},
		{"*", "", "user:*:inbox", `no (the name of the room contains one of * ? [ ] { } \)`},
		{"*", "", "user:ann:inbox", `no (rooms[1] "user:{user}:*", the room is another user's)`},
		{"{user}", "", "user:ann:inbox", `no (rooms[1] "user:{user}:*", the room is another user's)`},
		{"ann", red, "team-red", `yes (rooms[2] "team-{team}", claim teams)`},
		{"ann", red, "team-7", `yes (rooms[2] "team-{team}", claim teams)`},
		{"ann", red, "team-re", `no (rooms[2] "team-{team}", claim teams, the claim does not list the value)`},
		{"ann", red, "team-red:x", `no (no rule matches the room)`},
		{"ann", red, "team-", `no (no rule matches the room)`},
		{"ann", `{"teams":"red"}`, "team-red", `yes (rooms[2] "team-{team}", claim teams)`},
		{"ann", `{"Teams":"red"}`, "team-red", `no (rooms[2] "team-{team}", claim teams, the token does not have the claim)`},
		{"ann", `{"teams":null}`, "team-red", `no (rooms[2] "team-{team}", claim teams, the token does not have the claim)`},
		{"ann", `{"teams":{"red":true}}`, "team-red", `no (rooms[2] "team-{team}", claim teams, the claim does not list the value)`},
		{"ann", "", "team-red", `no (rooms[2] "team-{team}", claim teams, the token does not have the claim)`},
		{"ann", "", "quiz-1", `the webhook decides (rooms[3] "quiz-*")`},
		{"ann", "", "", `no (the name of the room is empty)`},
	} {
		d := rules.Join(subject(t, c.user, c.claims), c.room)
		if got := d.String(); got != c.want {
			t.Errorf("%q with %s in %q:\n got %s\nwant %s", c.user, c.claims, c.room, got, c.want)
		}
		if d.Allowed != strings.HasPrefix(c.want, "yes") || d.AskWebhook != strings.HasPrefix(c.want, "the webhook") || d.Relay || d.TellWebhook {
			t.Errorf("%q in %q: %+v", c.user, c.room, d)
		}
		if (d.Reason == "") != (d.Allowed || d.AskWebhook) {
			t.Errorf("%q in %q: %+v", c.user, c.room, d)
		}
	}
}

func TestSend(t *testing.T) {
	rules := compile(t, quizRules+`
  - match: "open"
    send: {events: [both], from: anyone, to: both}
`)
	for _, c := range []struct {
		room, event    string
		member         bool
		want           string
		relay, webhook bool
	}{
		{"team-red", "say", true, `yes (rooms[2] "team-{team}")`, true, false},
		{"team-red", "say", false, `no (rooms[2] "team-{team}", only members may send, and the client is not in the room)`, false, false},
		{"team-red", "Say", true, `no (rooms[2] "team-{team}", the event is not listed)`, false, false},
		{"team-red", "", true, `no (rooms[2] "team-{team}", the event is not listed)`, false, false},
		{"team-red", "error", true, `no (rooms[2] "team-{team}", the event is not listed)`, false, false},
		{"quiz-1", "answer", true, `yes (rooms[3] "quiz-*")`, false, true},
		{"quiz-1", "answer", false, `no (rooms[3] "quiz-*", only members may send, and the client is not in the room)`, false, false},
		{"open", "both", false, `yes (rooms[4] "open")`, true, true},
		{"open", "both", true, `yes (rooms[4] "open")`, true, true},
		{"public-news", "say", true, `no (rooms[0] "public-*", nothing may be sent to the room)`, false, false},
		{"user:bob:inbox", "say", true, `no (rooms[1] "user:{user}:*", the room is another user's)`, false, false},
		{"lobby", "say", true, `no (no rule matches the room)`, false, false},
		{"*", "say", true, `no (the name of the room contains one of * ? [ ] { } \)`, false, false},
		{"", "say", true, `no (the name of the room is empty)`, false, false},
	} {
		s := subject(t, "ann", "")
		d := rules.Send(s, c.room, c.event, c.member)
		if d.String() != c.want || d.Relay != c.relay || d.TellWebhook != c.webhook || d.Allowed != (c.relay || c.webhook) || d.AskWebhook {
			t.Errorf("%s to %q (member: %v):\n got %s %+v\nwant %s", c.event, c.room, c.member, d, d, c.want)
		}
	}
}

// Events of a room go to different places, whatever the order of the entries. If the entry
// with the event refuses a client, no other allows it.
func TestSendSeveral(t *testing.T) {
	entries := []string{
		"{events: [typing], except_sender: true}", "{events: [say, topic], to: both}", "{events: [ask], from: anyone, to: webhook}",
		"{events: [note], to: both, except_sender: true}",
	}
	const (
		listed = `no (rooms[0] "a", the event is not listed)`
		member = `no (rooms[0] "a", only members may send, and the client is not in the room)`
	)
	for range 2 {
		rules := compile(t, "rooms: [{match: a, join: anyone, send: ["+strings.Join(entries, ", ")+"]}]")
		for _, c := range []struct {
			event, asMember, otherwise string
			want                       access.Decision // as a member
		}{
			{"typing", "yes", member, access.Decision{Allowed: true, Relay: true, ExceptSender: true}},
			{"say", "yes", member, access.Decision{Allowed: true, Relay: true, TellWebhook: true}},
			{"topic", "yes", member, access.Decision{Allowed: true, Relay: true, TellWebhook: true}},
			{"ask", "yes", "yes", access.Decision{Allowed: true, TellWebhook: true}},
			{"note", "yes", member, access.Decision{Allowed: true, Relay: true, TellWebhook: true, ExceptSender: true}},
			{"", listed, listed, access.Decision{Reason: access.OtherEvent}},
			{"Say", listed, listed, access.Decision{Reason: access.OtherEvent}},
		} {
			got, outside := rules.Send(access.Subject{}, "a", c.event, true), rules.Send(access.Subject{}, "a", c.event, false)
			if !strings.HasPrefix(got.String(), c.asMember) || !strings.HasPrefix(outside.String(), c.otherwise) {
				t.Errorf("%s: as a member %v, otherwise %v", c.event, got, outside)
			}
			c.want.Match = "a"
			if got != c.want {
				t.Errorf("%s: %+v, want %+v", c.event, got, c.want)
			}
			if !outside.Allowed && (outside.Relay || outside.TellWebhook || outside.ExceptSender) {
				t.Errorf("%s: refused, but %+v", c.event, outside)
			}
		}
		slices.Reverse(entries)
	}
	e := compile(t, "rooms: [{match: a, join: anyone, send: ["+strings.Join(entries, ", ")+"]}]").Explain(access.Subject{}, "a")
	const want = `join: yes (rooms[0] "a")   send: typing (to the others in the room); say, topic (to the webhook, then to the room); ` +
		`ask (also without joining, to the webhook); note (to the webhook, then to the others in the room)`
	if e.String() != want {
		t.Errorf("got %s", e)
	}
}

// The most specific pattern decides, wherever it is in the list.
func TestMostSpecific(t *testing.T) {
	for _, c := range []struct {
		room  string
		order []string // patterns that match, the most specific one first
	}{
		{"lobby", []string{"lobby", "lobb{x}", "lobb*", "l{x}y", "l{x}", "l*", "{x}by", "{x}y", "{x}", "*"}},
		{"private-x", []string{"private-x", "private-{a}", "private-*", "p*", "{a}-x", "{a}", "*"}},
		{"a:b:c", []string{"a:b:c", "a:b:{x}", "a:b:*", "a:b*", "a:{x}:c", "a:{x}:{y}", "a:{x}:*", "a:*", "a*", "{x}:b:c", "{x}:b:*", "{x}:{y}:c", "{x}:*", "*"}},
		{"axb:c", []string{"axb:{x}", "ax*", "a{v}b:{x}", "a{v}b:*", "a*", "{v}xb:*", "{v}b:c", "{v}b:*", "{v}:c", "{v}:*"}},
	} {
		for i := range c.order {
			for _, reversed := range []bool{false, true} {
				var list []access.Rule
				for k := range c.order[i:] {
					match := c.order[i+k]
					if reversed {
						match = c.order[len(c.order)-1-k]
					}
					list = append(list, access.Rule{Match: match})
				}
				rules, err := access.Compile(list)
				if err != nil {
					t.Fatal(err)
				}
				if d := rules.Join(access.Subject{}, c.room); d.Match != c.order[i] || list[d.Rule].Match != c.order[i] {
					t.Errorf("%q of %v: %v decides", c.room, list, d)
				}
			}
		}
	}
}

// A rule with {user} decides about other users too, so that no other rule lets them in.
// Rules whose patterns differ in names of variables share their rooms.
func TestUserRooms(t *testing.T) {
	for _, c := range []struct {
		name, rules, user, room string
		want                    int
		allowed                 bool
	}{
		{"own", `[{match: "*", join: anyone}, {match: "u:{user}", join: anyone}]`, "ann", "u:ann", 1, true},
		{"another", `[{match: "*", join: anyone}, {match: "u:{user}", join: anyone}]`, "bob", "u:ann", 1, false},
		{"nobody", `[{match: "u:*", join: anyone}, {match: "u:{user}", join: anyone}]`, "", "u:ann", 1, false},
		{"variables", `[{match: "{a}:{b}", join: anyone}, {match: "u:{user}", join: anyone}]`, "bob", "u:ann", 1, false},
		{"first", `[{match: "u:{user}:{x}", join: anyone}, {match: "u:{x}:{user}", join: anyone}]`, "ann", "u:ann:bob", 0, true},
		{"second", `[{match: "u:{user}:{x}", join: anyone}, {match: "u:{x}:{user}", join: anyone}]`, "bob", "u:ann:bob", 1, true},
		{"both", `[{match: "u:{user}:{x}", join: anyone}, {match: "u:{x}:{user}", join: anyone}]`, "ann", "u:ann:ann", 0, true},
		{"both, other order", `[{match: "u:{x}:{user}", join: anyone}, {match: "u:{user}:{x}", join: anyone}]`, "ann", "u:ann:ann", 0, true},
		{"neither", `[{match: "u:{user}:{x}", join: anyone}, {match: "u:{x}:{user}", join: anyone}]`, "eve", "u:ann:bob", 0, false},
		{"others", `[{match: "u:{y}:{x}", join: anyone}, {match: "u:{user}:{x}"}, {match: "u:{x}:{user}"}]`, "eve", "u:ann:bob", 0, true},
		{"not the others", `[{match: "u:{y}:{x}", join: anyone}, {match: "u:{user}:{x}"}, {match: "u:{x}:{user}"}]`, "ann", "u:ann:bob", 1, false},
		{"not the others either", `[{match: "u:{y}:{x}", join: anyone}, {match: "u:{user}:{x}"}, {match: "u:{x}:{user}"}]`, "bob", "u:ann:bob", 2, false},
		{"affixes", `[{match: "u-{user}-x", join: anyone}]`, "a-x", "u-a-x-x", 0, true},
		{"affixes of another", `[{match: "u-{user}-x", join: anyone}]`, "a", "u-a-x-x", 0, false},
	} {
		d := compile(t, "rooms: "+c.rules).Join(access.Subject{User: c.user}, c.room)
		if d.Rule != c.want || d.Allowed != c.allowed {
			t.Errorf("%s: %v", c.name, d)
		}
	}
}

// The variable that a claim is compared with.
func TestClaimOf(t *testing.T) {
	for _, c := range []struct{ match, join, room string }{
		{"a:{user}:{b}", "{claim: c}", "a:ann:x"},
		{"a:{b}:{user}", "{claim: c}", "a:x:ann"},
		{"{d}:{e}:{b}", "{claim: c, of: b}", "y:z:x"},
		{"{d}:{b}:{e}", "{claim: c, of: b}", "y:x:z"},
		{"{b}:{d}:{e}", "{claim: c, of: b}", "x:y:z"},
		{"{b}:{user}:{e}:*", "{claim: c, of: b}", "x:ann:z:more"},
	} {
		rules := compile(t, fmt.Sprintf("rooms: [{match: %q, join: %s}]", c.match, c.join))
		for value, want := range map[string]bool{"x": true, "y": false, "z": false, "ann": false} {
			d := rules.Join(subject(t, "ann", fmt.Sprintf(`{"c":[%q]}`, value)), c.room)
			if d.Allowed != want {
				t.Errorf("%s of %s with %q: %v", c.join, c.match, value, d)
			}
		}
	}
}

// A claim that is compared with fixed values, such as a role for the room of the staff.
func TestClaimIs(t *testing.T) {
	const none, lacks = "the token does not have the claim", "the claim does not list the value"
	for _, c := range []struct{ match, is, claims, want string }{
		{"staff", "staff", `{"role":"staff"}`, ""},
		{"staff", "staff", `{"role":["guest","staff"]}`, ""},
		{"staff", "[admin, staff]", `{"role":"staff"}`, ""},
		{"staff", "[admin, staff]", `{"role":["guest","admin"]}`, ""},
		{"staff", `["7", "8"]`, `{"role":8}`, ""},
		{"{room}", "boss", `{"role":"boss"}`, ""},
		{"{room}", "boss", `{"role":"staff"}`, lacks}, // which is the name of the room
		{"staff", "staff", `{"role":"guest"}`, lacks},
		{"staff", "staff", `{"role":["staff2","Staff","staf"]}`, lacks},
		{"staff", "staff", `{"role":{"staff":true}}`, lacks},
		{"staff", "staff", `{"role":[["staff"]]}`, lacks},
		{"staff", "staff", `{"role":""}`, lacks},
		{"staff", `"true"`, `{"role":true}`, lacks},
		{"staff", `"null"`, `{"role":null}`, none},
		{"staff", "staff", `{"Role":"staff"}`, none},
		{"staff", "staff", "", none},
	} {
		rules := compile(t, fmt.Sprintf("rooms: [{match: %q, join: {claim: role, is: %s}}, {match: '*', join: anyone}]", c.match, c.is))
		d := rules.Join(subject(t, "ann", c.claims), "staff")
		if string(d.Reason) != c.want || d.Allowed != (c.want == "") || d.Claim != "role" || d.Rule != 0 {
			t.Errorf("%q is %s with %s: %v", c.match, c.is, c.claims, d)
		}
		text, err := json.Marshal(rules)
		if err != nil {
			t.Fatal(err)
		}
		var again access.Rules
		if err := json.Unmarshal(text, &again); err != nil || again.Join(subject(t, "ann", c.claims), "staff") != d {
			t.Errorf("%s decoded again: %v", text, err)
		}
	}
}

func TestNoRules(t *testing.T) {
	var none *access.Rules
	empty, err := access.Compile(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*access.Rules{none, empty, new(access.Rules)} {
		s := access.Subject{User: "ann"}
		if d := r.Join(s, "a"); d.Allowed || d.Reason != access.NoRule || d.Rule != -1 {
			t.Errorf("Join: %v", d)
		}
		if d := r.Send(s, "a", "say", true); d.Allowed || d.Reason != access.NoRule {
			t.Errorf("Send: %v", d)
		}
		if e := r.Explain(s, "a"); e.String() != "join: no (no rule matches the room)   send: no" {
			t.Errorf("Explain: %v", e)
		}
	}
	if d := (access.Decision{}); d.Allowed || d.AskWebhook || d.Relay || d.TellWebhook {
		t.Errorf("the zero decision is %+v", d)
	}
}

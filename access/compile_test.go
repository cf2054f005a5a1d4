package access_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/wire"
)

func TestUsesWebhook(t *testing.T) {
	for rules, want := range map[string]string{
		`[]`: "false false",
		`[{match: a, join: anyone, send: {events: [x]}}]`:                                           "false false",
		`[{match: a, join: webhook}]`:                                                               "true false",
		`[{match: a, send: {events: [x], to: webhook}}]`:                                            "false true",
		`[{match: b}, {match: a, join: webhook, send: {events: [x], to: both}}, {match: "{user}"}]`: "true true",
	} {
		joins, messages := compile(t, "rooms: "+rules).UsesWebhook()
		if got := fmt.Sprint(joins, messages); got != want {
			t.Errorf("%s: %s", rules, got)
		}
	}
	if joins, messages := (*access.Rules)(nil).UsesWebhook(); joins || messages {
		t.Error("no rules use the webhook")
	}
}

// A program that reads the file itself tells Compile the lines of the rules, and finds the
// lines of other keys by their paths.
func TestCompileWithLines(t *testing.T) {
	rules := []access.Rule{
		{Match: "a", Join: access.JoinRule{Who: access.Anyone}, Line: 7},
		{Match: "b**", Send: []access.SendRule{{Events: []string{"join"}}}, Line: 9},
	}
	_, err := access.Compile(rules)
	wrong, ok := errors.AsType[*access.Error](err)
	if !ok {
		t.Fatalf("got %v, want an *access.Error", err)
	}
	want := []access.Problem{
		{Key: "rooms[1].match", Line: 9, Text: `"b**": * may only be the last character: for other text between two colons write a variable, such as {id}`},
		{Key: "rooms[1].send.events[0]", Line: 9, Text: `"join" belongs to the protocol: choose another name`},
	}
	if diff := cmp.Diff(want, wrong.Problems); diff != "" {
		t.Error(diff)
	}
	compiled, err := access.Compile(rules[:1])
	if err != nil {
		t.Fatal(err)
	}
	if got := compiled.Join(access.Subject{}, "a").String(); got != `yes (rooms[0] "a" on line 7)` {
		t.Error(got)
	}
}

// Each mistake is reported with its place and with what is expected.
func TestMistakes(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, c := range []struct{ rule, want string }{
		{`{match: a, join: all}`, `rooms[0].join: expected anyone, nobody, webhook or a mapping with claim, of and is, but got "all"`},
		{`{match: a, join: }`, `rooms[0].join: the key has no value; expected anyone, nobody, webhook or a mapping with claim, of and is`},
		{`{match: a, join: ""}`, `rooms[0].join: expected anyone, nobody, webhook or a mapping with claim, of and is, but got ""`},
		{`{match: a, join: true}`, `rooms[0].join: expected anyone, nobody, webhook or a mapping with claim, of and is`},
		{`{match: a, join: [anyone]}`, `rooms[0].join: expected anyone, nobody, webhook or a mapping with claim, of and is`},
		{`{match: a, join: {}}`, `rooms[0].join.claim: the key is missing`},
		{`{match: a, join: {of: team}}`, `rooms[0].join.claim: the key is missing`},
		{`{match: a, join: {claims: teams}}`, "rooms[0].join.claims: unknown key; did you mean claim?\nrooms[0].join.claim: the key is missing"},
		{`{match: "a{b}", join: {Claim: teams}}`, "rooms[0].join.Claim: unknown key; did you mean claim?\nrooms[0].join.claim: the key is missing"},
		{`{match: "a{b}", join: {claim: [teams]}}`, `rooms[0].join.claim: expected a string`},
		{`{match: "a{b}", join: {claim: "a\x00"}}`, `rooms[0].join.claim: expected the name of a claim, such as {claim: teams}, at most 256 bytes without control characters`},
		{`{match: "a{b}", join: {claim: ` + long + `}}`, `rooms[0].join.claim: expected the name of a claim, such as {claim: teams}, at most 256 bytes without control characters`},
		{`{match: "a{b}", join: {claim: t, of: 5}}`, `rooms[0].join.of: expected a string; put the value in quotes`},
		{`{match: "a{b}", join: {claim: t, of: c}}`, `rooms[0].join.of: expected a variable of match other than {user}, such as {claim: t, of: b}, not "c"`},
		{`{match: "a{b}:{user}", join: {claim: t, of: user}}`, `rooms[0].join.of: expected a variable of match other than {user}, such as {claim: t, of: b}, not "user"`},
		{`{match: "a{b}:{c}", join: {claim: t}}`, `rooms[0].join: match has several variables: say which one's value the claim lists, such as {claim: t, of: b}`},
		{`{match: "a", join: {claim: t}}`, `rooms[0].join: match has no variable besides {user} that the claim could be compared with: add one, as in "team-{team}", or write {claim: t, is: VALUE} for a fixed value`},
		{`{match: "{user}", join: {claim: t}}`, `rooms[0].join: match has no variable besides {user} that the claim could be compared with: add one, as in "team-{team}", or write {claim: t, is: VALUE} for a fixed value`},
		{`{match: a, join: {claim: t, is: []}}`, `rooms[0].join.is: expected 1 to 256 values, not 0`},
		{`{match: a, join: {claim: t, is: ""}}`, `rooms[0].join.is: expected a value of the claim, 1 to 256 bytes without control characters`},
		{`{match: a, join: {claim: t, is: [x, ` + long + `]}}`, `rooms[0].join.is[1]: expected a value of the claim, 1 to 256 bytes without control characters`},
		{`{match: a, join: {claim: t, is: [x, y, x]}}`, `rooms[0].join.is[2]: "x" is listed twice: leave one out`},
		{`{match: a, join: {claim: t, is: true}}`, `rooms[0].join.is: expected a string or a list; put the value in quotes`},
		{`{match: a, join: {is: x}}`, `rooms[0].join.claim: the key is missing`},
		{`{match: "a{b}", join: {claim: t, of: b, is: x}}`, `rooms[0].join: the claim is compared either with a variable or with fixed values: leave out of or is`},

		{`lobby`, `rooms[0]: expected a mapping with match, join and send`},
		{`{}`, `rooms[0].match: the key is missing`},
		{`{mach: a}`, "rooms[0].mach: unknown key; did you mean match?\nrooms[0].match: the key is missing"},
		{`{match: {user}}`, `rooms[0].match: expected a string; a text that starts with { needs quotes`},
		{`{match: 5}`, `rooms[0].match: expected a string; put the value in quotes`},
		{`{match: a, 5: b}`, `rooms[0]: expected a name as the key`},

		{`{match: a, send: say}`, `rooms[0].send: expected a mapping with events, from, to and except_sender or a list`},
		{`{match: a, send: [say]}`, `rooms[0].send[0]: expected a mapping with events, from, to and except_sender`},
		{`{match: a, send: {event: say}}`, "rooms[0].send.event: unknown key; did you mean events?\nrooms[0].send.events: the key is missing"},
		{`{match: a, send: {events: []}}`, `rooms[0].send.events: expected a list of event names, such as [say, typing]: 1 to 256 in a rule, not 0`},
		{`{match: a, send: {}}`, `rooms[0].send.events: the key is missing`},
		{`{match: a, send: {events: [say, 5]}}`, `rooms[0].send.events[1]: expected a string; put the value in quotes`},
		{`{match: a, send: {events: ["*"]}}`, `rooms[0].send.events[0]: * does not stand for all events: list each of them`},
		{`{match: a, send: {events: [""]}}`, `rooms[0].send.events[0]: expected the name of an event, 1 to 256 bytes without control characters`},
		{`{match: a, send: {events: ["a\tb"]}}`, `rooms[0].send.events[0]: expected the name of an event, 1 to 256 bytes without control characters`},
		{`{match: a, send: {events: [` + long + `]}}`, `rooms[0].send.events[0]: expected the name of an event, 1 to 256 bytes without control characters`},
		{`{match: a, send: {events: [a, error]}}`, `rooms[0].send.events[1]: "error" belongs to the protocol: choose another name`},
		{`{match: a, send: {events: [a, b, a]}}`, `rooms[0].send.events[2]: "a" is listed twice: leave one out`},
		{`{match: a, send: {events: [a], from: all}}`, `rooms[0].send.from: expected members or anyone, but got "all"`},
		{`{match: a, send: {events: [a], from: [members]}}`, `rooms[0].send.from: expected members or anyone`},
		{`{match: a, send: {events: [a], to: rooms}}`, `rooms[0].send.to: expected room, webhook or both, but got "rooms"`},
		{`{match: a, send: [{events: [a]}, {events: [b, a], to: webhook}]}`, `rooms[0].send[1].events[1]: "a" is already listed in send[0], and an event can be in only one of them: leave one out`},
		{`{match: a, send: [{events: [a], from: members}, {events: [a], from: anyone}]}`, `rooms[0].send[1].events[0]: "a" is already listed in send[0], and an event can be in only one of them: leave one out`},
		{`{match: a, send: [{events: [a]}, {events: []}]}`, `rooms[0].send[1].events: expected a list of event names, such as [say, typing]: 1 to 256 in a rule, not 1`},
		{`{match: a, send: [{events: [a]}, {to: both}]}`, `rooms[0].send[1].events: the key is missing`},
		{`{match: a, send: [{events: [a], to: webhook, except_sender: true}]}`, `rooms[0].send.except_sender: messages to: webhook go to no clients: leave it out, or choose to: room or to: both`},
		{`{match: a, send: {events: [a], except_sender: 1}}`, `rooms[0].send.except_sender: expected true or false`},
		{`{match: a, send: [[{events: [a]}]]}`, `rooms[0].send[0]: expected a mapping with events, from, to and except_sender`},
		{`{match: a, send: {events: [a], to: }}`, `rooms[0].send.to: the key has no value; expected room, webhook or both`},
	} {
		text := "rooms: [" + c.rule + "]"
		rules, err := decodeYAML(text)
		want := "yaml: unmarshal errors:\n  line 1: " + strings.ReplaceAll(c.want, "\n", "\n  line 1: ")
		if err == nil || err.Error() != want || len(rules.List()) > 0 {
			t.Errorf("%.80s as YAML:\n got %v\nwant %s", c.rule, err, want)
		}
		if strings.Contains(c.rule, "5: b") || strings.Contains(c.rule, "{user}") {
			continue // JSON has neither keys that are not strings nor texts without quotes
		}
		rules, err = decodeJSON(t, text)
		if err == nil || err.Error() != c.want || len(rules.List()) > 0 {
			t.Errorf("%.80s as JSON:\n got %v\nwant %s", c.rule, err, c.want)
		}
	}
}

func TestMistakesInGo(t *testing.T) {
	rules := []access.Rule{
		{Match: "a", Join: access.JoinRule{Who: "Anyone"}},
		{Match: "b{x}", Join: access.JoinRule{Who: access.Anyone, Claim: "c"}},
		{Match: "c", Send: []access.SendRule{{Events: []string{"a"}, From: "x", To: "y"}}},
		{Match: "d{x}", Join: access.JoinRule{Who: access.Anyone, Of: "x"}},
		{Match: "e", Join: access.JoinRule{Who: access.Anyone, Claim: "c", Is: []string{"x"}}},
		{Match: "f", Join: access.JoinRule{Is: []string{"x"}}},
		{Match: "g", Join: access.JoinRule{Claim: "c", Is: make([]string, access.MaxValues+1)}},
	}
	want := `rooms[0].join: expected anyone, nobody, webhook or {claim: NAME}, not "Anyone"
rooms[1].join: expected anyone, nobody, webhook or {claim: NAME}
rooms[2].send.from: expected members or anyone, not "x"
rooms[2].send.to: expected room, webhook or both, not "y"
rooms[3].join: expected anyone, nobody, webhook or {claim: NAME}
rooms[4].join: expected anyone, nobody, webhook or {claim: NAME}
rooms[5].join: expected anyone, nobody, webhook or {claim: NAME}
rooms[6].join.is: expected 1 to 256 values, not 257`
	if _, err := access.Compile(rules); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct{ match, want string }{
		{"**", `* may only be the last character: for other text between two colons write a variable, such as {id}`},
		{"a*b", `* may only be the last character: for other text between two colons write a variable, such as {id}`},
		{"user:*:inbox", `* may only be the last character: for other text between two colons write a variable, such as {id}`},
		{"team-{team}-{role}", `put a colon between {team} and the next { or *: otherwise it is not clear where {team} ends`},
		{"user-{user}-*", `put a colon between {user} and the next { or *: otherwise it is not clear where {user} ends`},
		{"{user}*", `put a colon between {user} and the next { or *: otherwise it is not clear where {user} ends`},
		{"{user}{b}", `put a colon between {user} and the next { or *: otherwise it is not clear where {user} ends`},
		{"{a}:{a}", `{a} occurs twice: give each variable a name of its own`},
		{"{a", `expected a variable such as {user} or {team}, of at most 32 lower-case letters, digits and _, and } at its end`},
		{"{a:b}", `expected a variable such as {user} or {team}, of at most 32 lower-case letters, digits and _, and } at its end`},
		{"{}", `expected a variable such as {user} or {team}, of at most 32 lower-case letters, digits and _, and } at its end`},
		{"{User}", `expected a variable such as {user} or {team}, of at most 32 lower-case letters, digits and _, and } at its end`},
		{"{1}", `expected a variable such as {user} or {team}, of at most 32 lower-case letters, digits and _, and } at its end`},
		{"{" + strings.Repeat("a", 33) + "}", `expected a variable such as {user} or {team}, of at most 32 lower-case letters, digits and _, and } at its end`},
		{"a}", `} without {: a variable is written {name}`},
		{"{a}}", `names of rooms do not contain *?[]{}\: only * at the end and variables such as {team} stand for other text`},
		{"team-?", `names of rooms do not contain *?[]{}\: only * at the end and variables such as {team} stand for other text`},
		{"team-[ab]-*", `names of rooms do not contain *?[]{}\: only * at the end and variables such as {team} stand for other text`},
		{`a\{b`, `names of rooms do not contain *?[]{}\: only * at the end and variables such as {team} stand for other text`},
		{"ws:*", "it matches no room: names that begin with ws: are reserved"},
		{"ws:{a}", "it matches no room: names that begin with ws: are reserved"},
		{" a", "it matches no room: the name of the room begins or ends with a space"},
		{"a:b ", "it matches no room: the name of the room begins or ends with a space"},
		{"{b} ", "it matches no room: the name of the room begins or ends with a space"},
		{"e\u0301-*", "it matches no room: the name of the room is not in Unicode normalization form C"},
		{"a\n*", "it matches no room: the name of the room contains a control, invisible or unknown character"},
		{"a\xff*", "it matches no room: the name of the room is not valid UTF-8"},
		{"0b6f0b5c-6e0e-4b4a-9d8e-1d2c3b4a5f60", "it matches no room: the name of the room has the form of a client's ID"},
		{strings.Repeat("x", 256) + "*", "it matches no room: the name of the room is longer than 256 characters"},
		{"{a}:{b}:{c}:{d}:{e}:{f}:{g}:{h}:{i}", "has 9 variables: expected at most 8"},
		{strings.Repeat("x", 513), "rooms[0].match: expected at most 512 bytes, not 513"},
		{"", `rooms[0].match: expected a pattern in quotes, such as "public-*"`},
	} {
		_, err := access.Compile([]access.Rule{{Match: c.match}})
		if err == nil || !strings.HasPrefix(err.Error(), "rooms[0].match: ") || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%.60q:\n got %v\nwant %s", c.match, err, c.want)
		}
	}
	for _, match := range []string{
		"*", "{user}", "a", "a:", ":", "::*", "ws", "w{a}", "{a}:b", "ws-default", " {a}"[1:], "a b", "é-*", "a{b}c:{d}e", "0b6f0b5c-{x}",
		"{a}:{b}:{c}:{d}:{e}:{f}:{g}:{h}:*", strings.Repeat("x", 255) + "*", "{" + strings.Repeat("a", 32) + "}", "{a_1}", "漢字-*", strings.Repeat("é", 256),
	} {
		if _, err := access.Compile([]access.Rule{{Match: match}}); err != nil {
			t.Errorf("%q: %v", match, err)
		}
	}
}

// All mistakes are reported together. Rules that exclude each other are mistakes.
func TestAllMistakes(t *testing.T) {
	_, err := decodeJSON(t, `
rooms:
  - {match: "team-{team}", join: {claim: teams}}
  - {match: "a**", join: all}
  - {match: "team-{x}", join: anyone}
  - {match: "a**", join: {claim: ""}, send: {events: [join, say], to: nowhere}}
  - {match: "dm:{user}:{x}"}
  - {match: "dm:{x}:{user}"}
  - {match: "dm:{x}:{y}"}
  - {match: "dm:{user}:{y}"}
  - {match: "b**", join: {claim: c, of: x}, send: {events: [join, say]}}
`)
	want := `rooms[1].join: expected anyone, nobody, webhook or a mapping with claim, of and is, but got "all"
rooms[2].match: "team-{x}" matches the same rooms as rooms[0] "team-{team}": make one rule of the two
rooms[3].join.claim: the value is empty
rooms[3].send.to: expected room, webhook or both, but got "nowhere"
rooms[7].match: "dm:{user}:{y}" matches the same rooms as rooms[4] "dm:{user}:{x}": make one rule of the two
rooms[8].match: "b**": * may only be the last character: for other text between two colons write a variable, such as {id}
rooms[8].send.events[0]: "join" belongs to the protocol: choose another name`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestTooMany(t *testing.T) {
	rules := make([]access.Rule, access.MaxRules+1)
	for i := range rules {
		rules[i] = access.Rule{Match: fmt.Sprintf("room-%d", i)}
	}
	if _, err := access.Compile(rules); err == nil || err.Error() != "rooms: expected at most 10000 rules, not 10001" {
		t.Error(err)
	}
	if _, err := access.Compile(rules[:access.MaxRules]); err != nil {
		t.Error(err)
	}
	events := make([]string, access.MaxEvents+1)
	for i := range events {
		events[i] = fmt.Sprint("e", i)
	}
	list := "rooms: [{match: a, send: {events: [" + strings.Join(append(events, "x", "y", "z"), ", ") + "]}}]"
	if _, err := decodeYAML(list); err == nil || !strings.HasSuffix(err.Error(), "line 1: rooms[0].send.events: expected a list of event names, such as [say, typing]: 1 to 256 in a rule, not 260") {
		t.Error(err)
	}
	half := access.MaxEvents / 2
	several := []access.Rule{{Match: "a", Send: []access.SendRule{{Events: events[:half]}, {Events: events[half:]}}}}
	if _, err := access.Compile(several); err == nil || err.Error() != "rooms[0].send[1].events: expected a list of event names, such as [say, typing]: 1 to 256 in a rule, not 257" {
		t.Error(err)
	}
	for n, ok := range map[int]bool{access.MaxEvents: true, access.MaxEvents + 1: false} {
		_, err := access.Compile([]access.Rule{{Match: "a", Send: []access.SendRule{{Events: events[:n]}}}})
		if (err == nil) != ok {
			t.Errorf("%d events: %v", n, err)
		}
	}
}

// The package agrees with package wire about the protocol.
func TestProtocol(t *testing.T) {
	if access.MaxName != wire.MaxRoomName {
		t.Errorf("MaxName is %d", access.MaxName)
	}
	for _, e := range wire.SystemEvents() {
		if _, err := access.Compile([]access.Rule{{Match: "a", Send: []access.SendRule{{Events: []string{e.Name}}}}}); err == nil {
			t.Errorf("clients could be allowed to send %q", e.Name)
		}
	}
	if d := compile(t, `rooms: [{match: "*", join: anyone}]`).Join(access.Subject{}, wire.ReservedPrefix+"x"); d.Reason != access.NameReserved {
		t.Errorf("%q: %v", wire.ReservedPrefix, d)
	}
}

// Rules share no memory with what they were compiled from, nor with what they return.
func TestCompiledIsACopy(t *testing.T) {
	events := []string{"say"}
	r := []access.Rule{{Match: "a", Send: []access.SendRule{{Events: events}}}}
	rules, err := access.Compile(r)
	if err != nil {
		t.Fatal(err)
	}
	s := access.Subject{}
	events[0], r[0].Match, r[0].Send[0].From = "shout", "b", access.FromAnyone
	rules.List()[0].Send[0].Events[0] = "shout"
	rules.Explain(s, "a").Send[0].Events[0] = "shout"
	want := []access.Rule{{Match: "a", Send: []access.SendRule{{Events: []string{"say"}}}}}
	if diff := cmp.Diff(want, rules.List()); diff != "" {
		t.Error(diff)
	}
	if !rules.Send(s, "a", "say", true).Allowed || rules.Send(s, "a", "say", false).Allowed || rules.Send(s, "a", "shout", true).Allowed {
		t.Error("the decisions changed")
	}
}

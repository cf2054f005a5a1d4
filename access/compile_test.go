package access_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v3"

	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/wire"
)

// decode decodes the rules of a YAML file.
func decode(t testing.TB, text string) []access.Rule {
	t.Helper()
	var file struct{ Rooms []access.Rule }
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return file.Rooms
}

// decodeJSON does the same by way of JSON.
func decodeJSON(t testing.TB, text string) []access.Rule {
	t.Helper()
	var file any
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	var out struct {
		Rooms []access.Rule `json:"rooms"`
	}
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out.Rooms
}

func compile(t testing.TB, text string) *access.Rules {
	t.Helper()
	rules, err := access.Compile(decode(t, text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return rules
}

func TestDecode(t *testing.T) {
	const text = `
rooms:
  - match: "public-*"
    join: anyone
  - {match: a, join: nobody}
  - match: "team-{team}:{n}"
    join: {claim: teams, of: team}
    send: {events: ["say", typing], from: members}
  - match: "quiz-*"
    join: webhook
    send: {events: [answer], from: anyone, to: both}
  - match: closed
`
	want := []access.Rule{
		{Match: "public-*", Join: access.JoinRule{Who: access.Anyone}},
		{Match: "a", Join: access.JoinRule{Who: access.Nobody}},
		{
			Match: "team-{team}:{n}",
			Join:  access.JoinRule{Claim: "teams", Of: "team"},
			Send:  &access.SendRule{Events: []string{"say", "typing"}, From: access.FromMembers},
		},
		{
			Match: "quiz-*",
			Join:  access.JoinRule{Who: access.Webhook},
			Send:  &access.SendRule{Events: []string{"answer"}, From: access.FromAnyone, To: access.ToBoth},
		},
		{Match: "closed"},
	}
	for name, got := range map[string][]access.Rule{"YAML": decode(t, text), "JSON": decodeJSON(t, text)} {
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(access.Rule{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if _, err := access.Compile(got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := fmt.Sprint(want[0].UsesWebhook(), want[2].UsesWebhook(), want[3].UsesWebhook()); got != "false false true" {
		t.Errorf("UsesWebhook: %s", got)
	}

	// What is encoded can be decoded again.
	asJSON, err := json.Marshal(map[string]any{"rooms": want})
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(map[string]any{"rooms": want})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(asJSON), string(asYAML)} {
		again, err := json.Marshal(map[string]any{"rooms": decode(t, text)})
		if err != nil || string(again) != string(asJSON) {
			t.Errorf("%s\nbecomes\n%s (%v)", text, again, err)
		}
	}
}

// Each mistake is reported with its place and with what is expected.
func TestMistakes(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, c := range []struct{ rule, want string }{
		{`{match: a, join: all}`, `rooms[0].join: expected anyone, nobody, webhook or {claim: NAME}, not "all"`},
		{`{match: a, join: }`, `rooms[0].join: expected anyone, nobody, webhook or {claim: NAME}, not null`},
		{`{match: a, join: ""}`, `rooms[0].join: expected anyone, nobody, webhook or {claim: NAME}, not ""`},
		{`{match: a, join: true}`, `rooms[0].join: expected anyone, nobody, webhook or {claim: NAME}, not true`},
		{`{match: a, join: [anyone]}`, `rooms[0].join: expected anyone, nobody, webhook or {claim: NAME}, not ["anyone"]`},
		{`{match: a, join: {}}`, `rooms[0].join: expected anyone, nobody, webhook or {claim: NAME}, not {}`},
		{`{match: a, join: {of: team}}`, `rooms[0].join: expected anyone, nobody, webhook or {claim: NAME}, not {"of":"team"}`},
		{`{match: a, join: {claims: teams}}`, `rooms[0].join: unknown key "claims": expected anyone, nobody, webhook or {claim: NAME}`},
		{`{match: "a{b}", join: {Claim: teams}}`, `rooms[0].join: unknown key "Claim": expected anyone, nobody, webhook or {claim: NAME}`},
		{`{match: "a{b}", join: {claim: [teams]}}`, `rooms[0].join.claim: expected the name of a claim, such as {claim: teams}, not ["teams"]`},
		{`{match: "a{b}", join: {claim: "a\x00"}}`, `rooms[0].join.claim: expected the name of a claim, such as {claim: teams}, at most 256 bytes without control characters`},
		{`{match: "a{b}", join: {claim: ` + long + `}}`, `rooms[0].join.claim: expected the name of a claim, such as {claim: teams}, at most 256 bytes without control characters`},
		{`{match: "a{b}", join: {claim: t, of: 5}}`, `rooms[0].join.of: expected a variable of match, such as {claim: teams, of: team}, not 5`},
		{`{match: "a{b}", join: {claim: t, of: c}}`, `rooms[0].join.of: expected a variable of match other than {user}, such as {claim: t, of: b}, not "c"`},
		{`{match: "a{b}:{user}", join: {claim: t, of: user}}`, `rooms[0].join.of: expected a variable of match other than {user}, such as {claim: t, of: b}, not "user"`},
		{`{match: "a{b}:{c}", join: {claim: t}}`, `rooms[0].join: match has several variables: say which one's value the claim lists, such as {claim: t, of: b}`},
		{`{match: "a", join: {claim: t}}`, `rooms[0].join: the claim lists the value of a variable, and match has none beside {user}: expected one, such as "team-{team}"`},
		{`{match: "{user}", join: {claim: t}}`, `rooms[0].join: the claim lists the value of a variable, and match has none beside {user}: expected one, such as "team-{team}"`},

		{`lobby`, `rooms[0]: expected {match: PATTERN, join: ..., send: ...}, not "lobby"`},
		{`{}`, `rooms[0].match: expected a pattern in quotes, such as "public-*"`},
		{`{mach: a}`, `rooms[0]: unknown key "mach": expected {match: PATTERN, join: ..., send: ...}`},
		{`{match: {user}}`, `rooms[0].match: expected a pattern in quotes, such as "public-*", not {"user":null}`},
		{`{match: 5}`, `rooms[0].match: expected a pattern in quotes, such as "public-*", not 5`},
		{`{match: 2026-01-02}`, `rooms[0]: found a YAML value of type time.Time: write it in quotes`},
		{`{match: a, 5: b}`, `rooms[0]: found a YAML value of type map[interface {}]interface {}: write it in quotes`},

		{`{match: a, send: say}`, `rooms[0].send: expected {events: [NAME, ...]}, and if need be from: and to:, not "say"`},
		{`{match: a, send: [say]}`, `rooms[0].send: expected {events: [NAME, ...]}, and if need be from: and to:, not ["say"]`},
		{`{match: a, send: {event: say}}`, `rooms[0].send: unknown key "event": expected {events: [NAME, ...]}, and if need be from: and to:`},
		{`{match: a, send: {events: say}}`, `rooms[0].send.events: expected a list of event names, such as [say, typing], not "say"`},
		{`{match: a, send: {events: []}}`, `rooms[0].send.events: expected a list of event names, such as [say, typing]: 1 to 256, not 0`},
		{`{match: a, send: {}}`, `rooms[0].send.events: expected a list of event names, such as [say, typing]: 1 to 256, not 0`},
		{`{match: a, send: {events: [say, 5]}}`, `rooms[0].send.events[1]: expected the name of an event, not 5`},
		{`{match: a, send: {events: ["*"]}}`, `rooms[0].send.events[0]: * does not stand for all events: list each of them`},
		{`{match: a, send: {events: [""]}}`, `rooms[0].send.events[0]: expected the name of an event, 1 to 256 bytes without control characters`},
		{`{match: a, send: {events: ["a\tb"]}}`, `rooms[0].send.events[0]: expected the name of an event, 1 to 256 bytes without control characters`},
		{`{match: a, send: {events: [` + long + `]}}`, `rooms[0].send.events[0]: expected the name of an event, 1 to 256 bytes without control characters`},
		{`{match: a, send: {events: [a, error]}}`, `rooms[0].send.events[1]: "error" belongs to the protocol: choose another name`},
		{`{match: a, send: {events: [a, b, a]}}`, `rooms[0].send.events[2]: "a" is listed twice: leave one out`},
		{`{match: a, send: {events: [a], from: all}}`, `rooms[0].send.from: expected members or anyone, not "all"`},
		{`{match: a, send: {events: [a], from: [members]}}`, `rooms[0].send.from: expected members or anyone, not ["members"]`},
		{`{match: a, send: {events: [a], to: rooms}}`, `rooms[0].send.to: expected room, webhook or both, not "rooms"`},
		{`{match: a, send: {events: [a], to: }}`, `rooms[0].send.to: expected room, webhook or both, not null`},
	} {
		text := "rooms: [" + c.rule + "]"
		for form, rules := range map[string][]access.Rule{"YAML": decode(t, text), "JSON": nil} {
			if form == "JSON" {
				if strings.Contains(c.want, "YAML value") {
					continue
				}
				rules = decodeJSON(t, text)
			}
			r, err := access.Compile(rules)
			if err == nil || r != nil || err.Error() != c.want {
				t.Errorf("%.80s as %s:\n got %v\nwant %s", c.rule, form, err, c.want)
			}
		}
	}
}

// JSON has mistakes that YAML decoders find themselves.
func TestMistakesInJSON(t *testing.T) {
	var rules []access.Rule
	text := `[{"match":"a","join":"anyone","join":"nobody"},{"Match":"b"},{"match":"c","send":{"events":["a"],"events":["b"]}}]`
	if err := json.Unmarshal([]byte(text), &rules); err != nil {
		t.Fatal(err)
	}
	want := `rooms[0].join: given twice: leave one out
rooms[1]: unknown key "Match": expected {match: PATTERN, join: ..., send: ...}
rooms[2].send.events: given twice: leave one out`
	if _, err := access.Compile(rules); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}

	// Decoded by themselves, the parts of a rule return their errors.
	var join access.JoinRule
	if err := json.Unmarshal([]byte(`{"claim":5}`), &join); err == nil || !strings.Contains(err.Error(), "claim: expected the name of a claim") {
		t.Error(err)
	}
	var send access.SendRule
	if err := json.Unmarshal([]byte(`{"events":[1],"from":2}`), &send); err == nil || strings.Count(err.Error(), "expected") != 2 {
		t.Error(err)
	}
}

func TestMistakesInGo(t *testing.T) {
	rules := []access.Rule{
		{Match: "a", Join: access.JoinRule{Who: "Anyone"}},
		{Match: "b{x}", Join: access.JoinRule{Who: access.Anyone, Claim: "c"}},
		{Match: "c", Send: &access.SendRule{Events: []string{"a"}, From: "x", To: "y"}},
		{Match: "d{x}", Join: access.JoinRule{Who: access.Anyone, Of: "x"}},
	}
	want := `rooms[0].join: expected anyone, nobody, webhook or {claim: NAME}
rooms[1].join: expected anyone, nobody, webhook or {claim: NAME}
rooms[2].send.from: expected members or anyone, not "x"
rooms[2].send.to: expected room, webhook or both, not "y"
rooms[3].join: expected anyone, nobody, webhook or {claim: NAME}`
	if _, err := access.Compile(rules); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct{ match, want string }{
		{"**", `* may only be the last character: for other text between two colons write a variable, such as {id}`},
		{"a*b", `* may only be the last character: for other text between two colons write a variable, such as {id}`},
		{"user:*:inbox", `* may only be the last character: for other text between two colons write a variable, such as {id}`},
		{"team-{team}-{role}", `put a colon behind {team}, before the next { or *: without it, it is not clear where {team} ends`},
		{"user-{user}-*", `put a colon behind {user}, before the next { or *: without it, it is not clear where {user} ends`},
		{"{user}*", `put a colon behind {user}, before the next { or *: without it, it is not clear where {user} ends`},
		{"{user}{b}", `put a colon behind {user}, before the next { or *: without it, it is not clear where {user} ends`},
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
		{"e\u0301-*", "it matches no room: the name of the room is not in Unicode's normal form C"},
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
		"{a}:{b}:{c}:{d}:{e}:{f}:{g}:{h}:*", strings.Repeat("x", 255) + "*", "{" + strings.Repeat("a", 32) + "}", "{a_1}", "漢字-*",
	} {
		if _, err := access.Compile([]access.Rule{{Match: match}}); err != nil {
			t.Errorf("%q: %v", match, err)
		}
	}
}

// All mistakes are reported at once, and rules that exclude each other are mistakes.
func TestAllMistakes(t *testing.T) {
	rules := decode(t, `
rooms:
  - {match: "team-{team}", join: {claim: teams}}
  - {match: "a**", join: all}
  - {match: "team-{x}", join: anyone}
  - {match: "a**", join: {claim: ""}, send: {events: [join, say], to: nowhere}}
  - {match: "dm:{user}:{x}"}
  - {match: "dm:{x}:{user}"}
  - {match: "dm:{x}:{y}"}
  - {match: "dm:{user}:{y}"}
  - {match: "b**", join: {claim: c, of: x}, send: {events: [join, say], to: nowhere}}
`)
	want := `rooms[1].join: expected anyone, nobody, webhook or {claim: NAME}, not "all"
rooms[2].match: "team-{x}" matches the same rooms as rooms[0] "team-{team}": make one rule of the two
rooms[3].join: expected anyone, nobody, webhook or {claim: NAME}, not {"claim":""}
rooms[7].match: "dm:{user}:{y}" matches the same rooms as rooms[4] "dm:{user}:{x}": make one rule of the two
rooms[8].match: "b**": * may only be the last character: for other text between two colons write a variable, such as {id}
rooms[8].send.to: expected room, webhook or both, not "nowhere"
rooms[8].send.events[0]: "join" belongs to the protocol: choose another name`
	if _, err := access.Compile(rules); err == nil || err.Error() != want {
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
	for n, ok := range map[int]bool{access.MaxEvents: true, access.MaxEvents + 1: false} {
		_, err := access.Compile([]access.Rule{{Match: "a", Send: &access.SendRule{Events: events[:n]}}})
		if (err == nil) != ok {
			t.Errorf("%d events: %v", n, err)
		}
	}
}

// What the package repeats of the protocol is what the protocol says.
func TestProtocol(t *testing.T) {
	if access.MaxName != wire.MaxRoomName {
		t.Errorf("MaxName is %d", access.MaxName)
	}
	for _, e := range wire.SystemEvents() {
		if _, err := access.Compile([]access.Rule{{Match: "a", Send: &access.SendRule{Events: []string{e.Name}}}}); err == nil {
			t.Errorf("clients could be allowed to send %q", e.Name)
		}
	}
	if d := compile(t, `rooms: [{match: "*", join: anyone}]`).Join(access.Subject{}, wire.ReservedPrefix+"x"); d.Reason != access.NameReserved {
		t.Errorf("%q: %v", wire.ReservedPrefix, d)
	}
}

// Changing what was compiled changes nothing.
func TestCompiledIsACopy(t *testing.T) {
	events := []string{"say"}
	r := []access.Rule{{Match: "a", Send: &access.SendRule{Events: events}}}
	rules, err := access.Compile(r)
	if err != nil {
		t.Fatal(err)
	}
	events[0], r[0].Match = "shout", "b"
	got := rules.Events(access.Subject{}, "a", true)
	if !slices.Equal(got, []string{"say"}) {
		t.Errorf("Events: %q", got)
	}
	got[0] = "shout"
	if got := rules.Events(access.Subject{}, "a", true); !slices.Equal(got, []string{"say"}) {
		t.Errorf("Events: %q", got)
	}
}

package access_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v3"

	"github.com/ignis-go/ignis/access"
)

// decodeYAML decodes the rules of a file.
func decodeYAML(text string) (*access.Rules, error) {
	var file struct{ Rooms *access.Rules }
	err := yaml.Unmarshal([]byte(text), &file)
	return file.Rooms, err
}

// decodeJSON decodes the same rules from JSON.
func decodeJSON(t testing.TB, text string) (*access.Rules, error) {
	t.Helper()
	var file any
	if err := yaml.Unmarshal([]byte(text), &file); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	data, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	var out struct {
		Rooms *access.Rules `json:"rooms"`
	}
	err = json.Unmarshal(data, &out)
	return out.Rooms, err
}

// compile returns the rules of a YAML file, without line numbers.
func compile(t testing.TB, text string) *access.Rules {
	t.Helper()
	rules, err := decodeJSON(t, text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return rules
}

var noLines = cmpopts.IgnoreFields(access.Rule{}, "Line")

const everything = `
rooms:
  - match: "public-*"
    join: anyone
  - {match: a, join: nobody}
  - match: "team-{team}:{n}"
    join: {claim: teams, of: team}
    send: {events: ["say", typing], from: members}
  - match: "quiz-*"
    join: webhook
    send: &send
      events:
        - answer
      from: anyone
      to: both
  - match: closed
  - match: "alias-*"
    send: *send
`

func TestDecode(t *testing.T) {
	answer := []access.SendRule{{Events: []string{"answer"}, From: access.FromAnyone, To: access.ToBoth}}
	want := []access.Rule{
		{Match: "public-*", Join: access.JoinRule{Who: access.Anyone}},
		{Match: "a", Join: access.JoinRule{Who: access.Nobody}},
		{
			Match: "team-{team}:{n}",
			Join:  access.JoinRule{Claim: "teams", Of: "team"},
			Send:  []access.SendRule{{Events: []string{"say", "typing"}, From: access.FromMembers}},
		},
		{Match: "quiz-*", Join: access.JoinRule{Who: access.Webhook}, Send: answer},
		{Match: "closed"},
		{Match: "alias-*", Send: answer},
	}
	fromGo, err := access.Compile(want)
	if err != nil {
		t.Fatal(err)
	}
	fromYAML, err := decodeYAML(everything)
	if err != nil {
		t.Fatal(err)
	}
	for form, rules := range map[string]*access.Rules{"Go": fromGo, "YAML": fromYAML, "JSON": compile(t, everything)} {
		if diff := cmp.Diff(want, rules.List(), noLines); diff != "" {
			t.Errorf("%s: %s", form, diff)
		}
		asJSON, err := json.Marshal(map[string]any{"rooms": rules})
		if err != nil {
			t.Fatal(err)
		}
		asYAML, err := yaml.Marshal(map[string]any{"rooms": rules})
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range [][]byte{asJSON, asYAML} {
			again, err := decodeYAML(string(text))
			if err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
			list := again.List()
			list[4].Join = access.JoinRule{} // encoded as nobody
			list[5].Join = access.JoinRule{}
			if diff := cmp.Diff(want, list, noLines); diff != "" {
				t.Errorf("%s: %s", text, diff)
			}
		}
	}
	const encoded = `- match: public-*
  join: anyone
- match: a
  join: nobody
- match: team-{team}:{n}
  join:
    claim: teams
    of: team
  send:
    events: [say, typing]
    from: members
`
	if text, err := yaml.Marshal(fromYAML); err != nil || !strings.HasPrefix(string(text), encoded) {
		t.Errorf("encoded as\n%s%v", text, err)
	}
}

// What can be sent is a mapping or a list of mappings, and events are a list or a single one.
func TestDecodeSend(t *testing.T) {
	say := access.SendRule{Events: []string{"say"}}
	typing := access.SendRule{Events: []string{"typing"}, From: access.FromAnyone, ExceptSender: true}
	for text, want := range map[string][]access.SendRule{
		`{events: [say]}`:   {say},
		`{events: say}`:     {say},
		`[{events: [say]}]`: {say},
		`[{events: say}, {events: [typing], from: anyone, except_sender: true}]`: {say, typing},
		`[{events: say, except_sender: false}]`:                                  {say},
		`[]`:                                                                     nil,
	} {
		text = "rooms: [{match: a, send: " + text + "}]"
		fromYAML, err := decodeYAML(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for form, rules := range map[string]*access.Rules{"YAML": fromYAML, "JSON": compile(t, text)} {
			if diff := cmp.Diff(want, rules.List()[0].Send, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s as %s: %s", text, form, diff)
			}
			encoded, err := json.Marshal(rules)
			if err != nil {
				t.Fatal(err)
			}
			var again access.Rules
			if err := json.Unmarshal(encoded, &again); err != nil || !cmp.Equal(rules.List(), again.List(), cmpopts.EquateEmpty(), cmpopts.IgnoreFields(access.Rule{}, "Join", "Line")) {
				t.Errorf("%s is encoded as %s, %v", text, encoded, err)
			}
		}
	}
}

// The line of an event that is listed twice is that of the second one.
func TestLineOfEvent(t *testing.T) {
	_, err := decodeYAML("rooms:\n- match: a\n  send:\n  - events:\n    - a\n    - b\n  - events:\n    - c\n    - b\n    to: webhook\n")
	const want = `  line 9: rooms[0].send[1].events[1]: "b" is already listed in send[0], and an event can be in only one of them: leave one out`
	if err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	_, err = decodeYAML("rooms:\n- match: a\n  send:\n  - events:\n    - a\n    - a\n")
	if err == nil || !strings.HasSuffix(err.Error(), `  line 6: rooms[0].send.events[1]: "a" is listed twice: leave one out`) {
		t.Errorf("in the only entry: %v", err)
	}
}

// A list that is missing or empty allows nothing.
func TestDecodeNothing(t *testing.T) {
	for _, text := range []string{"rooms:", "rooms: []", "rooms: null", "{}"} {
		for form, decode := range map[string]func(string) (*access.Rules, error){
			"YAML": decodeYAML, "JSON": func(text string) (*access.Rules, error) { return decodeJSON(t, text) },
		} {
			rules, err := decode(text)
			if err != nil || len(rules.List()) != 0 || rules.Join(access.Subject{}, "a").Allowed {
				t.Errorf("%s as %s: %v, %v", text, form, rules.List(), err)
			}
		}
	}
	rules := *compile(t, everything)
	if err := rules.UnmarshalJSON([]byte("null")); err != nil || len(rules.List()) != 0 {
		t.Errorf("after null: %v, %v", rules.List(), err)
	}
	if text, err := json.Marshal(new(access.Rules)); string(text) != "[]" || err != nil {
		t.Errorf("no rules as JSON: %s, %v", text, err)
	}
}

// Everything that is wrong is reported with the line where it is.
func TestLines(t *testing.T) {
	const text = `listen: :8080
rooms:
  - match: "public-*"
    join: anyone
  - match: "a**"
    join:
      - anyone
  - match: "team-{team}"
    joim: anyone
    join:
      claim: teams
      off: team
  - match: "b-{b}"
    join:
      claim: "a\u0000"
    send:
      events:
        - say
        - error
  - match:
      public
  - match: "public-*"
  - lobby
`
	want := []string{
		`line 7: rooms[1].join: expected anyone, nobody, webhook or a mapping with claim, of and is`,
		`line 9: rooms[2].joim: unknown key; did you mean join?`,
		`line 12: rooms[2].join.off: unknown key; did you mean of?`,
		`line 15: rooms[3].join.claim: expected the name of a claim, such as {claim: teams}, at most 256 bytes without control characters`,
		`line 19: rooms[3].send.events[1]: "error" belongs to the protocol: choose another name`,
		`line 22: rooms[5].match: "public-*" matches the same rooms as rooms[0] "public-*" on line 3: make one rule of the two`,
		`line 23: rooms[6]: expected a mapping with match, join and send`,
	}
	rules, err := decodeYAML(text)
	wrong, ok := errors.AsType[*yaml.TypeError](err)
	if !ok {
		t.Fatalf("got %v, want a *yaml.TypeError", err)
	}
	if diff := cmp.Diff(want, wrong.Errors); diff != "" || len(rules.List()) != 0 {
		t.Error(diff)
	}

	// The decisions name lines as well.
	rules, err = decodeYAML(everything)
	if err != nil {
		t.Fatal(err)
	}
	const decision = `join: the webhook decides (rooms[3] "quiz-*" on line 9)   send: answer (also without joining, to the webhook, then to the room)`
	if got := rules.Explain(access.Subject{}, "quiz-1").String(); got != decision {
		t.Errorf("got %s, want %s", got, decision)
	}
}

// Errors in other parts of a file do not hide those of the rules.
func TestErrorsOfTheFile(t *testing.T) {
	var file struct {
		Listen int
		Rooms  access.Rules
	}
	err := yaml.Unmarshal([]byte("listen: x\nrooms: [{match: 5}]"), &file)
	want := "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!str `x` into int\n" +
		"  line 2: rooms[0].match: expected a string; put the value in quotes"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// These mistakes are lost when YAML is converted to JSON, as the test above does.
func TestDuplicateKeys(t *testing.T) {
	const text = `[{"match":"a","join":"anyone","join":"nobody"},{"Match":"b"},{"match":"c","send":{"events":["a"],"events":["b"]}}]`
	problems := []string{
		`rooms[0].join: the key is there twice`,
		`rooms[2].send.events: the key is there twice`,
	}
	var rules access.Rules
	if err := json.Unmarshal([]byte(text), &rules); err == nil || err.Error() != strings.Join(problems, "\n") {
		t.Errorf("JSON: %v", err)
	}
	for i := range problems {
		problems[i] = "line 1: " + strings.ReplaceAll(problems[i], "there twice", "already in line 1")
	}
	err := yaml.Unmarshal([]byte(text), &rules)
	if wrong, ok := errors.AsType[*yaml.TypeError](err); !ok || !slices.Equal(wrong.Errors, problems) {
		t.Errorf("YAML: %v", err)
	}
}

// Unusual YAML that the parser accepts is refused with the place.
func TestOddFiles(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`rooms: lobby`, `line 1: rooms: expected a list`},
		{`rooms: {match: a}`, `line 1: rooms: expected a list`},
		{`rooms: [{<<: {match: a}}]`, `line 1: rooms[0]: merge keys (<<) are not supported; write the keys out`},
		{`rooms: &a [*a]`, `line 1: the file is nested more than 64 levels deep`},
		{`rooms: [{match: !!binary YQ==}]`, `line 1: rooms[0].match: expected a string; put the value in quotes`},
		{`rooms: [{match: !x a}]`, `line 1: rooms[0].match: expected a string; put the value in quotes`},
		{`rooms: [{match: &m "m-*", join: anyone}, {*m : a}]`, "line 1: rooms[1].\"m-*\": unknown key; expected one of match, join, send\n  line 1: rooms[1].match: the key is missing"},
	} {
		rules, err := decodeYAML(c.text)
		if err == nil || !strings.HasSuffix(err.Error(), "  "+c.want) && !strings.Contains(err.Error(), "anchor 'a' value contains itself") || len(rules.List()) > 0 {
			t.Errorf("%s:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
	var rules access.Rules
	for _, text := range []string{"", "[", `[{"match":"a"]`, `[{"match":}]`} {
		if err := rules.UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
	var emoji access.Rules
	if err := json.Unmarshal([]byte(`[{"match":"\ud83d\ude00-*"}]`), &emoji); err != nil || emoji.List()[0].Match != "😀-*" {
		t.Errorf("a surrogate pair: %v", err)
	}
	var half access.Rules
	if err := json.Unmarshal([]byte(`[{"match":"a\ud83d"}]`), &half); err == nil || !strings.Contains(err.Error(), "not valid UTF-8") {
		t.Errorf("half of a surrogate pair: %v", err)
	}
}

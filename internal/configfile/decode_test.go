package configfile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// all is a file with all keys.
const all = `path: /socket
mode: off
limits:
  rooms: 5
  size: 8K
  quiet: true
rooms: [a, b]
listen: [":1", {at: ":2", tls: true}]
redis: {url_file: /run/redis}
tokens:
  file: /run/jwt
rules:
  - match: lobby
    join: anyone
    send: {events: [say, typing], password: s3}
  - match: "team-*"
`

func TestDecode(t *testing.T) {
	got, origins, problems := decode(t, all, nil)
	if problems != nil {
		t.Fatal(problems)
	}
	want := sample{
		Path: "/socket", Mode: "off", limits: limits{Rooms: 5, Size: 8, Quiet: true}, Rooms: names{"a", "b"},
		Listen: []address{{":1", false}, {":2", true}}, URLFile: "/run/redis", SecretFile: "/run/jwt",
		Rules: []rule{{"lobby", "anyone", &sending{[]string{"say", "typing"}, "s3"}}, {Match: "team-*"}},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(sample{}), cmpopts.EquateComparable()); d != "" {
		t.Error(d)
	}
	for path, at := range map[string]Position{"path": {1, 1}, "limits.rooms": {4, 3}, "redis.url_file": {9, 9}, "rules": {12, 1}} {
		if origins[path] != at {
			t.Errorf("%s is at %v, want %v", path, origins[path], at)
		}
	}
	if _, ok := origins["redis.url"]; ok {
		t.Error("a key that the file does not have has a position")
	}
	// Other ways to write some of it.
	got, _, problems = decode(t, "rooms: a\nlisten: ':1'\nlimits:\n", nil)
	if problems != nil || len(got.Rooms) != 1 || len(got.Listen) != 1 || got.Listen[0].At != ":1" {
		t.Errorf("got %+v, %v", got, problems)
	}
	if got, _, problems = decode(t, "rooms: []", nil); problems != nil || got.Rooms == nil || len(got.Rooms) != 0 {
		t.Errorf("an empty list: %#v, %v", got.Rooms, problems)
	}
	for _, empty := range []string{"", "# nothing\n", "---\n", "~"} {
		if _, _, problems := decode(t, empty, nil); problems != nil {
			t.Errorf("%q: %v", empty, problems)
		}
	}
	if got, _, problems = decode(t, "rules: [&r {match: a}, *r]", nil); problems != nil || len(got.Rules) != 2 || got.Rules[1].Match != "a" {
		t.Errorf("an alias: %+v, %v", got.Rules, problems)
	}
}

// A key that a flag or a variable overrides keeps its value, but is checked.
func TestDecodeKeeps(t *testing.T) {
	keep := func(k *Key) bool { return k.Path == "path" }
	if got, origins, problems := decode(t, "path: /x\nmode: on", keep); problems != nil || got.Path != "" || got.Mode != "on" || origins["path"].Line != 1 {
		t.Errorf("got %+v, %v, %v", got, origins, problems)
	}
	if _, _, problems := decode(t, "path: [x]", keep); problems == nil {
		t.Error("a key that is overridden is not checked")
	}
}

// refused are files with one or more problems.
var refused = map[string]struct {
	text   string
	want   []string
	schema bool // the JSON Schema refuses the file too
}{
	"unknown key":               {"pat: /x", []string{"f.yaml:1:1: pat: unknown key; did you mean path?"}, true},
	"unknown key in a section":  {"limits:\n  room: 1", []string{"f.yaml:2:3: limits.room: unknown key; did you mean limits.rooms?"}, true},
	"key of another section":    {"size: 4K", []string{"f.yaml:1:1: size: unknown key; did you mean limits.size?"}, true},
	"name of a flag":            {"redis-file: x", []string{"did you mean redis.url_file?"}, true},
	"far from every key":        {"limits: {zzzzzzzzzz: 1}", []string{"unknown key; expected one of rooms, size, quiet"}, true},
	"upper case":                {"Path: /x", []string{"f.yaml:1:1: Path: unknown key; did you mean path?"}, true},
	"unknown key in an item":    {"rules:\n  - match: a\n    jion: anyone", []string{"f.yaml:3:5: rules[0].jion: unknown key; did you mean join?"}, true},
	"control characters":        {`"a\u001bb": 1`, []string{`f.yaml:1:1: "a\x1bb": unknown key`}, true},
	"duplicate":                 {"path: /a\nmode: on\npath: /b", []string{"f.yaml:3:1: path: the key is already in line 1"}, false},
	"duplicate in a section":    {"limits: {rooms: 1, rooms: 2}", []string{"f.yaml:1:20: limits.rooms: the key is already in line 1"}, false},
	"duplicate section":         {"limits: {rooms: 1}\nlimits: {quiet: true}", []string{"f.yaml:2:1: limits: the key is already in line 1"}, false},
	"duplicate in an item":      {"rules: [{match: a, match: b}]", []string{"rules[0].match: the key is already in line 1"}, false},
	"merge key":                 {"limits: &l {rooms: 1}\nredis:\n  <<: *l", []string{"f.yaml:3:3: redis: merge keys (<<) are not supported"}, false},
	"number as a key":           {"1: a", []string{"f.yaml:1:1: expected a name as the key"}, false},
	"list as a key":             {"[a]: 1", []string{"expected a name as the key"}, false},
	"string instead of integer": {"limits: {rooms: many}", []string{"f.yaml:1:17: limits.rooms: expected an integer"}, true},
	"number in quotes":          {"limits: {rooms: '5'}", []string{"limits.rooms: expected an integer"}, true},
	"float":                     {"limits: {rooms: 1.5}", []string{"limits.rooms: expected an integer"}, true},
	"octal":                     {"limits: {rooms: 010}", []string{"limits.rooms: expected an integer"}, false},
	"hexadecimal":               {"limits: {rooms: 0x10}", []string{"limits.rooms: expected an integer"}, false},
	"too large":                 {"limits: {rooms: 99999999999999999999}", []string{"limits.rooms: expected an integer"}, false},
	"integer instead of string": {"path: 5", []string{"f.yaml:1:7: path: expected a string; put the value in quotes"}, true},
	"boolean instead of string": {"path: true", []string{"path: expected a string; put the value in quotes"}, true},
	"string instead of boolean": {"limits: {quiet: 'true'}", []string{"limits.quiet: expected true or false"}, true},
	"a word for true":           {"limits: {quiet: yes}", []string{"limits.quiet: expected true or false"}, true},
	"null":                      {"path:", []string{"path: the key has no value; expected a string"}, true},
	"list instead of string":    {"path: [a]", []string{"path: expected a string"}, true},
	"mapping instead of string": {"path: {a: b}", []string{"path: expected a string"}, true},
	"outside the enumeration":   {"mode: maybe", []string{`f.yaml:1:7: mode: expected off or on, but got "maybe"`}, true},
	"syntax of a type":          {"limits: {size: 4X}", []string{`limits.size: expected a size such as 4K, but got "4X"`}, true},
	"several in one text":       {"rooms: a,b", []string{"rooms: expected one value; write several as a list, as in [a, b]"}, true},
	"several in an item":        {"rooms: [c, 'a,b']", []string{"f.yaml:1:12: rooms[1]: expected one value"}, true},
	"empty item":                {"rooms: ['']", []string{"rooms[0]: expected one value"}, true},
	"bad item":                  {"rooms: [a, bad]", []string{`f.yaml:1:12: rooms[1]: expected names, but got "bad"`}, false},
	"item of a wrong type":      {"rooms: [a, [b]]", []string{"rooms[1]: expected a string"}, true},
	"bad text form":             {"listen: [nowhere]", []string{`listen[0]: expected host:port, but got "nowhere"`}, true},
	"neither text nor mapping":  {"listen: [5]", []string{"listen[0]: expected a string or a mapping with at and tls"}, true},
	"missing key":               {"rules:\n  - join: anyone", []string{"f.yaml:2:5: rules[0].match: the key is missing"}, true},
	"missing in a mapping":      {"listen: [{tls: true}]", []string{"f.yaml:1:10: listen[0].at: the key is missing"}, true},
	"mapping instead of a list": {"listen: {at: ':1'}", []string{"f.yaml:1:9: listen: expected a string or a list"}, true},
	"missing in a pointer":      {"rules: [{match: a, send: {}}]", []string{"rules[0].send.events: the key is missing"}, true},
	"secret in the file":        {"tokens: {secret: s3cr3t}", []string{"f.yaml:1:10: tokens.secret: use tokens.file"}, true},
	"section that is a list":    {"limits: [1]", []string{"limits: expected a mapping with rooms, size and quiet"}, true},
	"file that is a list":       {"[1]", []string{"f.yaml:1:1: expected a mapping with path, "}, true},
	"file that is a text":       {"just text", []string{"f.yaml:1:1: expected a mapping with path, "}, true},
	"two documents":             {"path: /a\n---\npath: /b", []string{"f.yaml:2:1: expected one document, but a second one starts here"}, false},
	"tab":                       {"limits:\n\trooms: 1", []string{"f.yaml:2:2: ", "YAML must be indented with spaces, not with tabs"}, false},
	"open list":                 {"rooms: [a", []string{"f.yaml:1:1: "}, false},
	"star without quotes":       {"path: *", []string{"f.yaml:1:1: ", "needs quotes"}, false},
	"unknown alias":             {"mode: off\npath: *x", []string{"f.yaml:2:1: ", "unknown anchor", "needs quotes"}, false},
	"alias of itself":           {"rules: &a [*a]", []string{"f.yaml:1:"}, false},
	"two problems":              {"pat: 1\nlimits: {rooms: x}", []string{"f.yaml:1:1: pat: ", "f.yaml:2:17: limits.rooms: "}, true},
}

func TestDecodeRefuses(t *testing.T) {
	for name, test := range refused {
		_, _, problems := decode(t, test.text, nil)
		for _, want := range test.want {
			if !strings.Contains(problems.Error(), want) {
				t.Errorf("%s: %q, want %q", name, problems.Error(), want)
			}
		}
		if strings.Contains(problems.Error(), "s3cr3t") {
			t.Errorf("%s: the problem contains the secret", name)
		}
	}
}

// A file cannot make Parse work for long.
func TestLargeFiles(t *testing.T) {
	bomb := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c <= 'i'; c++ {
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+", ", 8) + "*" + string(c-1) + "]\n"
	}
	for name, text := range map[string]string{
		"aliases": bomb, "nested": "a: " + strings.Repeat("[", 100) + strings.Repeat("]", 100),
		"many": "rooms: [" + strings.Repeat("a,", maxNodes) + "a]",
	} {
		if _, problems := Parse("f.yaml", []byte(text)); len(problems) == 0 || len(problems) > maxProblems {
			t.Errorf("%s: %d problems", name, len(problems))
		}
	}
	if _, _, problems := decode(t, strings.Repeat("{match: a, x: y},", 10)+"\nrules: [", nil); len(problems) == 0 {
		t.Error("no problems")
	}
}

func TestPosition(t *testing.T) {
	f, problems := Parse("f.yaml", []byte(all))
	if problems != nil {
		t.Fatal(problems)
	}
	for path, want := range map[string]Position{
		"": {1, 1}, "limits.size": {5, 3}, "rules[0].send": {15, 5}, "rules[0].send.events[1]": {15, 26},
		"rules[1]": {16, 5}, "rules[1].join": {16, 5}, "rules[7].join": {13, 3}, "nothing": {1, 1}, "rules[x": {12, 1},
	} {
		if got := f.Position(path); got != want && path != "rules[7].join" {
			t.Errorf("%s is at %v, want %v", path, got, want)
		}
	}
	empty, _ := Parse("f.yaml", nil)
	if at := empty.Position("path"); at != (Position{1, 1}) {
		t.Errorf("in an empty file: %v", at)
	}
}

// Whatever is in a file, the outcome is a value or problems with positions in the file.
func FuzzDecode(f *testing.F) {
	f.Add(all)
	for _, r := range refused {
		f.Add(r.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 10_000 {
			return
		}
		s, _, problems := decode(t, text, nil)
		lines := strings.Count(text, "\n") + strings.Count(text, "\r") + strings.Count(text, "\u2028") + strings.Count(text, "\u2029") + strings.Count(text, "\u0085") + 2
		for _, p := range problems {
			if p.Line < 1 || p.Column < 1 || p.Line > lines || p.Text == "" {
				t.Errorf("%q: %+v", text, p)
			}
		}
		if problems != nil {
			return
		}
		// What was accepted can be shown, and read back.
		m := model(t)
		shown := WriteSettings(m.Settings(&s, func(*Key) (source, from string) { return "default", "" }))
		again, _, problems := decode(t, shown, nil)
		if problems != nil {
			t.Fatalf("%q is shown as %q: %v", text, shown, problems)
		}
		if again.Path != s.Path || !cmp.Equal(again.limits, s.limits, cmp.AllowUnexported(limits{})) || len(again.Rooms) != len(s.Rooms) {
			t.Errorf("%q is shown as %q", text, shown)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	f, problems := Parse("f.yaml", []byte("rules:\n"+strings.Repeat("  - {match: lobby, join: anyone, send: {events: [say, typing]}}\n", 5000)))
	if problems != nil {
		b.Fatal(problems)
	}
	m := model(b)
	for b.Loop() {
		var s sample
		if _, problems := m.Decode(f, &s, nil); problems != nil || len(s.Rules) != 5000 {
			b.Fatal(problems)
		}
	}
}

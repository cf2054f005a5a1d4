package access_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ignis-go/ignis/access"
)

// Which claims list the value of the variable.
func TestClaims(t *testing.T) {
	rules := compile(t, `rooms: [{match: "{x}", join: {claim: c}}]`)
	huge := strings.Repeat("9", 100)
	for _, c := range []struct {
		room, claim string
		want        access.Reason
	}{
		{"a", `"a"`, ""},
		{"a", `["a"]`, ""},
		{"a", `["b", "a"]`, ""},
		{"a", " [ \"b\"\n,\t\"a\" ] ", ""},
		{"a", `[[],{},"x\"",{"a":["]"]},["}"],null,true,1.5,"a"]`, ""},
		{"a", `"\u0061"`, ""},
		{"é", `["\u00e9"]`, ""},
		{"😀", `["\ud83d\ude00"]`, ""},
		{"a/b", `["a\/b"]`, ""},
		{"7", `7`, ""},
		{"7", `"7"`, ""},
		{"7", `["x", 7]`, ""},
		{"-7", `[-7]`, ""},
		{"0", `[0]`, ""},
		{huge, `[` + huge + `]`, ""},
		{"a", `["b",` + strings.Repeat(`"b",`, 10_000) + `"a"]`, ""},
		{"a", strings.Repeat("[", 1000) + strings.Repeat("]", 1000), access.ClaimLacks},

		{"a", ``, access.NoClaim},
		{"a", `null`, access.NoClaim},
		{"null", ` null `, access.NoClaim},
		{"a", `""`, access.ClaimLacks},
		{"a", `[]`, access.ClaimLacks},
		{"a", `{}`, access.ClaimLacks},
		{"a", `{"a":true}`, access.ClaimLacks},
		{"a", `{"a":"a"}`, access.ClaimLacks},
		{"a", `[["a"]]`, access.ClaimLacks},
		{"a", `[{"a":"a"}]`, access.ClaimLacks},
		{"a", `"A"`, access.ClaimLacks},
		{"a", `"a "`, access.ClaimLacks},
		{"a", `"ab"`, access.ClaimLacks},
		{"a", `"b,a"`, access.ClaimLacks},
		{"a", `"*"`, access.ClaimLacks},
		{"a", `["*", "a*", "{x}"]`, access.ClaimLacks},
		{"a", `"\\u0061"`, access.ClaimLacks},
		{"true", `true`, access.ClaimLacks},
		{"null", `[null]`, access.ClaimLacks},
		{"7", `7.0`, access.ClaimLacks},
		{"7.0", `7.0`, access.ClaimLacks},
		{"1e3", `1e3`, access.ClaimLacks},
		{"1000", `1e3`, access.ClaimLacks},
		{"07", `7`, access.ClaimLacks},
		{"-0", `-0`, access.ClaimLacks},
		{"0", `-0`, access.ClaimLacks},
		{"9007199254740993", `9007199254740992`, access.ClaimLacks},
		{"é", `"e\u0301"`, access.ClaimLacks},
		{"тeam", `"team"`, access.ClaimLacks},
	} {
		d := rules.Join(access.Subject{Claims: func(name string) json.RawMessage {
			if name != "c" {
				t.Errorf("asked for the claim %q", name)
			}
			return json.RawMessage(c.claim)
		}}, c.room)
		if d.Reason != c.want || d.Allowed != (c.want == "") {
			t.Errorf("%q in %.40s: %v", c.room, c.claim, d)
		}
	}
}

// A claim that is not JSON, which is a mistake of the caller, lists nothing.
func TestInvalidClaims(t *testing.T) {
	rules := compile(t, `rooms: [{match: "{x}", join: {claim: c}}]`)
	for _, claim := range []string{
		`a`, `"a`, `"a\`, `"a\"`, `[`, `[,`, `[}`, `[:`, `["a`, `[{`, `[{"a"`, `[}}}`, `"\u006"`, `["b" "c"`, "\"", "-", "[-]", "\x00", `"\q"`,
	} {
		if d := rules.Join(access.Subject{Claims: func(string) json.RawMessage { return json.RawMessage(claim) }}, "a"); d.Allowed {
			t.Errorf("%s: %v", claim, d)
		}
	}
}

// The scanner agrees with encoding/json.
func FuzzClaim(f *testing.F) {
	for _, claim := range []string{`"a"`, `["b","a"]`, `[1,-2,1e3]`, `[[],{"a":[1]},"\u0061"]`, `null`, ` [ ] `, `"\ud83d"`, `[}`} {
		f.Add([]byte(claim), "a")
	}
	rules := compile(f, `rooms: [{match: "{x}", join: {claim: c}}]`)
	f.Fuzz(func(t *testing.T, claim []byte, room string) {
		d := rules.Join(access.Subject{Claims: func(string) json.RawMessage { return claim }}, room)
		if !json.Valid(claim) || !utf8.Valid(claim) || d.Rule < 0 {
			return // it only has to return
		}
		want := slices.Contains(listed(claim), room)
		if d.Allowed != want {
			t.Errorf("%q in %s: %v, want %v", room, claim, d, want)
		}
	})
}

// listed returns what a claim lists, according to encoding/json.
func listed(claim []byte) (texts []string) {
	dec := json.NewDecoder(strings.NewReader(string(claim)))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, v := range list {
		switch v := v.(type) {
		case string:
			texts = append(texts, v)
		case json.Number:
			if !strings.ContainsAny(string(v), ".eE") && v != "-0" {
				texts = append(texts, fmt.Sprint(v))
			}
		}
	}
	return texts
}

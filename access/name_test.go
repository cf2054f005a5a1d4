package access_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/google/uuid"

	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/wire"
)

// names are names of rooms and why clients cannot use them.
var names = []struct {
	name string
	want access.Reason
}{
	{"lobby", ""},
	{"a b", ""},
	{"a:b:c", ""},
	{":", ""},
	{"-", ""},
	{"~!@#$%^&()_+=|;'\"<>,./`", ""},
	{"ws", ""},
	{"WS:x", ""},
	{"café", ""},
	{"漢字", ""},
	{"Ωmega", ""},
	{"ｔｅａｍ", ""}, // full width
	{"ﬁsh", ""},  // a ligature
	{"тeam", ""}, // Cyrillic
	{"ก็", ""},
	{"நா", ""},
	{"x\u0301", ""}, // there is no composed form
	{"😀", ""},
	{"👍🏽", ""},
	{"🇫🇷", ""},
	{strings.Repeat("x", 256), ""},
	{strings.Repeat("é", 256), ""},
	{strings.Repeat("漢", 256), ""},
	{strings.Repeat("😀", 128), ""},

	{"", access.NameEmpty},
	{strings.Repeat("x", 257), access.NameTooLong},
	{strings.Repeat("漢", 257), access.NameTooLong},
	{strings.Repeat("😀", 128) + "x", access.NameTooLong},
	{strings.Repeat("x", 1<<20), access.NameTooLong},
	{"ws:", access.NameReserved},
	{"ws:room:x", access.NameReserved},
	{"ws-default", access.DefaultRoom},
	{"ws-", access.DefaultRoom},
	{" a", access.NameSpace},
	{"a ", access.NameSpace},
	{" ", access.NameSpace},

	{"*", access.NameGlob},
	{"a*", access.NameGlob},
	{"team-?", access.NameGlob},
	{"[a]", access.NameGlob},
	{"]", access.NameGlob},
	{"{user}", access.NameGlob},
	{"}", access.NameGlob},
	{`a\b`, access.NameGlob},
	{"é*", access.NameGlob},

	{"a\x00", access.NameControl},
	{"a\nb", access.NameControl},
	{"a\tb", access.NameControl},
	{"a\x7fb", access.NameControl},
	{"a\u0085b", access.NameControl},
	{"a\u00a0b", access.NameControl}, // a blank
	{"a\u3000b", access.NameControl}, // another
	{"a\u00adb", access.NameControl}, // soft hyphen
	{"a\u200bb", access.NameControl}, // zero width
	{"a\u200db", access.NameControl},
	{"a\u202eb", access.NameControl}, // right to left
	{"a\u2028b", access.NameControl},
	{"a\ufeffb", access.NameControl},
	{"a\u034fb", access.NameControl},     // combining grapheme joiner
	{"a\u3164b", access.NameControl},     // Hangul filler
	{"a\u115fb", access.NameControl},     // another
	{"❤\ufe0f", access.NameControl},      // variation selector
	{"a\U000e0100b", access.NameControl}, // another
	{"a\U000e0041b", access.NameControl}, // tag
	{"a\ue000b", access.NameControl},     // private
	{"a\u0378b", access.NameControl},     // not assigned
	{"a\uffffb", access.NameControl},
	{"a\xff", access.NameUTF8},
	{"a\xc0\xaf", access.NameUTF8},
	{"a\xed\xa0\x80", access.NameUTF8}, // half a surrogate pair
	{"a\ufffd", access.NameUTF8},

	{"cafe\u0301", access.NameNotNFC},
	{"\u212b", access.NameNotNFC},       // Angstrom sign
	{"\u2126mega", access.NameNotNFC},   // Ohm sign
	{"\uf900", access.NameNotNFC},       // compatibility ideograph
	{"\u1112\u1161", access.NameNotNFC}, // Hangul
	{"\ud558\u11ab", access.NameNotNFC},
	{"q\u0307\u0323", access.NameNotNFC}, // marks out of order
	{"é\u0327", access.NameNotNFC},       // ȩ and an acute

	{"0b6f0b5c-6e0e-4b4a-9d8e-1d2c3b4a5f60", access.NameClientID},
	{"0B6F0B5C-6E0E-4B4A-9D8E-1D2C3B4A5F60", access.NameClientID},
	{"00000000-0000-0000-0000-000000000000", access.NameClientID},
	{"doc:0b6f0b5c-6e0e-4b4a-9d8e-1d2c3b4a5f60", ""},
	{"0b6f0b5c6e0e4b4a9d8e1d2c3b4a5f60", ""},
	{"{0b6f0b5c-6e0e-4b4a-9d8e-1d2c3b4a5f6}", access.NameGlob},
	{"0b6f0b5c-6e0e-4b4a-9d8e-1d2c3b4a5f6g", ""},
	{"0b6f0b5c-6e0e-4b4a-9d8e01d2c3b4a5f60", ""},
}

const anyRoom = `rooms: [{match: "*", join: anyone, send: {events: [say]}}, {match: ":*", join: anyone, send: {events: [say]}}]`

func TestNames(t *testing.T) {
	rules := compile(t, anyRoom)
	for _, c := range names {
		s := access.Subject{User: c.name}
		if d := rules.Join(s, c.name); d.Reason != c.want || d.Allowed != (c.want == "") {
			t.Errorf("%.60q: %v, want %q", c.name, d, c.want)
		}
		if d := rules.Send(s, c.name, "say", true); d.Reason != c.want {
			t.Errorf("%.60q: %v, want %q", c.name, d, c.want)
		}
	}
	for range 100 {
		if d := rules.Join(access.Subject{}, uuid.NewString()); d.Reason != access.NameClientID {
			t.Error(d)
		}
	}
}

// A name that clients cannot use stays unusable as the value of a variable, even if it is the
// user's ID or listed by the claim.
func TestNamesEverywhere(t *testing.T) {
	rules := compile(t, `
rooms:
  - {match: "u:{user}", join: anyone}
  - {match: "c:{c}", join: {claim: c}}
`)
	for _, c := range names {
		if c.want == "" || c.want == access.NameClientID || c.want == access.DefaultRoom || strings.HasPrefix(c.name, " ") && !strings.HasSuffix(c.name, " ") {
			continue // names that are allowed, or would be behind the prefix
		}
		claim, err := json.Marshal(c.name)
		if err != nil {
			t.Fatal(err)
		}
		s := access.Subject{User: c.name, Claims: func(string) json.RawMessage { return claim }}
		for _, room := range []string{"u:" + c.name, "c:" + c.name} {
			if d := rules.Join(s, room); d.Allowed || d.AskWebhook {
				t.Errorf("%.60q: %v", room, d)
			}
		}
	}
}

// Only a rule that names the rooms that every client is in lets clients send to them.
func TestDefaultRooms(t *testing.T) {
	everyone := compile(t, `
rooms:
  - {match: "*", join: anyone, send: {events: [say]}}
  - {match: "w*", join: anyone, send: {events: [say]}}
  - {match: "{x}-default", join: anyone, send: {events: [say]}}
`)
	named := compile(t, `rooms: [{match: "ws-*", join: anyone}, {match: "ws-default", send: {events: [say]}}, {match: "*"}]`)
	for _, room := range []string{wire.RoomDefault, wire.RoomNotification, "ws-x"} {
		if d := everyone.Join(access.Subject{}, room); d.Allowed || d.Reason != access.DefaultRoom || d.Rule < 0 {
			t.Errorf("join %s: %v", room, d)
		}
		if d := everyone.Send(access.Subject{}, room, "say", true); d.Allowed || d.Reason != access.DefaultRoom {
			t.Errorf("send to %s: %v", room, d)
		}
	}
	if d := named.Join(access.Subject{}, wire.RoomNotification); !d.Allowed || d.Rule != 0 {
		t.Errorf("ws-* for %s: %v", wire.RoomNotification, d)
	}
	if d := named.Send(access.Subject{}, wire.RoomDefault, "say", true); !d.Relay || d.Rule != 1 {
		t.Errorf("ws-default: %v", d)
	}
}

// Every character is either allowed or refused for a reason that fits, and none that is
// invisible is allowed.
func TestEveryCharacter(t *testing.T) {
	rules := compile(t, anyRoom)
	refused := map[access.Reason]int{}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		reason := rules.Join(access.Subject{}, "a-"+string(r)+"b").Reason
		refused[reason]++
		if reason == "" && !unicode.IsPrint(r) {
			t.Errorf("%U is allowed", r)
		}
		if unicode.In(r, unicode.L, unicode.Nd) && reason != "" && reason != access.NameNotNFC && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) {
			t.Errorf("%U %q: %v", r, r, reason)
		}
	}
	for reason := range refused {
		switch reason {
		case "", access.NameGlob, access.NameControl, access.NameUTF8, access.NameNotNFC:
		default:
			t.Errorf("%d characters: %q", refused[reason], reason)
		}
	}
	if refused[access.NameGlob] != 7 {
		t.Errorf("%d glob characters", refused[access.NameGlob])
	}
}

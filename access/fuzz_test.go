package access_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/ignis-go/ignis/access"
)

// Decoding returns for every file. Rules that it accepts can be encoded and decoded again,
// and allow no room whose name clients cannot use.
func FuzzRules(f *testing.F) {
	for _, text := range []string{everything, quizRules, anyRoom, "rooms: &a [*a]", `rooms: [{"match":"a","join":{"claim":"b"}}]`, "rooms:\n- match: {user}"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var file struct{ Rooms access.Rules }
		if yaml.Unmarshal(text, &file) != nil {
			return
		}
		for _, room := range []string{"*", "", "ws:a", "a\n", "{user}", "0b6f0b5c-6e0e-4b4a-9d8e-1d2c3b4a5f60", "a\xff"} {
			d := file.Rooms.Join(access.Subject{User: "ann"}, room)
			if d.Allowed || d.AskWebhook || file.Rooms.Send(access.Subject{User: "ann"}, room, "say", true).Allowed {
				t.Errorf("%q: %v", room, d)
			}
		}
		encoded, err := json.Marshal(&file.Rooms)
		if err != nil {
			t.Fatal(err)
		}
		var again access.Rules
		if err := json.Unmarshal(encoded, &again); err != nil {
			t.Fatalf("%v in %s", err, encoded)
		}
		if twice, _ := json.Marshal(&again); string(twice) != string(encoded) {
			t.Errorf("%s becomes %s", encoded, twice)
		}
	})
}

// An event is allowed if exactly one entry of send lists it and that entry allows the
// sender, and it goes where this entry says.
func FuzzSend(f *testing.F) {
	f.Add(`[{events: [typing], except_sender: true}, {events: [say], from: anyone, to: both}]`, "say")
	f.Add(`{events: say, to: webhook}`, "say")
	f.Add(`[{events: [a]}, {events: [a], from: anyone}]`, "a")
	f.Fuzz(func(t *testing.T, send, event string) {
		var rules access.Rules
		if yaml.Unmarshal([]byte("- match: a\n  send: "+send), &rules) != nil || len(rules.List()) != 1 {
			return
		}
		var entries []access.SendRule
		for _, s := range rules.List()[0].Send {
			if slices.Contains(s.Events, event) {
				entries = append(entries, s)
			}
		}
		if len(entries) > 1 {
			t.Fatalf("%q is in %d entries of %s", event, len(entries), send)
		}
		for _, member := range []bool{true, false} {
			var want access.Decision
			if len(entries) == 1 && (member || entries[0].From == access.FromAnyone) {
				s := entries[0]
				want = access.Decision{
					Allowed: true, Relay: s.To != access.ToWebhook, TellWebhook: s.To == access.ToWebhook || s.To == access.ToBoth,
					ExceptSender: s.ExceptSender,
				}
			}
			got := rules.Send(access.Subject{}, "a", event, member)
			got.Reason, got.Rule, got.Match, got.Line = "", 0, "", 0
			if got != want || got.ExceptSender && !got.Relay {
				t.Errorf("%q by %s (member: %v): %+v, want %+v", event, send, member, got, want)
			}
		}
	})
}

// A pattern matches the same names as the equivalent regular expression.
func FuzzPattern(f *testing.F) {
	for _, c := range [][3]string{
		{"team-{team}", "team-red", "ann"},
		{"user:{user}:*", "user:ann:inbox", "ann"},
		{"{a}b:{user}c:*", "xb:annc:d:e", "ann"},
		{"*", "*", "*"},
		{"{user}", "a:b", "a:b"},
	} {
		f.Add(c[0], c[1], c[2])
	}
	f.Fuzz(func(t *testing.T, match, room, user string) {
		rules, err := access.Compile([]access.Rule{{Match: match, Join: access.JoinRule{Who: access.Anyone}}})
		if err != nil {
			return
		}
		d := rules.Join(access.Subject{User: user}, room)
		switch d.Reason {
		case "", access.NoRule, access.OtherUser, access.NoUser, access.UserColon:
		default:
			return // the name is refused by itself
		}
		groups := expression(match).FindStringSubmatch(room)
		want := groups != nil
		if i := expression(match).SubexpIndex("user"); want && i > 0 {
			want = groups[i] == user
		}
		if d.Allowed != want {
			t.Errorf("%q in %q by %q: %v, want %v", user, room, match, d, want)
		}
	})
}

// expression returns the regular expression of a valid pattern.
func expression(match string) *regexp.Regexp {
	text := regexp.QuoteMeta(match)
	text = regexp.MustCompile(`\\\{([a-z0-9_]+)\\\}`).ReplaceAllString(text, "(?P<$1>[^:]+)")
	if strings.HasSuffix(text, `\*`) {
		text = strings.TrimSuffix(text, `\*`) + "(?s:.+)"
	}
	return regexp.MustCompile("^" + text + "$")
}

package enforce_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/access/enforce"
	"github.com/ignis-go/ignis/auth/jwtauth"
	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/wire"
)

func TestJoin(t *testing.T) {
	bubble(t, enforce.Config{}, func(t *testing.T, f *fixture) {
		ann := f.login("ann", `{"teams":["red",7]}`)
		for room, want := range map[string]string{
			"public-news":    "",
			"user:ann:inbox": "",
			"user:bob:inbox": "forbidden",
			"team-red":       "",
			"team-7":         "",
			"team-blue":      "forbidden",
			"lobby":          "forbidden", // the rule * is for sending
			"public-*":       "forbidden",
			"ws-default":     "forbidden",
			ann.ID():         "forbidden",
		} {
			if got := f.refused(ann, room); got != want {
				t.Errorf("%s: refused as %q, want %q", room, got, want)
			}
			if f.InRoom(ann.ID(), room) != (want == "") && room != "ws-default" && room != ann.ID() {
				t.Errorf("%s: in the room: %v", room, f.InRoom(ann.ID(), room))
			}
		}
		want := enforce.Stats{Joins: 4, RefusedJoins: map[access.Reason]uint64{
			access.OtherUser: 1, access.ClaimLacks: 1, access.NobodyJoins: 1, access.NameGlob: 1, access.DefaultRoom: 1, access.NameClientID: 1,
		}}
		if diff := cmp.Diff(want, f.policy.Stats()); diff != "" {
			t.Error(diff)
		}
		for reason := range want.RefusedJoins {
			if !strings.Contains(f.log.String(), `msg="join refused by the room rules" reason=`+logged(reason)) {
				t.Errorf("the log does not contain %q:\n%s", reason, f.log)
			}
		}
		// The server does not log them again, and does not blame the application.
		if got := f.Server.Stats().RefusedJoins; got["not allowed by the access rules"] != 6 || got["not allowed by the application"] != 0 {
			t.Errorf("the server counts %v", got)
		}
		if f.log.Count("join refused: not allowed") != 0 {
			t.Errorf("refusals are logged twice:\n%s", f.log)
		}
	})
}

// A room for which there is no rule is a warning. While the policy runs, the lines left out are
// reported with a sample.
func TestLines(t *testing.T) {
	bubble(t, enforce.Config{Rules: parse(t, `[{match: "team-{team}", join: {claim: teams}}, {match: quiz, join: webhook}]`)}, func(t *testing.T, f *fixture) {
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { f.policy.Run(ctx) })
		synctest.Wait()
		ann := f.login("ann", `{}`)
		for _, room := range []string{"hall", "attic", "team-red", "quiz"} {
			_ = f.refused(ann, room)
		}
		time.Sleep(11 * time.Second)
		cancel()
		running.Wait()
		for _, line := range []string{
			`level=WARN msg="join refused by the room rules" reason="no rule matches the room" room=hall client=` + ann.ID() + ` user=ann remote=`,
			`level=WARN msg="join refused by the room rules" reason="no rule matches the room" more=1 in_the_last=10s latest.room=attic latest.client=` + ann.ID() + ` latest.user=ann`,
			`level=INFO msg="join refused by the room rules" reason="the token does not have the claim" rule=0 match=team-{team} room=team-red`,
			`level=INFO msg="join refused: not allowed by the application"`, // by the webhook
		} {
			if f.log.Count(line) != 1 {
				t.Errorf("not one line %s:\n%s", line, f.log)
			}
		}
	})
}

// logged returns a reason as it is written to the log.
func logged(r access.Reason) string { return strconv.Quote(string(r)) }

// The claims of a client come from its metadata.
func TestClaims(t *testing.T) {
	bubble(t, enforce.Config{}, func(t *testing.T, f *fixture) {
		for _, c := range []struct {
			credentials map[string]any
			want        string
		}{
			{map[string]any{"claims": claims{"teams": json.RawMessage(`"red"`)}}, ""},
			{map[string]any{"grants": grants{"teams": json.RawMessage(`"red"`)}}, ""},
			{map[string]any{"claims": claims{"Teams": json.RawMessage(`"red"`)}}, "forbidden"},
			{map[string]any{}, "forbidden"},
		} {
			if got := f.refused(f.Dial(t, c.credentials), "team-red"); got != c.want {
				t.Errorf("%v: refused as %q", c.credentials, got)
			}
		}
	})
	of := func(c *ignis.Client, name string) json.RawMessage {
		if c.UserID == "ann" && name == "teams" {
			return json.RawMessage(`["red"]`)
		}
		return nil
	}
	bubble(t, enforce.Config{Claims: of}, func(t *testing.T, f *fixture) {
		if got := f.refused(f.login("ann", `{}`), "team-red"); got != "" {
			t.Errorf("ann: refused as %q", got)
		}
		if got := f.refused(f.login("bob", `{"teams":"red"}`), "team-red"); got != "forbidden" {
			t.Errorf("bob: refused as %q", got)
		}
	})
}

func TestWebhook(t *testing.T) {
	bubble(t, enforce.Config{}, func(t *testing.T, f *fixture) {
		ann, bob := f.login("ann", `{}`), f.login("bob", `{}`)

		// The webhook is asked about all of its rooms at once. It cannot allow others.
		f.hook.rooms = []string{"quiz-1", "user:bob:inbox", "quiz-9"}
		if got := f.refused(ann, "quiz-1", "public-a", "user:bob:inbox", "quiz-2"); got != "forbidden forbidden" {
			t.Errorf("refused as %q", got)
		}
		if diff := cmp.Diff([][]string{{"quiz-1", "quiz-2"}}, f.hook.asked); diff != "" {
			t.Error(diff)
		}
		if f.InRoom(ann.ID(), "user:bob:inbox") || f.InRoom(ann.ID(), "quiz-2") || f.InRoom(ann.ID(), "quiz-9") {
			t.Error("the client is in a room that the rules do not allow")
		}

		// If the webhook fails, the rooms of other rules can be joined.
		for _, c := range []struct {
			err  error
			want wire.ErrorCode
		}{
			{errors.New("down"), wire.CodeUnavailable},
			{(*ignis.Error)(nil), wire.CodeUnavailable},
			{&ignis.Error{Code: wire.CodeTimeout}, wire.CodeTimeout},
		} {
			f.hook.err = c.err
			if got := f.refused(bob, "quiz-1", "both"); got != string(c.want) || !f.InRoom(bob.ID(), "both") || f.InRoom(bob.ID(), "quiz-1") {
				t.Errorf("with %v: refused as %q", c.err, got)
			}
		}
		f.hook.err = nil

		// What the webhook says about rooms that it refuses reaches the client.
		const full = "The quiz is full."
		carl := f.login("carl", `{}`)
		f.hook.rooms, f.hook.err = []string{"quiz-2"}, &ignis.PartialError{Err: &ignis.Error{Code: wire.CodeRateLimited, Message: full}}
		_, err := carl.Conn.Join(t.Context(), "quiz-1", "quiz-2")
		if e, ok := errors.AsType[*client.JoinError](err); !ok || len(e.Refused) != 1 || e.Refused[0] != (wire.RefusedRoom{Room: "quiz-1", Code: wire.CodeRateLimited, Message: full}) {
			t.Errorf("refused with %v", err)
		}
		f.hook.rooms, f.hook.err = nil, nil

		// Messages go to the webhook, which answers.
		f.hook.reply = map[string]bool{"right": true}
		if got := f.send(ann, "quiz-1", "answer", `{"a":4}`); got != `{"right":true}` {
			t.Errorf("answered %s", got)
		}
		if m := f.hook.messages[0]; m.Event != "answer" || m.Room != "quiz-1" || string(m.Data) != `{"a":4}` {
			t.Errorf("the webhook got %+v", m)
		}

		// With both, the message is relayed unless the webhook refuses it.
		ann.Join("both")
		if got := f.send(ann, "both", "say", `{"text":"a"}`); got != `{"right":true}` {
			t.Errorf("answered %s", got)
		}
		if m := bob.Receive(); m.Room != "both" || m.From.UserID != "ann" {
			t.Errorf("bob received %+v", m)
		}
		f.hook.err = &ignis.Error{Code: wire.CodeForbidden, Message: "Mind your language"}
		if got := f.send(ann, "both", "say", `{"text":"b"}`); got != "forbidden: Mind your language" {
			t.Errorf("answered %s", got)
		}
		ann.Receive() // the first message
		ann.ExpectNothing()
		bob.ExpectNothing()
		want := enforce.Stats{
			Joins: 7, AskedJoins: 7, Relayed: 1, ToWebhook: 3, RefusedJoins: map[access.Reason]uint64{access.OtherUser: 1},
		}
		if diff := cmp.Diff(want, f.policy.Stats()); diff != "" {
			t.Error(diff)
		}
	})
}

// When the rules change, clients stay in their rooms, and the new rules apply to their requests.
func TestSetRules(t *testing.T) {
	bubble(t, enforce.Config{}, func(t *testing.T, f *fixture) {
		ann := f.login("ann", `{"teams":["red"]}`)
		ann.Join("team-red")
		if err := f.policy.SetRules(parse(t, `[{match: "team-{x}", send: {events: [shout]}}]`)); err != nil {
			t.Fatal(err)
		}
		if got := f.send(ann, "team-red", "say", ""); !strings.HasPrefix(got, "forbidden") {
			t.Error(got)
		}
		if got := f.send(ann, "team-red", "shout", ""); got != "" || !f.InRoom(ann.ID(), "team-red") {
			t.Error(got)
		}
		if got := f.refused(ann, "public-a"); got != "forbidden" {
			t.Error(got)
		}
		if err := f.policy.SetRules(nil); err != nil {
			t.Fatal(err)
		}
		if got := f.send(ann, "team-red", "shout", ""); !strings.HasPrefix(got, "forbidden") {
			t.Error(got)
		}
	})
}

func TestConfig(t *testing.T) {
	server := func() *ignis.Server { return nil }
	joins, messages := parse(t, `[{match: a, join: webhook}]`), parse(t, `[{match: a, send: {events: [x], to: both}}]`)
	for want, cfg := range map[string]enforce.Config{
		"enforce: Config.Server is required: it returns the server that messages are sent with": {},
		"enforce: a rule has join: webhook, but no webhook is configured":                       {Server: server, Rules: joins},
		"enforce: a rule sends messages to: webhook or both, but no webhook is configured":      {Server: server, Rules: messages},
	} {
		if _, err := enforce.New(cfg); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	p, err := enforce.New(enforce.Config{Server: server, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.SetRules(joins); err == nil {
		t.Error("SetRules accepts rules that need a webhook")
	}
	if _, err := p.OnMessage(t.Context(), &ignis.Client{}, wire.Message{Event: "x", Room: "a"}); err == nil {
		t.Error("without rules, a message is accepted")
	}
}

// A policy is used by many goroutines while its rules change.
func TestConcurrentUse(t *testing.T) {
	p, err := enforce.New(enforce.Config{Server: func() *ignis.Server { return nil }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	const n = 8
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for range 100 {
				_, _ = p.OnMessage(t.Context(), &ignis.Client{}, wire.Message{Event: "x", Room: "a"})
				_, _ = p.ValidateRooms(t.Context(), &ignis.Client{}, []string{"a"})
				_ = p.SetRules(parse(t, `[{match: "{user}"}]`))
				p.Stats()
			}
		})
	}
	wg.Wait()
	var messages, joins uint64
	for _, count := range p.Stats().RefusedMessages {
		messages += count
	}
	for _, count := range p.Stats().RefusedJoins {
		joins += count
	}
	if messages != 100*n || joins != 100*n {
		t.Errorf("counted %d messages and %d joins", messages, joins)
	}
}

// Explain uses the claims of the client.
func TestExplain(t *testing.T) {
	p, err := enforce.New(enforce.Config{
		Rules:        parse(t, `[{match: "team-{team}", join: {claim: teams}, send: {events: [say]}}]`),
		Server:       func() *ignis.Server { return nil },
		WebhookRooms: func(context.Context, *ignis.Client, []string) ([]string, error) { return nil, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &ignis.Client{UserID: "ann", Metadata: claims{"teams": json.RawMessage(`["red"]`)}}
	const want = `join: yes (rooms[0] "team-{team}" on line 1, claim teams)   send: say`
	if got := p.Explain(c, "team-red").String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The metadata that package jwtauth sets have the method that a policy looks for.
var _ interface {
	Field(name string) json.RawMessage
} = (*jwtauth.Claims)(nil)

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

	"github.com/google/go-cmp/cmp"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/access/enforce"
	"github.com/ignis-go/ignis/auth/jwtauth"
	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/ignistest"
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

// Two clients talk in a room, and others hear nothing.
func TestRelay(t *testing.T) {
	bubble(t, enforce.Config{}, func(t *testing.T, f *fixture) {
		ann, bob := f.login("ann", `{"teams":["red"]}`), f.login("bob", `{"teams":"red"}`)
		old, eve := f.login1("old", `{"teams":["red"]}`), f.login("eve", `{"teams":["blue"]}`)
		ann.Join("team-red")
		bob.Join("team-red")
		old.Send("join", map[string]any{"rooms": []string{"team-red"}})
		eve.Join("team-blue")
		synctest.Wait()

		forged := `{"text":"hi","from":{"id":"x","userId":"boss"}}`
		if got := f.send(ann, "team-red", "say", forged); got != "" {
			t.Errorf("ann is answered %s", got)
		}
		stamped := `{"text":"hi","from":{"id":"` + ann.ID() + `","userId":"ann"}}`
		want := wire.Message{
			Event: "say", Data: json.RawMessage(stamped), Room: "team-red", From: wire.Sender{ID: ann.ID(), UserID: "ann"},
		}
		for name, got := range map[string]wire.Message{"ann": ann.Receive(), "bob": bob.Receive()} {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		if diff := cmp.Diff(wire.Message{Event: "say", Data: json.RawMessage(stamped)}, old.Receive()); diff != "" {
			t.Errorf("protocol 1: %s", diff)
		}

		// A client of protocol 1 names the room in the data. The last of two keys counts, as
		// it does for the clients that receive the message.
		old.Send("typing", json.RawMessage(`{"room":"team-blue","r\u006fom":"team-red"}`))
		if got := bob.Receive(); got.Event != "typing" || got.Room != "team-red" || got.From.UserID != "old" {
			t.Errorf("bob received %+v", got)
		}
		ann.Receive()
		old.Receive()
		for _, c := range []string{`{"room":"team-blue"}`, `{"room":7}`, `{"Room":"team-red"}`, `"team-red"`, `{"room":"team-red","room":null}`, `["room"]`} {
			old.Send("say", json.RawMessage(c))
		}
		for _, c := range []*ignistest.Client{ann, bob, old, eve} {
			c.ExpectNothing()
		}
		stats := enforce.Stats{Joins: 4, Relayed: 2, RefusedMessages: map[access.Reason]uint64{access.NotMember: 1, enforce.NoRoom: 5}}
		if diff := cmp.Diff(stats, f.policy.Stats()); diff != "" {
			t.Error(diff)
		}
		if s := f.Stats(); s.RefusedMessages != 6 || s.CallbackErrors != 0 {
			t.Errorf("the server counts %d refused messages and %d errors", s.RefusedMessages, s.CallbackErrors)
		}
	})
}

// Each refusal has a code and is counted.
func TestRefusedMessages(t *testing.T) {
	const invalidName = "invalid: Clients cannot use rooms with this name"
	const forbidden = "forbidden: Not allowed in this room"
	for _, c := range []struct {
		room, event, data, want string
		reason                  access.Reason
	}{
		{"team-blue", "say", "", "forbidden: Join the room first", access.NotMember},
		{"team-red", "shout", "", forbidden, access.OtherEvent},
		{"public-news", "say", "", forbidden, access.NoEvents},
		{"user:bob:inbox", "note", "", forbidden, access.OtherUser},
		{"ws-default", "say", "", forbidden, access.DefaultRoom},
		{"ws-notification", "say", "", forbidden, access.DefaultRoom},
		{"ID", "say", "", invalidName, access.NameClientID},
		{"*", "say", "", invalidName, access.NameGlob},
		{"team-*", "say", "", invalidName, access.NameGlob},
		{"ws:x", "say", "", invalidName, access.NameReserved},
		{"a\nb", "say", "", invalidName, access.NameControl},
		{"a\u200bb", "say", "", invalidName, access.NameControl},
		{"e\u0301", "say", "", invalidName, access.NameNotNFC},
		{strings.Repeat("x", 257), "say", "", invalidName, access.NameTooLong},
		{"", "say", "", "invalid: The message must name a room", enforce.NoRoom},
		{"", "say", `{"room":""}`, "invalid: The message must name a room", enforce.NoRoom},
		{"", "say", `{"room":"*"}`, invalidName, access.NameGlob},
		{"", "say", `{"room":"\ud800"}`, invalidName, access.NameUTF8},
		{"feed", "question", `{"room":"team-red"}`, "invalid: The message and its data name different rooms", enforce.TwoRooms},
	} {
		bubble(t, enforce.Config{}, func(t *testing.T, f *fixture) {
			ann := f.login("ann", `{"teams":["red"]}`)
			ann.Join("team-red", "public-news")
			if got := f.send(ann, strings.ReplaceAll(c.room, "ID", ann.ID()), c.event, c.data); got != c.want {
				t.Errorf("%s to %.40q with %s: %s, want %s", c.event, c.room, c.data, got, c.want)
			}
			if got := f.policy.Stats(); got.RefusedMessages[c.reason] != 1 || got.Relayed != 0 {
				t.Errorf("%s to %.40q: counted %v", c.event, c.room, got)
			}
			line := `msg="message refused by the room rules" reason=` + logged(c.reason) + " rule="
			if c.reason == enforce.NoRoom || c.reason == enforce.TwoRooms {
				line += "-1 "
			}
			if !strings.Contains(f.log.String(), line) {
				t.Errorf("the log does not contain %s:\n%s", line, f.log)
			}
			ann.ExpectNothing()
		})
	}
}

// Clients that are not in the room may send to it if the rule says so.
func TestSendFromAnyone(t *testing.T) {
	bubble(t, enforce.Config{}, func(t *testing.T, f *fixture) {
		ann, bob := f.login("ann", `{}`), f.login("bob", `{}`)
		if err := f.Join(bob.ID(), "feed", "any"); err != nil {
			t.Fatal(err)
		}
		if got := f.send(ann, "feed", "question", `{"room":"feed"}`); got != "" {
			t.Error(got)
		}
		if got := f.send(ann, "any", "say", `5`); got != "" {
			t.Error(got)
		}
		if m := bob.Receive(); m.Room != "feed" || m.From.UserID != "ann" {
			t.Errorf("received %+v", m)
		}
		if m := bob.Receive(); m.Room != "any" || string(m.Data) != "5" || m.From.UserID != "ann" {
			t.Errorf("received %+v", m)
		}
		ann.ExpectNothing()
	})
}

// A message that a client sent just before it disconnected is relayed, unless only members
// may send: it is too late to tell whether the client was one, and the reason says so.
func TestSendAndDisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		f := newFixture(t, enforce.Config{OnMessage: func(context.Context, *ignis.Client, wire.Message) (any, error) {
			<-gate
			return nil, nil
		}}, ignis.Config{})
		ann, bob := f.login("ann", `{"teams":["red"]}`), f.login("bob", `{"teams":["red"]}`)
		ann.Join("team-red")
		bob.Join("team-red")
		if err := f.Join(bob.ID(), "feed"); err != nil {
			t.Fatal(err)
		}
		ann.Send("wait", nil)
		ann.Send("say", map[string]string{"room": "team-red"})
		ann.Send("question", map[string]string{"room": "feed"})
		if err := ann.Conn.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		close(gate)
		if m := bob.Receive(); m.Event != "question" || m.From.UserID != "ann" {
			t.Errorf("received %+v", m)
		}
		bob.ExpectNothing()
		if got := f.policy.Stats().RefusedMessages; got[enforce.Disconnected] != 1 || len(got) != 1 {
			t.Errorf("refused %v", got)
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
			Joins: 6, AskedJoins: 5, Relayed: 1, ToWebhook: 3, RefusedJoins: map[access.Reason]uint64{access.OtherUser: 1},
		}
		if diff := cmp.Diff(want, f.policy.Stats()); diff != "" {
			t.Error(diff)
		}
	})
}

// The webhook finds the room in the field Room in protocol 1 as well.
func TestWebhookProtocol1(t *testing.T) {
	bubble(t, enforce.Config{}, func(t *testing.T, f *fixture) {
		ann := f.login1("ann", `{}`)
		f.hook.rooms = []string{"quiz-1"}
		ann.Send("join", map[string]any{"rooms": []string{"quiz-1"}})
		ann.Send("answer", map[string]any{"room": "quiz-1", "a": 4})
		ann.ExpectNothing()
		if len(f.hook.messages) != 1 || f.hook.messages[0].Room != "quiz-1" {
			t.Errorf("the webhook got %+v", f.hook.messages)
		}
	})
}

// Messages that name no room belong to the application.
func TestOtherMessages(t *testing.T) {
	cfg := enforce.Config{OnMessage: func(_ context.Context, c *ignis.Client, m wire.Message) (any, error) {
		return c.UserID + " " + m.Event, nil
	}}
	bubble(t, cfg, func(t *testing.T, f *fixture) {
		ann := f.login("ann", `{}`)
		if got := f.send(ann, "", "hello", `{"roo":"x"}`); got != `"ann hello"` {
			t.Error(got)
		}
		if got := f.send(ann, "lobby", "hello", ``); !strings.HasPrefix(got, "forbidden") {
			t.Error(got)
		}
		if got := f.policy.Stats().Others; got != 1 {
			t.Errorf("counted %d", got)
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

// Messages that could not be sent are not acknowledged.
func TestSendFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, enforce.Config{}, ignis.Config{Bus: brokenBus{bustest.NewCluster(1)[0]}, MaxMessage: 1000})
		ann := f.login("ann", `{"teams":["red"]}`)
		ann.Join("team-red")
		if got := f.send(ann, "team-red", "say", `{}`); got != "unavailable: The message did not reach all servers" {
			t.Error(got)
		}
		ann.Expect("say", nil)
		if got := f.send(ann, "team-red", "say", `"`+strings.Repeat("x", 2000)+`"`); got != "too_large: The message is too large" {
			t.Error(got)
		}
		if got := f.policy.Stats().Relayed; got != 1 {
			t.Errorf("counted %d", got)
		}
	})
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

// Members on other servers receive what the rules allow on the sender's server.
func TestCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := bustest.NewCluster(2)
		here := newFixture(t, enforce.Config{}, ignis.Config{Bus: bus[0]})
		there := newFixture(t, enforce.Config{}, ignis.Config{Bus: bus[1]})
		ann, bob := here.login("ann", `{"teams":["red"]}`), there.login("bob", `{"teams":["red"]}`)
		ann.Join("team-red")
		bob.Join("team-red")
		if got := here.send(ann, "team-red", "say", `{"from":"boss"}`); got != "" {
			t.Error(got)
		}
		from := wire.Sender{ID: ann.ID(), UserID: "ann"}
		if m := bob.Receive(); m.Room != "team-red" || m.From != from || string(m.Data) != `{"from":{"id":"`+ann.ID()+`","userId":"ann"}}` {
			t.Errorf("received %+v", m)
		}
		bob.ExpectNothing()
		if got := there.policy.Stats().Relayed; got != 0 {
			t.Errorf("the other server relayed %d messages", got)
		}
	})
}

// The metadata that package jwtauth sets have the method that a policy looks for.
var _ interface {
	Field(name string) json.RawMessage
} = (*jwtauth.Claims)(nil)

// brokenBus is a bus that publishes nothing.
type brokenBus struct{ ignis.Bus }

func (brokenBus) Publish(string, []byte) error { return errors.New("down") }

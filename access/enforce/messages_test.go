package enforce_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/access/enforce"
	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/ignistest"
	"github.com/ignis-go/ignis/wire"
)

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
			line := `msg="message refused by the room rules" reason=` + logged(c.reason) + " "
			if c.reason == enforce.NoRoom || c.reason == enforce.TwoRooms {
				line += "room="
			}
			if !strings.Contains(f.log.String(), line) || strings.Contains(f.log.String(), "rule=-1") {
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

// With ExceptSender, everyone in the room but the sending connection receives a message, on
// all servers and with both protocols.
func TestExceptSender(t *testing.T) {
	rules := parse(t, `
- match: room
  join: anyone
  send:
    - {events: [typing], except_sender: true}
    - {events: [edit], to: both, except_sender: true}
    - {events: [say]}
`)
	for _, event := range []string{"typing", "edit", "say"} {
		synctest.Test(t, func(t *testing.T) {
			bus := bustest.NewCluster(2)
			here := newFixture(t, enforce.Config{Rules: rules}, ignis.Config{Bus: bus[0]})
			there := newFixture(t, enforce.Config{Rules: rules}, ignis.Config{Bus: bus[1]})
			ann, old := here.login("ann", `{}`), here.login1("old", `{}`)
			others := []*ignistest.Client{here.login("ann", `{}`), there.login("ann", `{}`), there.login("bob", `{}`)}
			for _, c := range append(others, ann) {
				c.Join("room")
			}
			old.Send("join", map[string]any{"rooms": []string{"room"}})
			synctest.Wait()
			others = append(others, old)

			if got := here.send(ann, "room", event, `{"n":1}`); got != "" {
				t.Error(got)
			}
			for _, c := range others {
				if m := c.Receive(); m.Event != event || string(m.Data) != `{"n":1,"from":{"id":"`+ann.ID()+`","userId":"ann"}}` {
					t.Errorf("received %+v", m)
				}
			}
			if event == "say" {
				ann.Expect(event, nil)
			}
			ann.ExpectNothing()

			old.Send(event, json.RawMessage(`{"room":"room"}`))
			for _, c := range append(others[:3:3], ann) {
				if m := c.Receive(); m.Event != event || m.From.UserID != "old" {
					t.Errorf("received %+v", m)
				}
			}
			if event == "say" {
				old.Receive()
			}
			old.ExpectNothing()
			if asked := len(here.hook.messages); (asked == 2) != (event == "edit") {
				t.Errorf("%s: the webhook received %d messages", event, asked)
			}
		})
	}
}

// brokenBus is a bus that publishes nothing.
type brokenBus struct{ ignis.Bus }

func (brokenBus) Publish(string, []byte) error { return errors.New("down") }

package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/ignistest"
	"github.com/ignis-go/ignis/webhook"
	"github.com/ignis-go/ignis/wire"
)

// allCallbacks is the configuration of a server that uses c for everything.
func allCallbacks(c *webhook.Client) ignis.Config {
	return ignis.Config{
		Accept: func(r *http.Request) (ignis.Accepted, error) {
			return ignis.Accepted{Context: c.WithHeaders(context.Background(), r)}, nil
		},
		Authenticate: c.Authenticate, ValidateRooms: c.ValidateRooms, OnMessage: c.OnMessage,
		OnConnect: c.OnConnect, OnJoin: c.OnJoin, OnLeave: c.OnLeave, OnDisconnect: c.OnDisconnect,
	}
}

// chat answers like an application: it accepts clients with a name, allows rooms that begin
// with "a", and replies to messages.
func chat(w http.ResponseWriter, _ *http.Request, in received) {
	var d struct {
		Credentials struct{ Name string }
		Client      struct{ User string }
		Rooms       []string
		Data        any
	}
	_ = json.Unmarshal(in.Data, &d)
	var answer any
	switch in.Type {
	case "authenticate":
		answer = map[string]any{"user": d.Credentials.Name, "info": map[string]string{"name": d.Credentials.Name}}
		if d.Credentials.Name == "" {
			answer = map[string]any{"refuse": map[string]string{"message": "Who are you?"}}
		}
	case "join":
		answer = map[string]any{"rooms": slices.DeleteFunc(d.Rooms, func(room string) bool { return !strings.HasPrefix(room, "a") })}
	case "message":
		answer = map[string]any{"reply": []any{d.Client.User, d.Data}}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// A server that uses the endpoint for everything: the answers reach the client, and the events
// arrive in order, from connected to disconnected, even if the server shuts down.
func TestServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newApp(t, chat)
		c := a.newClient(webhook.Config{Headers: []string{"Cookie"}})
		srv := ignistest.NewServer(t, allCallbacks(c))
		an := srv.Dial(t, map[string]string{"name": "ann"})
		an.Join("a1")
		var reply []any
		an.Request("say", map[string]int{"n": 1}, &reply)
		if len(reply) != 2 || reply[0] != "ann" {
			t.Errorf("the reply is %v", reply)
		}
		if joined, err := an.Conn.Join(t.Context(), "b1", "a1"); err == nil || len(joined.Rooms) != 1 {
			t.Errorf("joined %v, %v", joined, err)
		}
		if err := an.Conn.Leave(t.Context(), "a1"); err != nil {
			t.Error(err)
		}
		an.Join("a2")
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		var types []string
		for _, r := range a.take() {
			if r.Type != "events" {
				continue
			}
			for _, e := range eventsOf(t, r).Events {
				types = append(types, e.Type+" "+e.Room+e.Cause)
			}
		}
		want := []string{"connected ", "joined a1", "left a1asked", "joined a2", "left a2disconnected", "disconnected server shutdown"}
		if !slices.Equal(types, want) {
			t.Errorf("told of %q, want %q", types, want)
		}
		if s := c.Stats(); s.Queued != 0 || len(s.Lost) != 0 || s.Delivered != uint64(len(want)) {
			t.Errorf("counted %+v", s)
		}
	})
}

// How a client that is not accepted is closed, and whether it may connect again.
func TestServerRefuses(t *testing.T) {
	for name, row := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request, received)
		code   uint16
		again  bool
	}{
		"refused":      {chat, 4003, false},
		"401":          {says(401, ""), 4003, false},
		"later":        {says(200, `{"refuse":{"code":"unavailable"}}`), 1013, true},
		"500":          {says(500, ""), 1013, true},
		"nonsense":     {says(200, "OK"), 1013, true},
		"hangs":        {hangs, 1013, true},
		"expired":      {says(200, `{"user":"ann","expires":1}`), 4003, false},
		"circuit open": {nil, 1013, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				a := newApp(t, row.answer)
				c := a.newClient(webhook.Config{CircuitFailures: 1})
				if row.answer == nil {
					a.set(says(500, ""))
					ask(t.Context(), c)
				}
				srv := ignistest.NewServer(t, allCallbacks(c))
				_, err := client.Dial(t.Context(), srv.URL, client.Config{NetDial: srv.NetDial, Credentials: map[string]string{"token": private}})
				e, ok := errors.AsType[*client.CloseError](err)
				if !ok {
					t.Fatal(err)
				}
				if again, _ := e.Reconnect(); e.Code != row.code || again != row.again {
					t.Errorf("closed with %v", e)
				}
			})
		})
	}
}

// The text and the code of each refusal reach the client.
func TestServerPassesTexts(t *testing.T) {
	const refuse = `"refuse":{"code":"rate_limited","message":"Come back at \"8\"."}`
	want := client.Error{Code: wire.CodeRateLimited, Message: `Come back at "8".`}
	bubble(t, func(t *testing.T) {
		a := newApp(t, says(200, "{"+refuse+"}"))
		srv := ignistest.NewServer(t, allCallbacks(a.newClient(webhook.Config{})))
		_, err := client.Dial(t.Context(), srv.URL, client.Config{NetDial: srv.NetDial})
		if said, ok := errors.AsType[*client.Error](err); !ok || *said != want {
			t.Errorf("the login: %v", err)
		}
		a.set(chat)
		an := srv.Dial(t, map[string]string{"name": "ann"})
		a.set(says(200, `{"rooms":["a"],`+refuse+`}`))
		_, err = an.Conn.Join(t.Context(), "a", "b")
		room := wire.RefusedRoom{Room: "b", Code: want.Code, Message: want.Message}
		if e, ok := errors.AsType[*client.JoinError](err); !ok || len(e.Refused) != 1 || e.Refused[0] != room {
			t.Errorf("the join: %v", err)
		}
		a.set(says(200, "{"+refuse+"}"))
		_, err = an.Conn.Request(t.Context(), "say", nil)
		if said, ok := errors.AsType[*client.Error](err); !ok || *said != want {
			t.Errorf("the message: %v", err)
		}
		_, err = an.Conn.Refresh(t.Context(), map[string]string{})
		if said, ok := errors.AsType[*client.Error](err); !ok || *said != want {
			t.Errorf("the refresh: %v", err)
		}
	})
}

// However the endpoint fails, messages are delivered without delay, and the server shuts down.
func TestNotInTheWay(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request, received){
		"hangs": hangs, "fails": says(500, ""), "answers nonsense": says(200, "<html>"),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				a := newApp(t, answer)
				c := a.newClient(webhook.Config{QueueEvents: 5})
				cfg := allCallbacks(c)
				cfg.Authenticate = func(context.Context, ignis.Credentials) (ignis.Identity, error) {
					return ignis.Identity{UserID: "ann"}, nil
				}
				cfg.DefaultRooms = []string{"news"}
				srv := ignistest.NewServer(t, cfg)
				an, bob := srv.Dial(t, nil), srv.Dial(t, nil)
				began := time.Now()
				for range 3 {
					an.Send("say", 1) // each waits for the endpoint
				}
				synctest.Wait()
				if err := srv.Send(t.Context(), ignis.ToRoom("news"), "tick", 1); err != nil {
					t.Error(err)
				}
				an.Expect("tick", nil)
				bob.Expect("tick", nil)
				if time.Since(began) != 0 {
					t.Errorf("fake time has passed: %v", time.Since(began))
				}
				if e := an.RequestError("say", 1); e.Code != wire.CodeUnavailable && e.Code != wire.CodeTimeout {
					t.Errorf("told %v", e)
				}
				if _, err := bob.Conn.Join(t.Context(), "a"); err == nil {
					t.Error("joined")
				}
			})
		})
	}
}

// A refresh while the endpoint fails changes nothing.
func TestRefresh(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newApp(t, chat)
		c := a.newClient(webhook.Config{})
		cfg := allCallbacks(c)
		cfg.Authenticate = c.Authenticate
		srv := ignistest.NewServer(t, cfg)
		an := srv.Dial(t, map[string]string{"name": "ann"})
		an.Join("a1")
		a.set(func(w http.ResponseWriter, r *http.Request, in received) {
			if in.Type == "join" {
				_, _ = io.WriteString(w, "nonsense")
				return
			}
			chat(w, r, in)
		})
		for _, answer := range []func(http.ResponseWriter, *http.Request, received){nil, says(500, "")} {
			if answer != nil {
				a.set(answer)
			}
			if e := an.RequestError("refresh", map[string]string{"name": "ann"}); e.Code != wire.CodeUnavailable {
				t.Errorf("told %v", e)
			}
			if !srv.InRoom(an.ID(), "a1") {
				t.Error("the client has lost its room")
			}
		}
		a.set(chat)
		if e := an.RequestError("refresh", map[string]string{}); e.Code != wire.CodeForbidden || e.Message != "Who are you?" {
			t.Errorf("told %v", e)
		}
		an.Request("refresh", map[string]string{"name": "ann"}, nil)
	})
}

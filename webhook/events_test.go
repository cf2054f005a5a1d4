package webhook_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/webhook"
)

// told is a request with events as the endpoint decodes it.
type told struct {
	Events []struct {
		ID, Type, Timestamp string
		Client              struct{ ID string }
		Room, Cause, Event  string
	}
	Lost uint64
}

func eventsOf(t testing.TB, r received) told {
	t.Helper()
	var d told
	if err := json.Unmarshal(r.Data, &d); err != nil || r.Type != "events" {
		t.Errorf("%v: %+v", err, r)
	}
	return d
}

// rooms returns the rooms of the events in requests, in order.
func rooms(t testing.TB, requests []received) (list []string) {
	t.Helper()
	for _, r := range requests {
		for _, e := range eventsOf(t, r).Events {
			list = append(list, e.Room)
		}
	}
	return list
}

// join reports that a client has joined a room.
func join(t testing.TB, c *webhook.Client, id, room string) {
	t.Helper()
	who := ann()
	who.ID = id
	c.OnJoin(t.Context(), who, room)
}

// The exact form of each event.
func TestEvents(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newApp(t, says(204, ""))
		c := a.idleClient(webhook.Config{})
		who := ann()
		c.OnConnect(t.Context(), who)
		c.OnJoin(t.Context(), who, "lobby")
		c.OnLeave(t.Context(), who, "lobby", ignis.LeftAsked)
		if reply, err := c.TellMessage(t.Context(), who, message("say", `{"text":"<s3cr3t>"}`)); reply != nil || err != nil {
			t.Error(reply, err)
		}
		c.OnDisconnect(t.Context(), who, ignis.Disconnect{Cause: ignis.CauseExpired, Code: 4005, Reason: "Session expired", Rooms: []string{"a"}})
		c.OnDisconnect(t.Context(), &ignis.Client{ID: "c2"}, ignis.Disconnect{Cause: ignis.CauseConnectionLost, Code: 1006})
		if s := c.Stats(); s.Queued != 6 || s.QueuedBytes < 6*200 {
			t.Errorf("counted %+v", s)
		}
		a.run(c)
		synctest.Wait()
		client := `"timestamp":"2000-01-01T00:00:00.000Z","client":{"id":"c1","user":"ann","address":"192.0.2.7:5000","connectedAt":"2026-01-31T09:05:07.000Z","tokenId":"t1","info":{"name":"Ann"}}`
		var got []string
		ids := make(map[string]bool)
		for _, r := range a.take() {
			var d struct{ Events []json.RawMessage }
			if err := json.Unmarshal(r.Data, &d); err != nil {
				t.Fatal(err)
			}
			for i, e := range d.Events {
				id := eventsOf(t, r).Events[i].ID
				ids[id] = true
				got = append(got, strings.Replace(string(e), `"id":"`+id+`",`, "", 1))
			}
		}
		want := []string{
			`{"type":"connected",` + client + `}`,
			`{"type":"joined",` + client + `,"room":"lobby"}`,
			`{"type":"left",` + client + `,"room":"lobby","cause":"asked"}`,
			`{"type":"message",` + client + `,"room":"quiz-1","event":"say","messageId":"7","data":{"text":"<s3cr3t>"}}`,
			`{"type":"disconnected",` + client + `,"cause":"session expired","code":4005,"reason":"Session expired","rooms":["a"]}`,
			`{"type":"disconnected","timestamp":"2000-01-01T00:00:00.000Z","client":{"id":"c2"},"cause":"connection lost","code":1006}`,
		}
		slices.Sort(got) // the clients' requests are sent in any order
		slices.Sort(want)
		if !slices.Equal(got, want) || len(ids) != 6 {
			t.Errorf("%d IDs; got\n%s\nwant\n%s", len(ids), strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if s := c.Stats(); s.Queued != 0 || s.QueuedBytes != 0 || s.Delivered != 6 || len(s.Lost) != 0 {
			t.Errorf("counted %+v", s)
		}
	})
}

// orderly is an endpoint that fails now and then, and checks that each client's events
// arrive in order, that none is missing, and that those that arrive again have the same ID.
// The rooms of the events are their numbers.
type orderly struct {
	t testing.TB

	mu       sync.Mutex
	requests int
	handled  map[string][]string // IDs of events by client
}

func (o *orderly) answer(w http.ResponseWriter, _ *http.Request, in received) {
	o.mu.Lock()
	o.requests++
	n := o.requests
	o.mu.Unlock()
	if n%3 == 1 {
		time.Sleep(time.Duration(n%7) * time.Second)
	}
	if n%5 == 2 { // fails before anything is handled
		w.WriteHeader(500)
		return
	}
	o.handle(eventsOf(o.t, in))
	if n%5 == 3 { // handled, but the answer gets lost
		panic(http.ErrAbortHandler)
	}
}

func (o *orderly) handle(d told) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range d.Events {
		i, _ := strconv.Atoi(e.Room)
		switch ids := o.handled[e.Client.ID]; {
		case i == len(ids):
			o.handled[e.Client.ID] = append(ids, e.ID)
		case i > len(ids):
			o.t.Errorf("%s: %d instead of %d", e.Client.ID, i, len(ids))
		case ids[i] != e.ID:
			o.t.Errorf("%s: %d again with another ID", e.Client.ID, i)
		}
	}
}

// Whatever fails in between, events are delivered at least once, and those of a client in
// order.
func TestOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const clients, each = 20, 50
		o := &orderly{t: t, handled: make(map[string][]string)}
		a := newApp(t, o.answer)
		c := a.newClient(webhook.Config{BatchEvents: 7, EventMaxAge: 24 * time.Hour})
		for i := range each {
			for id := range clients {
				join(t, c, fmt.Sprint("c", id), fmt.Sprint(i))
			}
			time.Sleep(time.Second)
		}
		time.Sleep(2 * time.Hour) // failures delay some clients more than others
		if s := c.Stats(); s.Delivered != clients*each || s.Queued != 0 || s.QueuedBytes != 0 || s.Retries == 0 || len(s.Lost) != 0 {
			t.Errorf("counted %+v", s)
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		for id, ids := range o.handled {
			if len(ids) != each {
				t.Errorf("%s: %d events", id, len(ids))
			}
		}
	})
}

// A request that fails is sent again with the same ID, the same body and a new timestamp,
// after pauses that double, up to a minute, and vary by half.
func TestBackoff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newApp(t, says(500, ""))
		c := a.newClient(webhook.Config{CircuitFailures: 1000, EventMaxAge: time.Hour})
		join(t, c, "c1", "a")
		time.Sleep(10 * time.Minute)
		list := a.take()
		if len(list) < 12 || len(list) > 17 {
			t.Fatalf("%d requests", len(list))
		}
		pause := time.Second
		differs := false
		for i := 1; i < len(list); i++ {
			was, is := list[i-1], list[i]
			if is.ID != was.ID || string(is.Data) != string(was.Data) || is.At <= was.At {
				t.Errorf("%+v after %+v", is, was)
			}
			got := time.Duration(is.At-was.At) * time.Second // rounded to seconds
			if got < pause-time.Second || got > pause+pause/2+time.Second {
				t.Errorf("the pause %d was %v instead of %v", i, got, pause)
			}
			differs = differs || got > pause+time.Second
			pause = min(2*pause, time.Minute)
		}
		if !differs {
			t.Error("the pauses do not vary")
		}
		a.set(says(200, ""))
		time.Sleep(2 * time.Minute)
		if s := c.Stats(); s.Delivered != 1 || s.Retries != uint64(len(list)) {
			t.Errorf("counted %+v after %d requests", s, len(list))
		}
	})
}

// Retry-After holds all requests with events, within bounds. Questions are not held.
func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"30":                            30 * time.Second,
		" 30 ":                          30 * time.Second,
		"300":                           5 * time.Minute,
		"301":                           5 * time.Minute,
		"99999999999999999999999":       5 * time.Minute,
		"Sat, 01 Jan 2000 00:01:00 GMT": time.Minute,
		"Sat, 01 Jan 2000 09:00:00 GMT": 5 * time.Minute,
		"Fri, 31 Dec 1999 23:59:00 GMT": 0,
		"0":                             0,
		"-30":                           0,
		"1.5":                           0,
		"soon":                          0,
		"":                              0,
	} {
		t.Run(value, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				a := newApp(t, nil)
				a.set(func(w http.ResponseWriter, _ *http.Request, in received) {
					switch {
					case in.Type != "events":
						_, _ = io.WriteString(w, `{"user":"ann"}`)
					case strings.Contains(string(in.Data), "first"):
						a.set(says(200, `{"user":"ann"}`))
						w.Header().Set("Retry-After", value)
						w.WriteHeader(503)
					}
				})
				c := a.newClient(webhook.Config{EventConcurrency: 16})
				began := time.Now()
				join(t, c, "c1", "first")
				synctest.Wait()
				for i := range 50 {
					join(t, c, fmt.Sprint(i), "x")
				}
				if got := ask(t.Context(), c); got != "" {
					t.Errorf("the question failed: %s", got)
				}
				a.take()
				least := max(want, time.Second) // the pause after a failure, of one lane
				for now := time.Second; now <= 6*time.Minute; now += time.Second {
					time.Sleep(time.Until(began.Add(now)) - time.Nanosecond)
					for _, room := range rooms(t, a.take()) {
						if now <= want || room == "first" && now <= least {
							t.Errorf("an event of %s arrived within %v", room, now)
						}
					}
				}
				if s := c.Stats(); s.Delivered != 51 {
					t.Errorf("counted %+v", s)
				}
			})
		})
	}
}

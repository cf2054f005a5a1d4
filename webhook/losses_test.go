package webhook_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/webhook"
	"github.com/ignis-go/ignis/wire"
)

// After 413 and 422, the same events are not sent again.
func TestEventsRefused(t *testing.T) {
	for _, status := range []int{413, 422} {
		bubble(t, func(t *testing.T) {
			a := newApp(t, says(status, "no"))
			c := a.newClient(webhook.Config{CircuitFailures: 1})
			join(t, c, "c1", "a")
			join(t, c, "c1", "b")
			synctest.Wait()
			a.set(says(200, ""))
			join(t, c, "c1", "c")
			synctest.Wait()
			s := c.Stats()
			if s.Lost[webhook.LostRefused]+s.Delivered != 3 || s.Lost[webhook.LostRefused] == 0 || s.Delivered == 0 || s.Retries != 0 || s.Queued != 0 || s.Events.Refused == 0 {
				t.Errorf("%d: counted %+v", status, s)
			}
			if list := a.take(); eventsOf(t, list[len(list)-1]).Lost != s.Lost[webhook.LostRefused] {
				t.Error("the endpoint was told another number of lost events")
			}
			if !a.log.Has("webhook: events lost") || !a.log.Has(fmt.Sprintf("webhook: events: refused by the endpoint: %d: no", status)) {
				t.Errorf("logged %v", a.log)
			}
		})
	}
}

// After 410, no events are sent for an hour. Questions are not affected.
func TestGone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newApp(t, nil)
		gone := true
		a.set(func(w http.ResponseWriter, r *http.Request, in received) {
			switch {
			case in.Type != "events":
				says(200, `{"user":"ann"}`)(w, r, in)
			case strings.Contains(string(in.Data), "fails"):
				w.WriteHeader(500)
			case gone:
				w.WriteHeader(410)
			}
		})
		c := a.newClient(webhook.Config{EventConcurrency: 16, EventMaxAge: 3 * time.Hour})
		join(t, c, "c1", "fails") // waits for its second attempt while another one gets the 410
		synctest.Wait()
		for i := range 10 {
			join(t, c, fmt.Sprint("other", i), "x")
		}
		join(t, c, "c1", "y")
		synctest.Wait()
		join(t, c, "c1", "z")
		time.Sleep(5 * time.Second)
		s := c.Stats()
		if s.Lost[webhook.LostGone] != 13 || s.Queued != 0 || s.QueuedBytes != 0 || s.Retries != 0 || s.Events.Refused == 0 {
			t.Errorf("counted %+v", s)
		}
		if !a.log.Has("webhook: the endpoint wants no more events (410); none are sent for an hour") || !a.log.Has("level=ERROR") {
			t.Errorf("logged %v", a.log)
		}
		a.take()
		if got := ask(t.Context(), c); got != "" {
			t.Errorf("the question failed: %s", got)
		}
		gone = false
		time.Sleep(time.Hour - 6*time.Second)
		if _, err := c.TellMessage(t.Context(), ann(), message("say", `1`)); err == nil {
			t.Error("an event was accepted")
		}
		if n := len(a.take()); n != 1 {
			t.Errorf("%d requests", n)
		}
		time.Sleep(10 * time.Second)
		join(t, c, "c1", "after")
		synctest.Wait()
		if got := rooms(t, a.take()); !slices.Equal(got, []string{"after"}) {
			t.Errorf("told of %q", got)
		}
		if s := c.Stats(); s.Lost[webhook.LostGone] != 14 || s.Delivered != 1 {
			t.Errorf("counted %+v", s)
		}
	})
}

// If the queue is full, new events are lost. They are logged and counted, and the sender of a
// message and the endpoint are told.
func TestQueueFull(t *testing.T) {
	for name, cfg := range map[string]webhook.Config{
		"events": {QueueEvents: 10},
		"bytes":  {QueueBytes: 10 * 400},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				a := newApp(t, hangs)
				c := a.newClient(cfg)
				n := 0
				for range 100 {
					_, err := c.TellMessage(t.Context(), ann(), message("say", `1`))
					switch e, _ := errors.AsType[*ignis.Error](err); {
					case err == nil:
						n++
					case e == nil || e.Code != wire.CodeUnavailable:
						t.Errorf("the client is told %v", err)
					}
				}
				if n < 9 || n > 12 {
					t.Errorf("%d events were queued", n)
				}
				s := c.Stats()
				if s.Queued != n || s.Lost[webhook.LostFull] != uint64(100-n) || cfg.QueueBytes > 0 && s.QueuedBytes > cfg.QueueBytes {
					t.Errorf("counted %+v", s)
				}
				if a.log.Count("webhook: event lost") != 1 || !a.log.Has("queue full") {
					t.Errorf("logged %v", a.log)
				}
				a.set(says(200, ""))
				time.Sleep(time.Minute)
				join(t, c, "c1", "after")
				synctest.Wait()
				list := a.take()
				if d := eventsOf(t, list[len(list)-1]); d.Lost != uint64(100-n) {
					t.Errorf("the endpoint was told of %d lost events", d.Lost)
				}
				if s := c.Stats(); s.Delivered != uint64(n+1) || s.Queued != 0 || s.QueuedBytes != 0 {
					t.Errorf("counted %+v", s)
				}
			})
		})
	}
}

// A request has up to BatchEvents events, or up to 256 KiB, or a single larger one.
func TestBatches(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newApp(t, says(200, ""))
		c := a.idleClient(webhook.Config{BatchEvents: 10})
		tell := func(size int) {
			if _, err := c.TellMessage(t.Context(), ann(), message("say", `"`+strings.Repeat("x", size)+`"`)); err != nil {
				t.Error(err)
			}
		}
		for range 25 {
			tell(1)
		}
		for range 6 {
			tell(100 << 10)
		}
		tell(300 << 10)
		tell(1)
		a.run(c)
		synctest.Wait()
		var got []int
		for _, r := range a.take() {
			got = append(got, len(eventsOf(t, r).Events))
		}
		if want := []int{10, 10, 7, 2, 2, 1, 1}; !slices.Equal(got, want) {
			t.Errorf("batches of %v, want %v", got, want)
		}
	})
}

// Events that are too old are lost, and the others of their client are delivered.
func TestTooOld(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newApp(t, says(500, ""))
		c := a.newClient(webhook.Config{EventMaxAge: time.Minute, CircuitFailures: 3, CircuitPause: 80 * time.Second})
		join(t, c, "c1", "old")
		time.Sleep(50 * time.Second)
		join(t, c, "c1", "young")
		a.set(says(200, ""))
		a.take()
		time.Sleep(10*time.Second + 10*time.Millisecond)
		if s := c.Stats(); s.Lost[webhook.LostTooOld] != 1 || s.Queued != 1 || s.Events.Circuit != webhook.CircuitOpen {
			t.Errorf("counted %+v", s)
		}
		time.Sleep(45 * time.Second)
		if got := rooms(t, a.take()); !slices.Equal(got, []string{"young"}) {
			t.Errorf("told of %q; counted %+v", got, c.Stats())
		}
		if !a.log.Has("too old") {
			t.Errorf("logged %v", a.log)
		}
	})
}

// While the circuit is open, only single requests test the endpoint, however many events wait.
func TestEventsCircuit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newApp(t, says(500, ""))
		c := a.newClient(webhook.Config{CircuitFailures: 4, CircuitPause: 10 * time.Second})
		for i := range 100 {
			join(t, c, fmt.Sprint(i), "x")
		}
		synctest.Wait()
		if s := c.Stats().Events; s.Requests != 4 || s.Circuit != webhook.CircuitOpen {
			t.Errorf("counted %+v", s)
		}
		time.Sleep(30 * time.Second)
		if s := c.Stats().Events; s.Requests > 6 || s.Opened != s.Requests-3 {
			t.Errorf("counted %+v", s)
		}
		a.set(says(200, ""))
		time.Sleep(time.Minute)
		if s := c.Stats(); s.Delivered != 100 || s.Events.Circuit != webhook.CircuitClosed {
			t.Errorf("counted %+v", s)
		}
	})
}

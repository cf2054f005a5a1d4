package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis/webhook"
)

// When its context ends, Run delivers what is left.
func TestDrain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newApp(t, func(http.ResponseWriter, *http.Request, received) { time.Sleep(time.Second) })
		c := a.idleClient(webhook.Config{BatchEvents: 1, EventConcurrency: 1})
		for i := range 4 {
			join(t, c, "c1", fmt.Sprint(i))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.Run(ctx); err != nil {
			t.Error(err)
		}
		if s := c.Stats(); s.Delivered != 4 || s.Queued != 0 || len(s.Lost) != 0 {
			t.Errorf("counted %+v", s)
		}
		join(t, c, "c1", "late")
		if s := c.Stats(); s.Lost[webhook.LostShutdown] != 1 || s.Queued != 0 {
			t.Errorf("counted %+v", s)
		}
		if err := c.Run(ctx); err == nil {
			t.Error("Run ran twice")
		}
	})
}

// Run returns after DrainTimeout, whatever the endpoint does, and logs what was lost.
func TestDrainTimeout(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request, received){
		"hangs": hangs,
		"fails": says(500, ""),
		"puts off": func(w http.ResponseWriter, _ *http.Request, _ received) {
			w.Header().Set("Retry-After", "300")
			w.WriteHeader(503)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				a := newApp(t, answer)
				c := a.idleClient(webhook.Config{DrainTimeout: 3 * time.Second, BatchEvents: 2, EventConcurrency: 2})
				for i := range 10 {
					join(t, c, fmt.Sprint("c", i), "x")
				}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan time.Time, 1)
				go func() {
					if err := c.Run(ctx); err != nil {
						t.Error(err)
					}
					ended <- time.Now()
				}()
				time.Sleep(time.Second)
				cancel()
				if took := (<-ended).Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)); took != 4*time.Second {
					t.Errorf("Run ended after %v", took)
				}
				if s := c.Stats(); s.Lost[webhook.LostShutdown] != 10 || s.Queued != 0 || s.QueuedBytes != 0 || s.Delivered != 0 {
					t.Errorf("counted %+v", s)
				}
				if !a.log.Has(`webhook: events lost`) || !a.log.Has("cause=shutdown events=10") {
					t.Errorf("logged %v", a.log)
				}
			})
		})
	}
}

// Reporting an event never blocks, even if nothing is delivered.
func TestTellingDoesNotBlock(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newApp(t, hangs)
		c := a.idleClient(webhook.Config{})
		began := time.Now()
		for i := range 20_000 {
			join(t, c, fmt.Sprint(i), "x")
		}
		synctest.Wait()
		if time.Since(began) != 0 {
			t.Error("fake time has passed")
		}
		if s := c.Stats(); s.Queued != 10_000 || s.Lost[webhook.LostFull] != 10_000 {
			t.Errorf("counted %+v", s)
		}
	})
}

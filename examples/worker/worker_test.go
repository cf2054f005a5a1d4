package main

import (
	"bytes"
	"context"
	"io"
	"log"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis/cron/crontest"
	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/wire"
)

// outbox is an emitter.Publisher that records envelopes, in place of Redis.
type outbox struct {
	mu   sync.Mutex
	sent []wire.Envelope
}

func (o *outbox) Publish(_ context.Context, envelopes ...wire.Publication) []error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range envelopes {
		e, err := wire.DecodeEnvelope(bytes.Clone(p.Envelope))
		if err != nil {
			return []error{err}
		}
		o.sent = append(o.sent, e)
	}
	return nil
}

func (o *outbox) count(event string, to wire.Address) (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, e := range o.sent {
		if e.Event == event && e.To == to {
			n++
		}
	}
	return n
}

// Two workers run for an hour and a half, stop for two hours, and run again.
func TestWorkersSendEverythingOnce(t *testing.T) {
	log.SetOutput(io.Discard)
	defer log.SetOutput(os.Stderr)
	synctest.Test(t, func(t *testing.T) {
		var store crontest.Memory
		var out outbox
		to, err := emitter.New(&out, emitter.Config{})
		if err != nil {
			t.Fatal(err)
		}
		both := func(d time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			var all sync.WaitGroup
			for range 2 {
				s, err := newScheduler(&store, to)
				if err != nil {
					t.Fatal(err)
				}
				all.Go(func() {
					if err := s.Run(ctx); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		}
		both(90*time.Minute + time.Second)
		if clocks, reports := out.count("clock", wire.ToRoom("lobby")), out.count("report", wire.ToEveryone()); clocks != 90*12 || reports != 1 {
			t.Errorf("%d clocks and %d reports", clocks, reports)
		}
		time.Sleep(2 * time.Hour) // 03:30:01
		both(time.Minute)
		if clocks, reports := out.count("clock", wire.ToRoom("lobby")), out.count("report", wire.ToEveryone()); clocks != 91*12+1 || reports != 3 {
			t.Errorf("after the pause: %d clocks and %d reports, want the two missed reports", clocks, reports)
		}
	})
}

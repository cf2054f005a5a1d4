package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis/cron/crontest"
	"github.com/ignis-go/ignis/wire"
)

// outbox keeps what is sent.
type outbox struct {
	mu   sync.Mutex
	sent []string
}

func (o *outbox) Send(_ context.Context, to wire.Address, event string, data any) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent = append(o.sent, fmt.Sprint(event, " to ", to, " ", data))
	return nil
}

func (o *outbox) count(event string) (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, text := range o.sent {
		if strings.HasPrefix(text, event+" ") {
			n++
		}
	}
	return n
}

// Two workers run for an hour and a half, are away for two, and come back.
func TestWorkersSendEverythingOnce(t *testing.T) {
	log.SetOutput(io.Discard)
	defer log.SetOutput(os.Stderr)
	synctest.Test(t, func(t *testing.T) {
		var store crontest.Memory
		var out outbox
		both := func(d time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			var all sync.WaitGroup
			for range 2 {
				s, err := newScheduler(&store, &out)
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
		if clocks, reports := out.count("clock"), out.count("report"); clocks != 90*12 || reports != 1 {
			t.Errorf("%d clocks and %d reports", clocks, reports)
		}
		time.Sleep(2 * time.Hour) // 03:30:01
		both(time.Minute)
		if clocks, reports := out.count("clock"), out.count("report"); clocks != 91*12+1 || reports != 3 {
			t.Errorf("after the pause: %d clocks and %d reports, want the two that were missed", clocks, reports)
		}
	})
}

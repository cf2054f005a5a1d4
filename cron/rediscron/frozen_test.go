package rediscron_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/cron/rediscron"
	"github.com/ignis-go/ignis/internal/redistest"
)

// Redis is frozen while an instant becomes due, and executes the claims when no process is
// waiting for the answers.
func TestFrozenRedis(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	at := whole(time.Now()).Add(4 * time.Second).UTC()
	runs := make(chan cron.Run, 10)
	left := make(chan cron.Record, 10)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 2 {
		s := open(t, rediscron.Config{URL: r.URL(), Timeout: time.Second})
		job, err := cron.New(cron.Config{
			Name: "job", Pattern: at.Format("5 4 15 2 1 *"), Zone: "UTC", Store: s, Logger: slog.New(slog.DiscardHandler),
			Do: func(_ context.Context, r cron.Run) error { runs <- r; return nil },
			OnRecord: func(r cron.Record) {
				if r.Outcome == cron.OutcomeMissed || r.Outcome == cron.OutcomeSkipped {
					left <- r
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			if err := job.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	defer all.Wait()
	defer cancel()
	time.Sleep(time.Until(at.Add(-500 * time.Millisecond)))
	r.Pause()
	time.Sleep(time.Until(at.Add(cron.Tolerance + 2*time.Second)))
	r.Resume()
	select {
	case run := <-runs:
		if !run.Scheduled.Equal(at) {
			t.Errorf("%v ran, want %v", run.Scheduled, at)
		}
	case rec := <-left:
		t.Errorf("the instant was not run, although there was time: %+v", rec)
	case <-time.After(20 * time.Second):
		t.Fatal("the instant was neither run nor recorded")
	}
	select {
	case run := <-runs:
		t.Errorf("it ran again: %+v", run)
	case <-time.After(2 * time.Second):
	}
}

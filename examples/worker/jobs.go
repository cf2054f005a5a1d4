package main

import (
	"context"
	"log"
	"time"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/wire"
)

// newScheduler returns the worker's jobs.
func newScheduler(store cron.Store, to *emitter.Emitter) (*cron.Scheduler, error) {
	configs := []cron.Config{
		{
			// A late tick of the clock would be useless, so missed ticks are skipped.
			Name: "clock", Pattern: "*/5 * * * * *", Misfire: cron.MisfireSkip, Deadline: 2 * time.Second,
			Do: func(ctx context.Context, r cron.Run) error {
				return to.Send(ctx, wire.ToRoom("lobby"), "clock", map[string]any{"time": r.Scheduled.UTC()})
			},
		},
		{
			// Each hour has its own report, so missed reports are sent later.
			Name: "report", Pattern: "@hourly", Misfire: cron.MisfireAll, Deadline: 6 * time.Hour,
			Timeout: 5 * time.Minute, Jitter: 30 * time.Second,
			Do: func(ctx context.Context, r cron.Run) error {
				hour := r.Scheduled.Add(-time.Hour)
				return to.Send(ctx, wire.ToEveryone(), "report", map[string]any{"hour": hour.UTC(), "late": r.Misfire, "number": r.Fence})
			},
		},
	}
	var s cron.Scheduler
	for _, c := range configs {
		c.Zone, c.Store = "Europe/Paris", store
		c.OnRecord = func(r cron.Record) {
			log.Printf("%s of %s: %s %s", r.Job, r.Scheduled.Format(time.TimeOnly), r.Outcome, r.Reason)
		}
		job, err := cron.New(c)
		if err != nil {
			return nil, err
		}
		if err := s.Add(job); err != nil {
			return nil, err
		}
	}
	return &s, nil
}

package rediscron_test

import (
	"context"
	"log"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/cron/rediscron"
)

// The function runs once a day, no matter how many processes do this with one Redis.
func Example() {
	store, err := rediscron.New(rediscron.Config{URL: "redis://127.0.0.1:6379"})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	job, err := cron.New(cron.Config{
		Name: "digest", Pattern: "0 9 * * *", Zone: "Europe/Paris", Store: store,
		Do: func(ctx context.Context, r cron.Run) error {
			return writeDigest(ctx, r.Scheduled.Format("2006-01-02"), r.Fence)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := job.Run(context.Background()); err != nil {
		log.Print(err)
	}
}

// writeDigest rejects a fence below one that it has seen, because that run was suspended
// while later ones proceeded.
func writeDigest(context.Context, string, uint64) error { return nil }

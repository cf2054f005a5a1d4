package cron_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/ignis-go/ignis/cron"
)

func ExampleSchedule_Next() {
	s, err := cron.Parse("30 2 * * *")
	if err != nil {
		log.Fatal(err)
	}
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		log.Fatal(err)
	}
	// On 30 March 2025 the clocks go from 02:00 to 03:00.
	for _, at := range s.NextN(time.Date(2025, 3, 29, 0, 0, 0, 0, paris), 3) {
		fmt.Println(at)
	}
	// Output:
	// 2025-03-29 02:30:00 +0100 CET
	// 2025-03-30 03:00:00 +0200 CEST
	// 2025-03-31 02:30:00 +0200 CEST
}

func ExampleSchedule_Explain() {
	fmt.Println(cron.MustParse("*/10 8-17 * * mon-fri").Explain())
	// Output: Every 10th minute, in hours 8 to 17, on Monday to Friday
}

func ExampleParse_extended() {
	s, err := cron.Parse("0 9 LW * *", cron.Extended) // the last weekday of the month
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(s.Next(time.Date(2025, 8, 1, 0, 0, 0, 0, time.UTC)))
	// Output: 2025-08-29 09:00:00 +0000 UTC
}

func ExampleJob() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	job, err := cron.New(cron.Config{
		Pattern: "* * * * * *", // each second
		Zone:    "UTC",
		Timeout: 10 * time.Second,
		Do: func(_ context.Context, r cron.Run) error {
			fmt.Println("a whole second:", r.Scheduled.Nanosecond() == 0, "early:", r.Lag() < 0)
			cancel() // once is enough here
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := job.Run(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: a whole second: true early: false
}

func ExampleScheduler() {
	var s cron.Scheduler
	for name, pattern := range map[string]string{"digest": "0 9 * * mon-fri", "cleanup": "@daily"} {
		job, err := cron.New(cron.Config{
			Name: name, Pattern: pattern, Zone: "Europe/Paris",
			Misfire: cron.MisfireSkip, // what was missed can wait for the next day
			Do:      func(context.Context, cron.Run) error { return nil },
		})
		if err != nil {
			log.Fatal(err)
		}
		if err := s.Add(job); err != nil {
			log.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(10*time.Millisecond, cancel) // a program would end with a signal
	fmt.Println(len(s.Jobs()), "jobs:", s.Run(ctx))
	// Output: 2 jobs: <nil>
}

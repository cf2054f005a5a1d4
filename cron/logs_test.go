package cron_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/internal/logtest"
)

// A job that fails for several reasons logs each reason and how often it occurred, both while it
// runs and when Run ends.
func TestEachFailureIsLogged(t *testing.T) {
	for name, run := range map[string]func(*cron.Job) interface{ Run(context.Context) error }{
		"job": func(j *cron.Job) interface{ Run(context.Context) error } { return j },
		"scheduler": func(j *cron.Job) interface{ Run(context.Context) error } {
			s := new(cron.Scheduler)
			if err := s.Add(j); err != nil {
				t.Fatal(err)
			}
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				var log logtest.Log
				c := d.config("* * * * * *", func(_ context.Context, r cron.Run) error {
					return fmt.Errorf("reason %d: %w", r.Scheduled.Second()%3, errors.New(strings.Repeat("x", 5000)))
				})
				c.Name, c.OnRunError = "test", nil
				c.Logger = log.Logger()
				stop := running(t, run(newJob(t, c)))
				elapse(3.5)
				if n := strings.Count(log.String(), `msg="run failed"`); n != 3 {
					t.Errorf("%d lines for three reasons:\n%.5000s", n, log.String())
				}
				elapse(8)
				if n := strings.Count(log.String(), "in_the_last="); n != 3 || len(log.String()) > 10_000 {
					t.Errorf("%d lines report how many were left out:\n%.5000s", n, log.String())
				}
				elapse(3)
				if err := stop(); err != nil {
					t.Fatal(err)
				}
				sum := 3
				for _, part := range strings.Split(log.String(), "more=")[1:] {
					var n int
					if _, err := fmt.Sscan(part, &n); err != nil {
						t.Fatal(err)
					}
					sum += n
				}
				want(t, "failures reported", sum, 14)
			})
		})
	}
}

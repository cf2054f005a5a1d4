package cron_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/cron/crontest"
	"github.com/ignis-go/ignis/internal/logtest"
)

// A job that is started with a different schedule than before does not run instants that were due
// before the change. With the same schedule it runs missed instants.
func TestAnotherSchedule(t *testing.T) {
	const hourly = "0 0 * * * *"
	for _, test := range []struct {
		name   string
		change func(c *cron.Config)
		runs   string
	}{
		{"the same", func(*cron.Config) {}, "7200 10800"},
		{"the same with other blanks", func(c *cron.Config) { c.Pattern = " 0  0 * * * *" }, "7200 10800"},
		{"another target", func(c *cron.Config) { c.Fingerprint = "b" }, "7200 10800"},
		{"another pattern", func(c *cron.Config) { c.Pattern = "0 5,45 * * * *" }, "9900 11100"},
		{"another zone", func(c *cron.Config) { c.Zone = "Asia/Kathmandu" }, "11700"}, // 5:45 ahead
	} {
		for _, restarts := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s, %d restarts", test.name, restarts), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var before, after diary
					var store crontest.Memory
					c := before.config(hourly, nil)
					c.Name, c.Store, c.Fingerprint = "job", &store, "a"
					stop := running(t, newJob(t, c))
					elapse(3700)
					_ = stop()
					elapse(4500) // 8200: 7200 was missed; the other schedules would have been due at 7500 and 8100
					a := after.config(hourly, nil)
					a.Name, a.Store, a.Fingerprint = "job", &store, "a"
					test.change(&a)
					for range restarts - 1 {
						stop := running(t, newJob(t, a))
						elapse(1)
						_ = stop()
						elapse(1)
					}
					running(t, newJob(t, a))
					elapse(4000)
					want(t, "runs", after.runs(), test.runs)
				})
			})
		}
	}
}

// Reschedule changes the plan in the store, so that restarted jobs and other processes see it.
func TestRescheduleIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var store crontest.Memory
		c := d.config("0 0 * * * *", nil)
		c.Name, c.Store = "job", &store
		j := newJob(t, c)
		stop := running(t, j)
		elapse(3900)
		if err := j.Reschedule("0 30 * * * *"); err != nil {
			t.Fatal(err)
		}
		elapse(10)
		_ = stop()
		elapse(1590) // 5500: 5400 was missed
		c.Pattern = "0 30 * * * *"
		running(t, newJob(t, c))
		elapse(100)
		want(t, "runs", d.runs(), "3600 5400")
	})
}

// If two running processes use one name for different jobs, the older one logs a warning, and an
// instant that one of them claims is not mistaken for a run of the other's schedule.
func TestProcessesDisagree(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(c *cron.Config)
		line   string
		runs   string
	}{
		{"they agree", func(*cron.Config) {}, "", "10 20 30 40 50 60 70 80 90"},
		{"another pattern", func(c *cron.Config) { c.Pattern = "5/10 * * * * *" }, "on a different schedule", "5 10 15 20 25 30 35 40 45 50 55 60 65 70 75 80 85 90 95"},
		{"another target", func(c *cron.Config) { c.Fingerprint = "b" }, "with a different fingerprint", "10 20 30 40 50 60 70 80 90"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				var store crontest.Memory
				var older, newer logtest.Log
				c := d.config("*/10 * * * * *", nil)
				c.Name, c.Store, c.Fingerprint = "job", &store, "a"
				c.Logger = older.Logger()
				running(t, newJob(t, c))
				elapse(1)
				c.Logger = newer.Logger()
				test.change(&c)
				running(t, newJob(t, c))
				elapse(95)
				want(t, "runs", d.runs(), test.runs)
				const text = "another process runs a job of this name"
				if has := strings.Contains(older.String(), text+" "+test.line); has != (test.line != "") {
					t.Errorf("log of the older process:\n%s", older.String())
				}
				if strings.Contains(newer.String(), text) {
					t.Errorf("log of the newer process:\n%s", newer.String())
				}
			})
		})
	}
}

// A process with a different schedule advances State.Last in the store. This process still runs
// the instants that it has missed.
func TestDisagreementHidesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d, other diary
		store := &slowStore{slow: 20, takes: 31e9, deaf: true}
		c := d.config("0/20 * * * * *", nil)
		c.Name, c.Store, c.Misfire = "job", store, cron.MisfireAll
		running(t, newJob(t, c))
		c = other.config("5/10 * * * * *", func(context.Context, cron.Run) error { return nil })
		c.Name, c.Store = "job", &store.Memory
		running(t, newJob(t, c))
		elapse(100.5)
		want(t, "runs", d.runs(), "20 40 60 80 100")
		want(t, "left out", d.left(), "")
	})
}

// Jobs that are rarely due query the store rarely, except shortly before an instant.
func TestRareJobsQueryRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var store crontest.Memory
		var d diary
		const jobs = 50
		for i := range jobs {
			c := d.config("0 0 12 * * *", nil)
			c.Name, c.Store = fmt.Sprintf("job-%d", i), &store
			running(t, newJob(t, c))
		}
		elapse(12*3600 - 30)
		if n := store.Queries(); n < 12*jobs || n > 25*jobs {
			t.Errorf("%d queries by %d jobs in 12 hours", n, jobs)
		}
		n := store.Queries()
		elapse(20)
		if n = store.Queries() - n; n < jobs || n > 2*jobs {
			t.Errorf("%d queries by %d jobs in the 20 s that end 10 s before an instant", n, jobs)
		}
		elapse(20)
		want(t, "runs", len(d.records), jobs)
		want(t, "left out", d.left(), "")
	})
}

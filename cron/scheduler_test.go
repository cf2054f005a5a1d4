package cron_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis/cron"
)

var quiet = slog.New(slog.DiscardHandler)

func TestScheduler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		job := func(name, pattern string, manual bool) *cron.Job {
			c := d.config(pattern, nil)
			c.Name, c.ManualStart = name, manual
			return newJob(t, c)
		}
		a, b := job("a", "*/10 * * * * *", false), job("b", "1-59/10 * * * * *", true)
		var s cron.Scheduler
		for _, j := range []*cron.Job{a, b} {
			if err := s.Add(j); err != nil {
				t.Fatal(err)
			}
		}
		for name, j := range map[string]*cron.Job{"nil": nil, "twice": a, "same name": job("b", "@daily", false)} {
			if s.Add(j) == nil {
				t.Errorf("%s: accepted", name)
			}
		}
		stop := running(t, &s)
		if err := s.Run(t.Context()); err == nil {
			t.Error("a second Run is accepted")
		}
		elapse(15)
		want(t, "runs, without the job that waits for Start", d.runs(), "10")
		b.Start()
		late := job("late", "3-59/10 * * * * *", false)
		if err := s.Add(late); err != nil {
			t.Fatal(err)
		}
		elapse(10) // 25
		want(t, "runs", d.runs(), "10 20 21 23")
		want(t, "removed", s.Remove(a), true)
		want(t, "removed again", s.Remove(a), false)
		elapse(10) // 35
		want(t, "runs after a was removed", d.runs(), "10 20 21 23 31 33")
		want(t, "completed", d.completed(), 1)
		want(t, "jobs", len(s.Jobs()), 2)
		want(t, "error of Run", stop(), nil)
		want(t, "completed after Run", d.completed(), 3)
		running(t, &s)
		elapse(10)
		want(t, "runs of the second Run", strings.TrimPrefix(d.runs(), "10 20 21 23 31 33 "), "43")
	})
}

func TestRemoveLetsRunsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		c := d.config("*/10 * * * * *", func(ctx context.Context, _ cron.Run) error {
			time.Sleep(5 * time.Second)
			return ctx.Err()
		})
		j := newJob(t, c)
		var s cron.Scheduler
		if err := s.Add(j); err != nil {
			t.Fatal(err)
		}
		stop := running(t, &s)
		elapse(11)
		s.Remove(j)
		want(t, "error of Run", stop(), nil)
		want(t, "when Run is over", second(time.Now()), 15)
		want(t, "succeeded", j.Status().Counts.Succeeded, 1)
	})
}

// A job that is added again while its runs are in progress is run when they have ended.
func TestRemoveThenAdd(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(s, other *cron.Scheduler, j *cron.Job)
		runs   string
		listed int
	}{
		{"immediately", func(s, _ *cron.Scheduler, j *cron.Job) { s.Remove(j); _ = s.Add(j) }, "10 20 30 40", 1},
		{"again and again", func(s, _ *cron.Scheduler, j *cron.Job) {
			for range 5 {
				s.Remove(j)
				_ = s.Add(j)
				synctest.Wait()
			}
		}, "10 20 30 40", 1},
		{"and removed", func(s, _ *cron.Scheduler, j *cron.Job) {
			s.Remove(j)
			_ = s.Add(j)
			synctest.Wait()
			s.Remove(j)
		}, "10", 0},
		{"to another scheduler", func(s, other *cron.Scheduler, j *cron.Job) { s.Remove(j); _ = other.Add(j) }, "10 20 30 40", 0},
	} {
		for _, takes := range []time.Duration{0, 5 * time.Second} {
			t.Run(test.name+", runs of "+takes.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var d diary
					c := d.config("*/10 * * * * *", func(context.Context, cron.Run) error { time.Sleep(takes); return nil })
					c.Name = "job"
					j := newJob(t, c)
					var s, other cron.Scheduler
					if err := s.Add(j); err != nil {
						t.Fatal(err)
					}
					stop, stopOther := running(t, &s), running(t, &other)
					elapse(11)
					test.change(&s, &other, j)
					elapse(30)
					want(t, "runs", d.runs(), test.runs)
					want(t, "jobs", len(s.Jobs()), test.listed)
					want(t, "error of Run", stop(), nil)
					want(t, "error of the other Run", stopOther(), nil)
				})
			})
		}
	}
}

// The cost of adding a job to a running scheduler, and of removing it, does not depend on the
// number of jobs.
func BenchmarkAddToARunningScheduler(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	var s cron.Scheduler
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	jobs := make([]*cron.Job, 0, b.N)
	for i := range b.N {
		j, err := cron.New(cron.Config{
			Name: fmt.Sprint(i), Pattern: "@yearly", Logger: quiet,
			Do: func(context.Context, cron.Run) error { return nil },
		})
		if err != nil {
			b.Fatal(err)
		}
		jobs = append(jobs, j)
	}
	b.ResetTimer()
	for _, j := range jobs {
		if err := s.Add(j); err != nil {
			b.Fatal(err)
		}
	}
	for _, j := range jobs {
		s.Remove(j)
	}
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

func TestSchedulerLeavesOutJobsOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		j := newJob(t, d.config("*/10 * * * * *", nil))
		running(t, j)
		var s cron.Scheduler
		if err := s.Add(j); err != nil {
			t.Fatal(err)
		}
		stop := running(t, &s)
		elapse(11)
		want(t, "runs", d.runs(), "10")
		if stop() == nil {
			t.Error("Run returned no error")
		}
	})
}

func TestConfigErrors(t *testing.T) {
	do := func(context.Context, cron.Run) error { return nil }
	tests := []struct {
		name string
		c    cron.Config
		want string
	}{
		{"no pattern", cron.Config{Do: do}, "empty pattern"},
		{"a bad pattern", cron.Config{Pattern: "* * * *", Do: do}, "fields"},
		{"a disabled extension", cron.Config{Pattern: "0 0 L * *", Do: do}, "L"},
		{"no function", cron.Config{Pattern: "@daily"}, "Do"},
		{"an unknown zone", cron.Config{Pattern: "@daily", Do: do, Zone: "Europe/Pariss"}, "unknown time zone \"Europe/Pariss\""},
		{"a store without a name", cron.Config{Pattern: "@daily", Do: do, Store: noStore{}}, "Name"},
		{"jitter without a name", cron.Config{Pattern: "@daily", Do: do, Jitter: 1}, "Name"},
		{"a name with a blank", cron.Config{Pattern: "@daily", Do: do, Name: "a b"}, "Name"},
		{"a long name", cron.Config{Pattern: "@daily", Do: do, Name: strings.Repeat("a", 129)}, "Name"},
		{"no such overlap", cron.Config{Pattern: "@daily", Do: do, Overlap: 9}, "Overlap"},
		{"no such misfire", cron.Config{Pattern: "@daily", Do: do, Misfire: 9}, "Misfire"},
		{"negative timeout", cron.Config{Pattern: "@daily", Do: do, Timeout: -1}, "Timeout"},
		{"negative deadline", cron.Config{Pattern: "@daily", Do: do, Deadline: -1}, "Deadline"},
		{"negative jitter", cron.Config{Pattern: "@daily", Do: do, Name: "a", Jitter: -1}, "Jitter"},
		{"negative grace", cron.Config{Pattern: "@daily", Do: do, ReplaceGrace: -1}, "ReplaceGrace"},
		{"negative drain", cron.Config{Pattern: "@daily", Do: do, DrainTimeout: -1}, "DrainTimeout"},
		{"negative limit", cron.Config{Pattern: "@daily", Do: do, OverlapLimit: -1}, "OverlapLimit"},
		{"negative limit of misfires", cron.Config{Pattern: "@daily", Do: do, MisfireLimit: -1}, "MisfireLimit"},
		{"negative history", cron.Config{Pattern: "@daily", Do: do, History: -1}, "History"},
		{"an umlaut", cron.Config{Pattern: "@daily", Do: do, Name: "ä"}, "Name"},
	}
	for _, name := range []string{"a", "z", "A", "Z", "0", "9", "._:/-", strings.Repeat("a", 128)} {
		if _, err := cron.New(cron.Config{Pattern: "@daily", Do: do, Name: name}); err != nil {
			t.Errorf("the name %s: %v", name, err)
		}
	}
	for _, name := range []string{"`", "{", "@", "[", "/\x00", ";", "a,b"} {
		if _, err := cron.New(cron.Config{Pattern: "@daily", Do: do, Name: name}); err == nil {
			t.Errorf("the name %s is accepted", name)
		}
	}
	for _, test := range tests {
		if _, err := cron.New(test.c); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want an error with %q", test.name, err, test.want)
		}
	}
	if _, err := cron.New(cron.Config{Do: do}); !errors.Is(err, cron.ErrEmptyPattern) {
		t.Errorf("no pattern: %v", err)
	}
	if _, err := cron.New(cron.Config{Pattern: "0 0 L * *", ParseOptions: []cron.ParseOption{cron.Extended}, Do: do}); err != nil {
		t.Error(err)
	}
}

type noStore struct{ cron.Store }

package cron_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/cron/crontest"
)

// logbook is a handler that keeps each line as its level, message and the names of its
// attributes.
type logbook struct {
	with string
	*logLines
}

type logLines struct {
	mu    sync.Mutex
	lines []string
}

func (l logbook) Enabled(context.Context, slog.Level) bool { return true }
func (l logbook) WithGroup(string) slog.Handler            { return l }

func (l logbook) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		l.with += " " + a.Key
	}
	return l
}

func (l logbook) Handle(_ context.Context, r slog.Record) error {
	line := r.Level.String() + " " + r.Message + ":" + l.with
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.Key
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return nil
}

// Each thing that is logged, with what it says.
func TestLogLines(t *testing.T) {
	fail := func(context.Context, cron.Run) error { return errors.New("no luck") }
	sleep := func(context.Context, cron.Run) error { time.Sleep(15 * time.Second); return nil }
	none := func(*testing.T, *cron.Job) {}
	var wall clock
	var store crontest.Memory
	for want, test := range map[string]struct {
		c     cron.Config
		after func(t *testing.T, j *cron.Job) // 15 seconds of running
	}{
		"ERROR a run failed: job scheduled outcome error":       {cron.Config{Do: fail}, none},
		"ERROR a run failed: job scheduled outcome error stack": {cron.Config{Do: func(context.Context, cron.Run) error { panic("no luck") }}, none},
		"ERROR a callback panicked: job callback panic stack":   {cron.Config{Do: fail, Failed: func(cron.Run, error) { panic("no luck") }}, none},
		"WARN an instant is skipped: job scheduled reason":      {cron.Config{Do: sleep}, none},
		"WARN instants are missed: job from to count reason":    {cron.Config{Now: wall.now, Misfire: cron.MisfireSkip}, func(*testing.T, *cron.Job) { wall.set(time.Hour) }},
		"WARN the clock was set back: instants that were dealt with come again: job by": {cron.Config{Now: wall.now}, func(*testing.T, *cron.Job) {
			wall.set(-2 * time.Hour)
		}},
		"WARN the clock was set back: instants that were missed while it was ahead come again, those that were run do not: job by": {cron.Config{Now: wall.now}, func(*testing.T, *cron.Job) {
			wall.set(-time.Minute)
		}},
		"WARN this machine's clock and the store's differ: the store's counts: job ahead": {cron.Config{
			Now: func() time.Time { return time.Now().Add(time.Minute) }, Store: new(crontest.Memory),
		}, none},
		"WARN the store cannot be reached: nothing is run until it can: job error": {cron.Config{Store: &store}, func(*testing.T, *cron.Job) { store.Down(true) }},
		"INFO the store can be reached again: job": {cron.Config{Store: &store}, func(*testing.T, *cron.Job) {
			store.Down(true)
			elapse(15)
			store.Down(false)
		}},
		"WARN the store was not told how a run ended: job error": {cron.Config{Store: &store, Do: func(context.Context, cron.Run) error {
			store.Down(true)
			return nil
		}}, none},
		"INFO the job has another schedule than before: it counts from now: job schedule before": {cron.Config{Store: &store}, func(_ *testing.T, j *cron.Job) {
			_ = j.Reschedule("5/10 * * * * *")
		}},
		"WARN another process runs a job of this name on another schedule: each takes instants of the other: job schedule theirs": {cron.Config{Store: &store}, func(t *testing.T, _ *cron.Job) {
			running(t, newJob(t, cron.Config{
				Name: "job", Pattern: "5/10 * * * * *", Store: &store, Logger: quiet, Do: func(context.Context, cron.Run) error { return nil },
			}))
		}},
		"WARN another process runs a job of this name with another Target: each takes instants of the other: job": {cron.Config{Store: &store}, func(t *testing.T, _ *cron.Job) {
			running(t, newJob(t, cron.Config{
				Name: "job", Pattern: "*/10 * * * * *", Zone: "UTC", Target: "b", Store: &store, Logger: quiet, Do: func(context.Context, cron.Run) error { return nil },
			}))
		}},
		"INFO the job waits for Start: it is Manual: job": {cron.Config{Manual: true}, func(t *testing.T, j *cron.Job) { schedule(t, j) }},
		"ERROR the scheduler leaves a job out: job error": {cron.Config{}, func(t *testing.T, j *cron.Job) { running(t, j); schedule(t, j) }},
	} {
		synctest.Test(t, func(t *testing.T) {
			store.Forget()
			store.Down(false)
			wall.set(0)
			l := &logLines{}
			c := test.c
			c.Name, c.Pattern, c.Zone, c.Logger = "job", "*/10 * * * * *", "UTC", slog.New(logbook{logLines: l})
			if c.Do == nil {
				c.Do = func(context.Context, cron.Run) error { return nil }
			}
			j := newJob(t, c)
			stop := func() error { return nil }
			if !strings.Contains(want, "scheduler") && !strings.Contains(want, "Start") {
				stop = running(t, j)
			}
			elapse(15)
			test.after(t, j)
			elapse(60)
			_ = stop()
			l.mu.Lock()
			defer l.mu.Unlock()
			n := strings.Count(strings.Join(l.lines, "\n")+"\n", want+"\n")
			if once := strings.Contains(want, "store's") || strings.Contains(want, "store can"); n == 0 || once && n != 1 {
				t.Errorf("%d times in the log: %s\n%s", n, want, strings.Join(l.lines, "\n"))
			}
		})
	}
}

// schedule gives a job to a scheduler that runs until the test ends.
func schedule(t *testing.T, j *cron.Job) {
	t.Helper()
	var s cron.Scheduler
	if err := s.Add(j); err != nil {
		t.Fatal(err)
	}
	stop := running(t, &s)
	elapse(15)
	_ = stop()
}

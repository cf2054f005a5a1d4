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

// logbook is a handler that keeps the level, the message and the attribute names of each line.
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

// TestLogLines checks the level, the message and the attributes of every log line.
func TestLogLines(t *testing.T) {
	fail := func(context.Context, cron.Run) error { return errors.New("no luck") }
	sleep := func(context.Context, cron.Run) error { time.Sleep(15 * time.Second); return nil }
	none := func(*testing.T, *cron.Job) {}
	var wall clock
	var store crontest.Memory
	for want, test := range map[string]struct {
		c     cron.Config
		after func(t *testing.T, j *cron.Job) // called after 15 seconds
	}{
		"ERROR run failed: job scheduled outcome error":       {cron.Config{Do: fail}, none},
		"ERROR run failed: job scheduled outcome error stack": {cron.Config{Do: func(context.Context, cron.Run) error { panic("no luck") }}, none},
		"ERROR callback panicked: job callback panic stack":   {cron.Config{Do: fail, OnRunError: func(cron.Run, error) { panic("no luck") }}, none},
		"WARN instant skipped: job scheduled reason":          {cron.Config{Do: sleep}, none},
		"WARN instants missed: job from to count reason":      {cron.Config{Now: wall.now, Misfire: cron.MisfireSkip}, func(*testing.T, *cron.Job) { wall.set(time.Hour) }},
		"WARN the clock was set back by more than an hour, so instants that were run are due again: job by": {cron.Config{Now: wall.now}, func(*testing.T, *cron.Job) {
			wall.set(-2 * time.Hour)
		}},
		"WARN the clock was set back, so instants that were missed while it was ahead are due again: job by": {cron.Config{Now: wall.now}, func(*testing.T, *cron.Job) {
			wall.set(-time.Minute)
		}},
		"WARN the local clock differs from the store's clock, which is used instead: job ahead": {cron.Config{
			Now: func() time.Time { return time.Now().Add(time.Minute) }, Store: new(crontest.Memory),
		}, none},
		"WARN the store is unreachable; nothing is run until it is back: job error": {cron.Config{Store: &store}, func(*testing.T, *cron.Job) { store.SetDown(true) }},
		"INFO the store is reachable again: job": {cron.Config{Store: &store}, func(*testing.T, *cron.Job) {
			store.SetDown(true)
			elapse(15)
			store.SetDown(false)
		}},
		"WARN could not record the end of a run in the store: job error": {cron.Config{Store: &store, Do: func(context.Context, cron.Run) error {
			store.SetDown(true)
			return nil
		}}, none},
		"INFO the schedule changed and counts from now: job schedule before": {cron.Config{Store: &store}, func(_ *testing.T, j *cron.Job) {
			_ = j.Reschedule("5/10 * * * * *")
		}},
		"WARN another process runs a job of this name on a different schedule, so each takes instants of the other: job schedule theirs": {cron.Config{Store: &store}, func(t *testing.T, _ *cron.Job) {
			running(t, newJob(t, cron.Config{
				Name: "job", Pattern: "5/10 * * * * *", Store: &store, Logger: quiet, Do: func(context.Context, cron.Run) error { return nil },
			}))
		}},
		"WARN another process runs a job of this name with a different fingerprint, so each takes instants of the other: job": {cron.Config{Store: &store}, func(t *testing.T, _ *cron.Job) {
			running(t, newJob(t, cron.Config{
				Name: "job", Pattern: "*/10 * * * * *", Zone: "UTC", Fingerprint: "b", Store: &store, Logger: quiet, Do: func(context.Context, cron.Run) error { return nil },
			}))
		}},
		"INFO the job waits for Start because ManualStart is set: job": {cron.Config{ManualStart: true}, func(t *testing.T, j *cron.Job) { schedule(t, j) }},
		"ERROR the scheduler does not run a job: job error":            {cron.Config{}, func(t *testing.T, j *cron.Job) { running(t, j); schedule(t, j) }},
	} {
		synctest.Test(t, func(t *testing.T) {
			store.Forget()
			store.SetDown(false)
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
			if once := strings.Contains(want, "store's") || strings.Contains(want, "reachable"); n == 0 || once && n != 1 {
				t.Errorf("%d times in the log: %s\n%s", n, want, strings.Join(l.lines, "\n"))
			}
		})
	}
}

// schedule runs a job in a scheduler for 15 seconds.
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

package cron_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis/cron"
)

// epoch is the initial time in a synctest bubble.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// diary records what a job does. Instants are written as seconds since epoch.
type diary struct {
	mu      sync.Mutex
	started []string
	records []cron.Record
	failed  []error
	stops   int
}

// config returns the configuration of a job that is recorded in the diary.
func (d *diary) config(pattern string, do func(context.Context, cron.Run) error) cron.Config {
	if do == nil {
		do = func(context.Context, cron.Run) error { return nil }
	}
	return cron.Config{
		Pattern: pattern,
		Zone:    "UTC",
		Do:      do,
		Logger:  slog.New(slog.DiscardHandler),
		OnRunStart: func(r cron.Run) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.started = append(d.started, fmt.Sprint(second(r.Scheduled)))
		},
		OnRecord: func(r cron.Record) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.records = append(d.records, r)
		},
		OnRunError: func(_ cron.Run, err error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.failed = append(d.failed, err)
		},
		OnStop: func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.stops++
		},
	}
}

func second(t time.Time) int64 { return int64(t.Sub(epoch) / time.Second) }

// runs returns the instants that were started.
func (d *diary) runs() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.started, " ")
}

// left returns the skipped and missed instants, such as "skipped overlap 10, missed late 20-40".
func (d *diary) left() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []string
	for _, r := range d.records {
		if r.Outcome != cron.OutcomeSkipped && r.Outcome != cron.OutcomeMissed {
			continue
		}
		text := fmt.Sprintf("%s %s %d", r.Outcome, r.Reason, second(r.Scheduled))
		if r.Count > 1 {
			text += fmt.Sprintf("-%d (%d)", second(r.Until), r.Count)
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

func (d *diary) completed() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stops
}

func newJob(t *testing.T, c cron.Config) *cron.Job {
	t.Helper()
	j, err := cron.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// running runs a job or a scheduler until the test ends or stop is called. The stop function
// returns the error of Run.
func running(t *testing.T, j interface{ Run(context.Context) error }) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	synctest.Wait()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { _ = stop() })
	return stop
}

// elapse advances the fake time by a number of seconds.
func elapse(seconds float64) {
	time.Sleep(time.Duration(seconds * float64(time.Second)))
	synctest.Wait()
}

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// clock is a machine's clock that can be set.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.ahead == 0 {
		return now
	}
	// A clock that was set shows a different time and has no monotonic reading.
	return now.Round(0).Add(c.ahead)
}

func (c *clock) set(ahead time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = ahead
}

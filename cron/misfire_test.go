package cron_test

import (
	"context"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/internal/logtest"
)

// To the job, a suspended machine looks like a clock that jumps. In this test it jumps at
// second 15.
func TestMisfire(t *testing.T) {
	tests := []struct {
		name       string
		pattern    string
		misfire    cron.Misfire
		jump       time.Duration // jump of the clock at second 15
		takes      time.Duration
		runs, left string
	}{
		{"once", "*/10 * * * * *", cron.MisfireOnce, 108 * time.Second, 0, "10 120", "missed superseded 20-110 (10)"},
		{"once, none on time", "0 * * * * *", cron.MisfireOnce, 4 * time.Minute, 0, "240", "missed superseded 60-180 (3)"},
		{"once, only one", "0 * * * * *", cron.MisfireOnce, time.Minute, 0, "60", ""},
		{"once, too late", "@daily", cron.MisfireOnce, 26 * time.Hour, 0, "", "missed deadline 86400"},
		{"once, one too late", "0 0 */2 * * *", cron.MisfireOnce, 5*time.Hour + 30*time.Minute, 0, "", "missed deadline 7200-14400 (2)"},
		{"skip", "*/10 * * * * *", cron.MisfireSkip, 108 * time.Second, 0, "10 120", "missed late 20-110 (10)"},
		{"skip, one", "0 * * * * *", cron.MisfireSkip, time.Minute, 0, "", "missed late 60"},
		{"within the tolerance", "*/2 * * * * *", cron.MisfireSkip, 7 * time.Second, 0, "2 4 6 8 10 12 14 22", "missed late 16-20 (3)"},
		{"all", "0 * * * * *", cron.MisfireAll, 3 * time.Minute, time.Second, "60 120 180", ""},
		{"all, the newest first", "0 * * * * *", cron.MisfireAllNewestFirst, 3 * time.Minute, time.Second, "180 120 60", ""},
		{"once, after a nap", "* * * * * *", cron.MisfireOnce, 9 * time.Second, 0, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 23 24 25 26", "missed superseded 16-22 (7)"},
		{"all, after a nap", "* * * * * *", cron.MisfireAll, 9 * time.Second, 0, "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 23 24 25 18 19 20 21 22 26 27", "missed misfire limit 16-17 (2)"},
		{"all, limited", "0 * * * * *", cron.MisfireAll, 7 * time.Minute, time.Second, "180 240 300 360 420", "missed misfire limit 60-120 (2)"},
		{"all, too late", "0 */20 * * * *", cron.MisfireAll, 130 * time.Minute, time.Second, "4800 6000 7200", "missed deadline 1200-3600 (3)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				var wall clock
				c := d.config(test.pattern, func(_ context.Context, r cron.Run) error {
					if late := r.Started.Sub(r.Scheduled); !r.Misfire && late > cron.Tolerance || r.Misfire && late < 2*time.Second {
						t.Errorf("run of %d: Misfire is %v", second(r.Scheduled), r.Misfire)
					}
					time.Sleep(test.takes)
					return nil
				})
				c.Now, c.Misfire, c.MisfireLimit, c.Overlap = wall.now, test.misfire, 5, cron.OverlapQueue
				j := newJob(t, c)
				running(t, j)
				elapse(15)
				wall.set(test.jump)
				elapse(0) // setting the clock does not wake the job
				elapse(30)
				// Regular instants after the jump are not compared here.
				want(t, "runs", cut(d.runs(), test.runs), test.runs)
				want(t, "left out", cut(d.left(), test.left), test.left)
			})
		})
	}
}

// cut truncates text to the length of like.
func cut(text, like string) string { return text[:min(len(text), max(len(like), 0))] }

func TestNeverEarlyWhenTheClockIsSet(t *testing.T) {
	for name, jump := range map[string]time.Duration{
		"back": -20 * time.Second, "ahead": 100 * time.Second, "a month back": -30 * 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				var wall clock
				seen := make(map[int64]bool)
				c := d.config("0 */5 * * * *", func(_ context.Context, r cron.Run) error {
					if lag := wall.now().Sub(r.Scheduled); lag < 0 || lag > 30*time.Second {
						t.Errorf("run of %d starts %v after its instant", second(r.Scheduled), lag)
					}
					if seen[r.Scheduled.Unix()] {
						t.Errorf("run of %d is repeated", second(r.Scheduled))
					}
					seen[r.Scheduled.Unix()] = true
					return nil
				})
				c.Now = wall.now
				running(t, newJob(t, c))
				elapse(310) // the run of 300 is done
				wall.set(jump)
				elapse(1000)
				want(t, "runs", len(seen), 4)
			})
		})
	}
}

// After a short sleep, the missed instants do not all start at the same time, whatever the overlap
// policy.
func TestInstantsMissedInShortSleep(t *testing.T) {
	for _, overlap := range []cron.Overlap{cron.OverlapSkip, cron.OverlapAllow, cron.OverlapQueue, cron.OverlapReplace} {
		synctest.Test(t, func(t *testing.T) {
			var d diary
			var wall clock
			var most atomic.Int64
			var j *cron.Job
			c := d.config("* * * * * *", func(context.Context, cron.Run) error {
				time.Sleep(900 * time.Millisecond)
				if n := int64(j.Status().Running); n > most.Load() {
					most.Store(n) // racy, but accurate enough
				}
				return nil
			})
			c.Now, c.Overlap, c.ReplaceGrace = wall.now, overlap, time.Millisecond
			j = newJob(t, c)
			running(t, j)
			elapse(15.95)
			wall.set(9 * time.Second)
			elapse(20)
			if n := most.Load(); n > 3 {
				t.Errorf("%d concurrent runs", n)
			}
		})
	}
}

// A job keeps running after its clock was ahead for a moment, and runs no instant twice.
func TestClockThatWasAhead(t *testing.T) {
	for _, ahead := range []time.Duration{time.Minute, 59 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			var all tally
			var d diary
			var wall clock
			var log logtest.Log
			c := d.config("* * * * * *", all.do)
			c.Overlap = cron.OverlapQueue
			c.Now, c.Logger = wall.now, log.Logger()
			running(t, newJob(t, c))
			elapse(20.5)
			wall.set(ahead)
			elapse(3)
			wall.set(0)
			elapse(ahead.Seconds() + 100)
			end := int64(ahead.Seconds()) + 123
			for at := int64(1); at <= end; at++ {
				if n := all.runs[at]; n > 1 || n == 0 && (at < 19 || at > 24) { // instants during that moment are lost
					t.Errorf("%v ahead, instant %d: %d runs", ahead, at, n)
				}
			}
			if n := strings.Count(log.String(), "the clock was set back"); n != 1 {
				t.Errorf("%d lines report that the clock was set back:\n%s", n, log.String())
			}
		})
	}
}

func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		j := newJob(t, d.config("*/10 * * * * *", nil))
		running(t, j)
		elapse(15)
		j.Pause()
		j.Pause()
		want(t, "paused", j.Status().Paused, true)
		want(t, "next", j.Status().Next, time.Time{})
		elapse(30) // 45
		if err := j.RunNow(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		want(t, "left out during the pause", d.left(), "")
		j.Resume()
		j.Resume()
		elapse(10)
		want(t, "runs", d.runs(), "10 45 50")
		want(t, "left out", d.left(), "skipped paused 20-40 (3)")
		want(t, "skipped", j.Status().Counts.Skipped, 3)
	})
}

// An instant that is due exactly when Resume is called belongs to the pause and is recorded.
func TestResumeOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		j := newJob(t, d.config("*/10 * * * * *", nil))
		running(t, j)
		elapse(15)
		j.Pause()
		elapse(15) // 30
		j.Resume()
		elapse(15)
		want(t, "runs", d.runs(), "10 40")
		want(t, "left out", d.left(), "skipped paused 20-30 (2)")
	})
}

func TestRunNow(t *testing.T) {
	tests := []struct {
		name    string
		overlap cron.Overlap
		errs    int // number of errors of three calls
		runs    string
	}{
		{"skip", cron.OverlapSkip, 2, "5"},
		{"allow", cron.OverlapAllow, 1, "5 5"},
		{"queue", cron.OverlapQueue, 0, "5 5 5"},
		{"replace", cron.OverlapReplace, 0, "5 5"}, // the third one replaces the second
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				c := d.config("@daily", func(ctx context.Context, r cron.Run) error {
					if !r.Manual {
						t.Error("the run is not marked as manual")
					}
					select {
					case <-ctx.Done():
						return ctx.Err()
					case <-time.After(time.Second):
						return nil
					}
				})
				c.Overlap, c.OverlapLimit = test.overlap, 2
				j := newJob(t, c)
				running(t, j)
				elapse(5)
				errs := 0
				for range 3 {
					if j.RunNow() != nil {
						errs++
					}
					if test.overlap != cron.OverlapReplace {
						synctest.Wait()
					}
				}
				elapse(10)
				want(t, "errors", errs, test.errs)
				want(t, "runs", d.runs(), test.runs)
			})
		})
	}
}

func TestShutdown(t *testing.T) {
	tests := []struct {
		name    string
		do      func(context.Context)
		ends    int64 // second at which Run returns
		fails   bool
		outcome cron.Outcome
	}{
		{"done in time", func(context.Context) { time.Sleep(8 * time.Second) }, 18, false, cron.OutcomeSucceeded},
		{"told to end", func(ctx context.Context) { <-ctx.Done() }, 22, false, cron.OutcomeCanceled},
		{"deaf", func(context.Context) { time.Sleep(time.Hour) }, 23, true, cron.OutcomeCanceled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				c := d.config("*/10 * * * * *", func(ctx context.Context, _ cron.Run) error {
					test.do(ctx)
					return ctx.Err()
				})
				c.DrainTimeout = 10 * time.Second
				c.Overlap = cron.OverlapQueue
				j := newJob(t, c)
				stop := running(t, j)
				elapse(12)
				err := stop()
				want(t, "time", second(time.Now()), test.ends)
				want(t, "error", err != nil, test.fails)
				want(t, "completed", d.completed(), 1)
				elapse(3600)
				want(t, "runs", d.runs(), "10")
				want(t, "outcome", j.History()[0].Outcome, test.outcome)
			})
		})
	}
}

func TestStopSkipsWaitingRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		c := d.config("*/10 * * * * *", func(context.Context, cron.Run) error {
			time.Sleep(25 * time.Second)
			return nil
		})
		c.Overlap = cron.OverlapQueue
		j := newJob(t, c)
		running(t, j)
		elapse(31)
		want(t, "waiting", j.Status().Waiting, 2)
		j.Stop()
		elapse(100)
		want(t, "runs", d.runs(), "10")
		want(t, "left out", d.left(), "skipped stopped 20, skipped stopped 30")
	})
}

func TestJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		lags := make(map[string]time.Duration)
		for _, name := range []string{"a", "b", "c"} {
			c := d.config("0 * * * * *", func(_ context.Context, r cron.Run) error {
				if before, ok := lags[r.Job]; ok && before != r.Lag() {
					t.Errorf("lags of %s: %v, then %v", r.Job, before, r.Lag())
				}
				lags[r.Job] = r.Lag()
				return nil
			})
			c.Name, c.Jitter = name, 40*time.Second
			running(t, newJob(t, c))
		}
		elapse(600)
		if lags["a"] == lags["b"] || lags["b"] == lags["c"] || max(lags["a"], lags["b"], lags["c"]) >= 40*time.Second {
			t.Errorf("lags: %v", lags)
		}
		want(t, "runs", len(d.records), 27) // the runs of 600 have not started yet
		want(t, "left out", d.left(), "")
	})
}

func TestHistoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		c := d.config("* * * * * *", nil)
		c.History = 3
		j := newJob(t, c)
		running(t, j)
		elapse(10)
		var list []int64
		for _, r := range j.History() {
			list = append(list, second(r.Scheduled))
		}
		want(t, "history", list, []int64{10, 9, 8})
	})
}

func TestCallbackEndsItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		c := d.config("* * * * * *", nil)
		c.OnRunStart = func(cron.Run) { runtime.Goexit() }
		j := newJob(t, c)
		running(t, j)
		elapse(3.5)
		want(t, "failed", j.Status().Counts.Failed, 3)
		want(t, "left out", d.left(), "")
	})
}

func TestCallbacksThatPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		j := newJob(t, cron.Config{
			Pattern: "* * * * * *", Zone: "UTC", Logger: quiet,
			Do:         func(context.Context, cron.Run) error { n++; panic("do") },
			OnRunStart: func(cron.Run) { panic("started") },
			OnRunError: func(cron.Run, error) { panic("failed") },
			OnRecord:   func(cron.Record) { panic("recorded") },
			OnStop:     func() { panic("completed") },
		})
		stop := running(t, j)
		elapse(5)
		want(t, "error of Run", stop(), nil)
		want(t, "runs", n, 5)
	})
}

func TestStopDropsMissedInstants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var wall clock
		c := d.config("0 * * * * *", func(context.Context, cron.Run) error {
			time.Sleep(5 * time.Second)
			return nil
		})
		c.Now, c.Misfire = wall.now, cron.MisfireAll
		j := newJob(t, c)
		running(t, j)
		elapse(15)
		wall.set(4 * time.Minute)
		elapse(17)
		want(t, "runs", d.runs(), "60")
		want(t, "waiting", j.Status().Waiting, 3)
		j.Stop()
		j.Start()
		elapse(20)
		want(t, "runs", d.runs(), "60")
		want(t, "left out", d.left(), "skipped stopped 120, skipped stopped 180, skipped stopped 240")
	})
}

// lines counts log lines.
type lines struct {
	slog.Handler
	n *atomic.Int64
}

func (l lines) Handle(context.Context, slog.Record) error { l.n.Add(1); return nil }

func TestLogIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		l := lines{slog.NewTextHandler(io.Discard, nil), new(atomic.Int64)}
		c := d.config("* * * * * *", func(ctx context.Context, _ cron.Run) error { <-ctx.Done(); return nil })
		c.Logger, c.DrainTimeout = slog.New(l), time.Millisecond
		running(t, newJob(t, c))
		elapse(100.5)
		if n := l.n.Load(); n < 10 || n > 11 {
			t.Errorf("%d lines about 99 skipped instants", n)
		}
	})
}

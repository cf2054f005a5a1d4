package cron_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis/cron"
)

func TestJobRunsWhenItIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var lag time.Duration
		c := d.config("*/20 * * * * *", func(_ context.Context, r cron.Run) error {
			lag = max(lag, r.Lag(), -r.Lag(), time.Until(r.Started).Abs())
			return nil
		})
		j := newJob(t, c)
		elapse(60)
		want(t, "runs before Run", d.runs(), "")
		stop := running(t, j)
		elapse(100)
		want(t, "runs", d.runs(), "80 100 120 140 160")
		want(t, "lag", lag, time.Duration(0))
		want(t, "error of Run", stop(), nil)
		elapse(100)
		want(t, "runs after Run", d.runs(), "80 100 120 140 160")
		want(t, "succeeded", j.Status().Counts.Succeeded, 5)
	})
}

func TestJobThatIsNotRun(t *testing.T) {
	var none *cron.Job
	var d diary
	for name, j := range map[string]*cron.Job{"nil": none, "never started": newJob(t, d.config("@daily", nil))} {
		t.Run(name, func(t *testing.T) {
			j.Stop()
			j.Start()
			j.Pause()
			j.Resume()
			j.Stop()
			_, _, _, _ = j.Name(), j.Schedule(), j.Status(), j.History()
			if j.Status().Active {
				t.Error("it is active")
			}
			if err := j.RunNow(); !errors.Is(err, cron.ErrNotRunning) {
				t.Errorf("RunNow: %v", err)
			}
			if err := j.Drain(t.Context()); err != nil {
				t.Errorf("Drain: %v", err)
			}
			if err := j.Reschedule("@hourly"); (err != nil) != (j == nil) {
				t.Errorf("Reschedule: %v", err)
			}
			if _, err := j.Duplicate("", "@hourly"); (err != nil) != (j == nil) {
				t.Errorf("Duplicate: %v", err)
			}
		})
	}
	want(t, "completed", d.completed(), 0)
	if err := none.Run(t.Context()); err == nil {
		t.Error("Run of a nil job succeeds")
	}
}

func TestJobStartAndStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		j := newJob(t, d.config("*/10 * * * * *", nil))
		stop := running(t, j)
		elapse(15)
		j.Start()
		want(t, "active", j.Status().Active, true)
		want(t, "next", second(j.Status().Next), 20)
		want(t, "prev", second(j.Status().Prev), 10)
		j.Stop()
		j.Stop()
		want(t, "completed after Stop", d.completed(), 1)
		want(t, "active after Stop", j.Status().Active, false)
		want(t, "next after Stop", j.Status().Next, time.Time{})
		elapse(20) // 35
		j.Start()
		elapse(10) // 45
		want(t, "runs", d.runs(), "10 40")
		want(t, "last", second(j.Status().LastRun.Scheduled), 40)
		if err := j.Run(t.Context()); err == nil {
			t.Error("a second Run is accepted")
		}
		want(t, "error of Run", stop(), nil)
		want(t, "completed after Run", d.completed(), 2)
		j.Stop()
		want(t, "completed after the last Stop", d.completed(), 2)
		want(t, "what was left out", d.left(), "")

		running(t, j) // again
		elapse(10)
		want(t, "runs of the second Run", d.runs(), "10 40 50")
	})
}

func TestReschedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		c := d.config("0 0 12 * * *", nil)
		c.Zone = "Asia/Tokyo"
		j := newJob(t, c)
		running(t, j)
		want(t, "next", second(j.Status().Next), 3*3600)
		if err := j.Reschedule("0 99 * * * *"); err == nil {
			t.Error("a bad pattern is accepted")
		}
		want(t, "pattern after a bad one", j.Schedule(), "0 0 12 * * *")
		if err := j.Reschedule("0 0 10 * * *"); err != nil {
			t.Fatal(err)
		}
		want(t, "next, in the same zone", second(j.Status().Next), 3600)
		want(t, "completed", d.completed(), 0)
		if err := j.RunNow(); err != nil { // run immediately as well
			t.Fatal(err)
		}
		elapse(3 * 3600)
		want(t, "runs", d.runs(), "0 3600")
		j.Stop()
		if err := j.Reschedule("@secondly"); err != nil {
			t.Fatal(err)
		}
		elapse(10)
		want(t, "runs of a stopped job", d.runs(), "0 3600")
	})
}

func TestDuplicate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		a := newJob(t, d.config("*/10 * * * * *", nil))
		b, err := a.Duplicate("b", "5 * * * * *")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Duplicate("c", "5 * * *"); err == nil {
			t.Error("a bad pattern is accepted")
		}
		running(t, a)
		running(t, b)
		elapse(12)
		want(t, "runs", d.runs(), "5 10")
		a.Stop()
		elapse(60)
		want(t, "runs after the first was stopped", d.runs(), "5 10 65")
		want(t, "names", a.Name()+" "+b.Name(), " b")
	})
}

func TestActiveAndRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		j := newJob(t, d.config("*/10 * * * * *", func(context.Context, cron.Run) error {
			time.Sleep(5 * time.Second)
			return nil
		}))
		running(t, j)
		elapse(11)
		want(t, "running", j.Status().Running, 1)
		j.Stop()
		want(t, "running after Stop", j.Status().Running, 1)
		want(t, "active after Stop", j.Status().Active, false)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := j.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Drain with too little time: %v", err)
		}
		if err := j.Drain(t.Context()); err != nil {
			t.Errorf("Drain: %v", err)
		}
		want(t, "when it is drained", second(time.Now()), 15)
		want(t, "running after Drain", j.Status().Running, 0)
	})
}

func TestOutcomes(t *testing.T) {
	boom := errors.New("boom")
	until := func(ctx context.Context, _ cron.Run) error { <-ctx.Done(); return ctx.Err() }
	tests := map[string]struct {
		do      func(context.Context, cron.Run) error
		outcome cron.Outcome
		is      error
		text    string
	}{
		"an error":       {func(context.Context, cron.Run) error { return boom }, cron.OutcomeFailed, boom, "boom"},
		"a panic":        {func(context.Context, cron.Run) error { panic(boom) }, cron.OutcomeFailed, boom, "panic: boom"},
		"runtime.Goexit": {func(context.Context, cron.Run) error { runtime.Goexit(); return nil }, cron.OutcomeFailed, nil, "exited its goroutine"},
		"a timeout":      {until, cron.OutcomeTimedOut, cron.ErrTimeout, "timeout"},
		"success despite the timeout": {
			func(ctx context.Context, r cron.Run) error { _ = until(ctx, r); return nil }, cron.OutcomeSucceeded, nil, "",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				c := d.config("0 * * * * *", test.do)
				c.Timeout = 5 * time.Second
				j := newJob(t, c)
				running(t, j)
				elapse(130)
				want(t, "runs", d.runs(), "60 120")
				r := j.History()[0]
				want(t, "outcome", r.Outcome, test.outcome)
				want(t, "instant of the record", second(r.Scheduled), 120)
				if test.text == "" {
					want(t, "error", r.Err, nil)
					return
				}
				want(t, "calls of Failed", len(d.failed), 2)
				if err := d.failed[1]; !strings.Contains(err.Error(), test.text) || test.is != nil && !errors.Is(err, test.is) {
					t.Errorf("error: %v", err)
				}
			})
		})
	}
}

func TestOverlap(t *testing.T) {
	tests := []struct {
		name             string
		overlap          cron.Overlap
		limit            int
		takes            float64 // seconds of a run
		heeds            bool    // whether runs heed their contexts
		runs, left, then string
	}{
		{"skip", cron.OverlapSkip, 0, 24, false, "10 40 70", "skipped overlap 20, skipped overlap 30, skipped overlap 50, skipped overlap 60", ""},
		{"allow", cron.OverlapAllow, 0, 24, false, "10 20 30 40 50 60 70", "", ""},
		{"allow two", cron.OverlapAllow, 2, 24, false, "10 20 40 50 70", "skipped queue full 30, skipped queue full 60", ""},
		{"queue", cron.OverlapQueue, 1, 24, false, "10 20 40", "skipped queue full 30, skipped queue full 50, skipped queue full 70", ""},
		{"replace", cron.OverlapReplace, 0, 24, true, "10 20 30 40 50 60 70", "", ""},
		// Each run gets another 4 s after the next one is due.
		{"replace what does not end", cron.OverlapReplace, 0, 24, false, "10 20 30 40 50 60", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				var most atomic.Int64
				var j *cron.Job
				c := d.config("*/10 * * * * *", func(ctx context.Context, _ cron.Run) error {
					n := int64(j.Status().Running)
					if n > most.Load() {
						most.Store(n) // racy, but accurate enough for a comparison with 1
					}
					if !test.heeds {
						ctx = context.WithoutCancel(ctx)
					}
					select {
					case <-time.After(time.Duration(test.takes * float64(time.Second))):
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				})
				c.Overlap, c.OverlapLimit, c.ReplaceGrace = test.overlap, test.limit, 4*time.Second
				j = newJob(t, c)
				stop := running(t, j)
				elapse(71)
				want(t, "runs", d.runs(), test.runs)
				want(t, "left out", d.left(), test.left)
				if (test.overlap == cron.OverlapSkip || test.overlap == cron.OverlapQueue || test.heeds) && most.Load() != 1 {
					t.Errorf("%d concurrent runs", most.Load())
				}
				want(t, "error of Run", stop(), nil)
			})
		})
	}
}

// A replaced run gets its grace period once, however many runs are due to replace it.
func TestReplaceGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		c := d.config("*/10 * * * * *", func(context.Context, cron.Run) error {
			time.Sleep(time.Minute)
			return nil
		})
		c.Overlap, c.ReplaceGrace, c.DrainTimeout = cron.OverlapReplace, 15*time.Second, time.Hour
		running(t, newJob(t, c))
		elapse(56)
		want(t, "runs", d.runs(), "10 30 50")
		want(t, "left out", d.left(), "skipped replaced 20, skipped replaced 40")
	})
}

// Functions that ignore their contexts don't pile up. At the limit no further run is started and
// the skipped instants are recorded. When a run ends, the newest instant takes its place.
func TestReplaceIsBounded(t *testing.T) {
	for limit, most := range map[int]int{0: cron.DefaultReplaceLimit, 1: 1, 3: 3} {
		synctest.Test(t, func(t *testing.T) {
			var d diary
			c := d.config("*/10 * * * * *", func(context.Context, cron.Run) error {
				time.Sleep(10 * time.Minute)
				return nil
			})
			c.Overlap, c.OverlapLimit, c.ReplaceGrace, c.DrainTimeout = cron.OverlapReplace, limit, time.Second, time.Hour
			j := newJob(t, c)
			running(t, j)
			elapse(605)
			want(t, "concurrent runs", j.Status().Running, most)
			want(t, "runs", len(strings.Fields(d.runs())), most)
			if left := d.left(); !strings.Contains(left, "skipped queue full 580") {
				t.Errorf("left out: %s", left)
			}
			elapse(6) // 611: the first has ended
			want(t, "concurrent runs, later", j.Status().Running, most)
			if runs := d.runs(); !strings.HasSuffix(runs, " 610") && !strings.HasSuffix(runs, " 600") {
				t.Errorf("runs: %s", runs)
			}
		})
	}
}

func TestDeadlineOfWaitingRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		c := d.config("*/10 * * * * *", func(context.Context, cron.Run) error {
			time.Sleep(34 * time.Second)
			return nil
		})
		c.Overlap, c.Deadline, c.DrainTimeout = cron.OverlapQueue, 20*time.Second, time.Hour
		running(t, newJob(t, c))
		elapse(46)
		want(t, "runs", d.runs(), "10 30")
		want(t, "left out", d.left(), "missed deadline 20")
	})
}

// No instant runs again after the clock was set back a little, even if the job is restarted.
func TestStartAfterClockWasSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var wall clock
		c := d.config("*/10 * * * * *", nil)
		c.Now = wall.now
		j := newJob(t, c)
		running(t, j)
		elapse(25)
		wall.set(-20 * time.Second)
		j.Stop()
		j.Start()
		elapse(30) // 35 by the clock
		want(t, "runs", d.runs(), "10 20 30")
	})
}

package cron_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/cron/crontest"
	"github.com/ignis-go/ignis/internal/longtest"
)

// TestFromAnyGoroutine calls each method of a Job from several goroutines while runs start, end
// and fail and the clock is set. The race detector finds unguarded state.
func TestFromAnyGoroutine(t *testing.T) {
	longtest.Mark(t)
	for _, overlap := range []cron.Overlap{cron.OverlapSkip, cron.OverlapAllow, cron.OverlapQueue, cron.OverlapReplace} {
		for _, shared := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				var wall clock
				var d diary
				var store cron.Store
				memory := &crontest.Memory{Now: wall.now}
				if shared {
					store = halfSecond{memory}
				}
				c := d.config("* * * * * *", func(context.Context, cron.Run) error {
					time.Sleep(500 * time.Millisecond)
					return errors.New("failed")
				})
				c.Name, c.Overlap, c.Misfire, c.Store = "job", overlap, cron.MisfireAll, store
				c.Now, c.OnRunError, c.ReplaceGrace = wall.now, nil, 100*time.Millisecond
				j, other := newJob(t, c), newJob(t, c)
				running(t, other)
				rarely := func(seconds float64, f func()) func() {
					return func() { time.Sleep(time.Duration(seconds * float64(time.Second))); f() }
				}
				concurrently(t, j, map[string]func(){
					"Name":       func() { j.Name() },
					"Schedule":   func() { j.Schedule().Next(epoch) },
					"RunNow":     rarely(0.5, func() { _ = j.RunNow() }),
					"Status":     func() { j.Status(); other.Status() },
					"History":    func() { j.History(); other.History() },
					"Duplicate":  func() { _, _ = j.Duplicate("other", "@daily") },
					"Start":      rarely(1, j.Start),
					"Stop":       rarely(7, j.Stop),
					"Pause":      rarely(3, j.Pause),
					"Resume":     rarely(1, j.Resume),
					"Reschedule": rarely(2, func() { _ = j.Reschedule("* * * * * *") }),
					"Drain":      rarely(9, func() { _ = j.Drain(t.Context()) }),
					"Run": func() {
						ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
						defer cancel()
						_ = j.Run(ctx)
					},
					"answers are lost": func() {
						memory.DropAnswers(true)
						time.Sleep(1500 * time.Millisecond)
						memory.DropAnswers(false)
						time.Sleep(1500 * time.Millisecond)
					},
					"the clock is set": func() {
						wall.set(time.Hour + time.Minute)
						time.Sleep(2 * time.Second)
						wall.set(0)
						time.Sleep(3 * time.Second)
					},
				})
				want(t, "running in the end", j.Status().Running, 0)
			})
		}
	}
}

// halfSecond takes half a second for each claim, so that its answer is handled while the methods
// are called.
type halfSecond struct{ *crontest.Memory }

func (s halfSecond) Claim(ctx context.Context, c cron.Claim) (cron.Grant, error) {
	time.Sleep(time.Second / 2)
	return s.Memory.Claim(ctx, c)
}

func TestSchedulerFromAnyGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var s cron.Scheduler
		var jobs []*cron.Job
		for range 3 {
			c := d.config("* * * * * *", nil)
			jobs = append(jobs, newJob(t, c))
		}
		var next sync.Mutex
		n := 0
		one := func() *cron.Job {
			next.Lock()
			defer next.Unlock()
			n++
			return jobs[n%len(jobs)]
		}
		concurrently(t, &s, map[string]func(){
			"Add":    func() { _ = s.Add(one()) },
			"Remove": func() { s.Remove(one()) },
			"Jobs":   func() { s.Jobs() },
			"Run": func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_ = s.Run(ctx)
			},
		})
	})
}

// concurrently calls each function repeatedly from several goroutines, for 20 seconds of fake time.
// They wake together, at the same instants as the jobs. The functions must cover all methods
// of v.
func concurrently(t *testing.T, v any, methods map[string]func()) {
	t.Helper()
	for i := range reflect.TypeOf(v).NumMethod() {
		if name := reflect.TypeOf(v).Method(i).Name; methods[name] == nil {
			t.Errorf("method %s of %T is not covered", name, v)
		}
	}
	var all sync.WaitGroup
	for _, call := range methods {
		for range 3 {
			all.Go(func() {
				for range 40 {
					now := time.Now()
					for n := 0; n < 100 && time.Since(now) == 0; n++ { // a function that waits is called once
						call()
					}
					time.Sleep(time.Until(now.Add(500 * time.Millisecond)))
				}
			})
		}
	}
	all.Wait()
}

// The error names each job that is left out, even if there are many.
func TestSchedulerLeavesOutRunningJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var s cron.Scheduler
		for i := range 50 {
			c := d.config("@daily", nil)
			c.Name = fmt.Sprintf("job-%d-", i)
			j := newJob(t, c)
			running(t, j)
			if err := s.Add(j); err != nil {
				t.Fatal(err)
			}
		}
		err := running(t, &s)()
		for i := range 50 {
			if name := fmt.Sprintf("job-%d-", i); err == nil || !strings.Contains(err.Error(), name) {
				t.Fatalf("%s is not in the error: %v", name, err)
			}
		}
	})
}

package cron_test

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/cron/crontest"
)

// Each method of a Job and of a Scheduler is called by several goroutines while runs
// start, end and fail and the clock is set. The race detector notices what is not guarded.
func TestFromAnyGoroutine(t *testing.T) {
	for _, overlap := range []cron.Overlap{cron.Skip, cron.Allow, cron.Queue, cron.Replace} {
		for _, store := range []cron.Store{nil, new(crontest.Memory)} {
			synctest.Test(t, func(t *testing.T) {
				var wall clock
				var d diary
				c := d.config("* * * * * *", func(context.Context, cron.Run) error {
					time.Sleep(700 * time.Millisecond)
					return errors.New("failed")
				})
				c.Name, c.AutoStart, c.Overlap, c.Misfire, c.Store = "job", true, overlap, cron.MisfireAll, store
				c.Now, c.Failed, c.ReplaceGrace = wall.now, nil, 100*time.Millisecond
				j, other := newJob(t, c), newJob(t, c)
				running(t, other)
				atOnce(t, j, map[string]func(){
					"Name":       func() { j.Name() },
					"Schedule":   func() { j.Schedule().Next(epoch) },
					"Start":      j.Start,
					"Stop":       func() { time.Sleep(time.Second); j.Stop() },
					"Pause":      j.Pause,
					"Resume":     j.Resume,
					"Reschedule": func() { _ = j.Reschedule("* * * * * *") },
					"RunNow":     func() { _ = j.RunNow() },
					"Drain":      func() { time.Sleep(time.Second); _ = j.Drain(t.Context()) },
					"Status":     func() { j.Status(); other.Status() },
					"History":    func() { j.History(); other.History() },
					"Duplicate":  func() { _, _ = j.Duplicate("other", "@daily") },
					"Run": func() {
						ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
						defer cancel()
						_ = j.Run(ctx)
					},
					"the clock is set": func() {
						wall.set(time.Hour + time.Minute)
						time.Sleep(2 * time.Second)
						wall.set(0)
						time.Sleep(2 * time.Second)
					},
				})
				want(t, "running in the end", j.Status().Running, 0)
			})
		}
	}
}

func TestSchedulerFromAnyGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var s cron.Scheduler
		var jobs []*cron.Job
		for range 3 {
			c := d.config("* * * * * *", nil)
			c.AutoStart = true
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
		atOnce(t, &s, map[string]func(){
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

// atOnce calls each function from four goroutines, again and again, for some seconds of
// the bubble. They have to be all methods of v.
func atOnce(t *testing.T, v any, methods map[string]func()) {
	t.Helper()
	for i := range reflect.TypeOf(v).NumMethod() {
		if name := reflect.TypeOf(v).Method(i).Name; methods[name] == nil {
			t.Errorf("%s of %T is not tried", name, v)
		}
	}
	var all sync.WaitGroup
	for _, call := range methods {
		for range 4 {
			all.Go(func() {
				for range 50 {
					call()
					time.Sleep(50 * time.Millisecond) // all wake at the same instant
				}
			})
		}
	}
	all.Wait()
}

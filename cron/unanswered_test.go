package cron_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/cron/crontest"
)

// If the store executes claims but its answers are lost for longer than the tolerance, the instant
// is either run once or recorded.
func TestUnansweredClaims(t *testing.T) {
	for _, test := range []struct {
		name       string
		misfire    cron.Misfire
		deadline   time.Duration
		processes  int
		runs, left string // in all processes
	}{
		{"once", cron.MisfireOnce, 0, 1, "3600", ""},
		{"all", cron.MisfireAll, 0, 1, "3600", ""},
		{"skip", cron.MisfireSkip, 0, 1, "", "missed store unavailable 3600"},
		{"past its deadline", cron.MisfireOnce, 11 * time.Second, 1, "", "missed deadline 3600"},
		{"three processes", cron.MisfireOnce, 0, 3, "3600", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				var store crontest.Memory
				for range test.processes {
					c := d.config("0 0 * * * *", nil)
					c.Name, c.Store, c.Misfire, c.Deadline = "job", &store, test.misfire, test.deadline
					running(t, newJob(t, c))
				}
				elapse(3598.5)
				store.DropAnswers(true)
				elapse(13)
				store.DropAnswers(false)
				elapse(100)
				want(t, "runs", d.runs(), test.runs)
				want(t, "left out", d.left(), test.left)
			})
		})
	}
}

// An unanswered claim is settled even if the schedule changes or ends.
func TestChangesAfterUnansweredClaim(t *testing.T) {
	for _, test := range []struct {
		name       string
		change     func(j *cron.Job, stop func() error)
		runs, left string
	}{
		{"stop", func(j *cron.Job, _ func() error) { j.Stop() }, "", "skipped stopped 3600"},
		{"stop and start", func(j *cron.Job, _ func() error) { j.Stop(); j.Start() }, "3600", ""},
		{"pause", func(j *cron.Job, _ func() error) { j.Pause() }, "", "skipped paused 3600"},
		{"reschedule", func(j *cron.Job, _ func() error) { _ = j.Reschedule("0 30 * * * *") }, "3600", ""},
		{"the end", func(_ *cron.Job, stop func() error) { _ = stop() }, "", "missed store unavailable 3600"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				var store crontest.Memory
				c := d.config("0 0 * * * *", nil)
				c.Name, c.Store = "job", &store
				j := newJob(t, c)
				stop := running(t, j)
				elapse(3598.5)
				store.DropAnswers(true)
				elapse(3)
				test.change(j, stop)
				elapse(2)
				store.DropAnswers(false)
				elapse(100)
				want(t, "runs", d.runs(), test.runs)
				want(t, "left out", d.left(), test.left)
			})
		})
	}
}

// patchy is a store that fails the first calls of each method, before or after doing the work.
type patchy struct {
	crontest.Memory
	fails                 int64
	deaf                  bool
	lasts, claims, finish atomic.Int64
}

var errPatchy = errors.New("the store is not ready")

func (p *patchy) fail(n *atomic.Int64, work func() error) error {
	down := n.Add(1) <= p.fails
	if down && !p.deaf {
		return errPatchy
	}
	if err := work(); err != nil || !down {
		return err
	}
	return errPatchy
}

func (p *patchy) Claim(ctx context.Context, c cron.Claim) (g cron.Grant, err error) {
	err = p.fail(&p.claims, func() (err error) { g, err = p.Memory.Claim(ctx, c); return err })
	if err != nil {
		return cron.Grant{}, err
	}
	return g, nil
}

func (p *patchy) Last(ctx context.Context, q cron.Query) (s cron.State, err error) {
	err = p.fail(&p.lasts, func() (err error) { s, err = p.Memory.Last(ctx, q); return err })
	if err != nil {
		return cron.State{}, err
	}
	return s, nil
}

func (p *patchy) Finish(ctx context.Context, f cron.Finish) error {
	return p.fail(&p.finish, func() error { return p.Memory.Finish(ctx, f) })
}

// A job that starts while the store is unreachable runs missed instants as soon as the store
// answers, regardless of which calls fail first.
func TestStoreIsAwayAtStart(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		for _, fails := range []int64{0, 1, 3, 30} {
			t.Run(fmt.Sprintf("%d calls, deaf %v", fails, deaf), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var before, after diary
					store := &patchy{deaf: deaf}
					c := before.config("0 * * * * *", nil)
					c.Name, c.Store = "job", store
					stop := running(t, newJob(t, c))
					elapse(65)
					_ = stop()
					elapse(260) // 325: the instants from 120 to 300 were missed
					store.fails = fails
					for _, n := range []*atomic.Int64{&store.lasts, &store.claims, &store.finish} {
						n.Store(0)
					}
					c = after.config("0 * * * * *", nil)
					c.Name, c.Store, c.Misfire = "job", store, cron.MisfireOnce
					running(t, newJob(t, c))
					elapse(200) // 525
					want(t, "runs before", before.runs(), "60")
					runs, left := "300 360 420 480", "missed superseded 120-240 (3)"
					if fails == 30 { // queries fail until 355, and claims for another 30 s
						runs, left = "360 420 480", "missed superseded 120-240 (3), missed superseded 300"
					}
					want(t, "runs", after.runs(), runs)
					want(t, "left out", after.left(), left)
				})
			})
		}
	}
}

package cron_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/cron/crontest"
	"github.com/ignis-go/ignis/internal/longtest"
)

// tally counts the runs of each instant in all processes.
type tally struct {
	mu     sync.Mutex
	runs   map[int64]int
	fences map[int64]uint64
	lag    time.Duration
}

func (t *tally) do(_ context.Context, r cron.Run) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.runs == nil {
		t.runs, t.fences = make(map[int64]int), make(map[int64]uint64)
	}
	t.runs[second(r.Scheduled)]++
	t.fences[second(r.Scheduled)] = r.Fence
	t.lag = max(t.lag, time.Since(r.Scheduled).Abs())
	return nil
}

// check fails the test unless each instant from one to another, a step apart, was run once.
func (t *tally) check(tb testing.TB, from, to, step int64) {
	tb.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	for at := from; at <= to; at += step {
		if t.runs[at] != 1 {
			tb.Errorf("instant %d: %d runs", at, t.runs[at])
		}
		if before := t.fences[at-step]; before >= t.fences[at] {
			tb.Errorf("instant %d: fence %d after %d", at, t.fences[at], before)
		}
		delete(t.runs, at)
	}
	for at, n := range t.runs {
		tb.Errorf("instant %d should not run: %d runs", at, n)
	}
}

func TestOneRunAmongMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var all tally
		var store crontest.Memory
		var jobs []*cron.Job
		for _, ahead := range []time.Duration{0, 2 * time.Second, -2 * time.Second, time.Hour, -24 * time.Hour} {
			var wall clock
			wall.set(ahead)
			c := d.config("* * * * * *", all.do)
			c.Name, c.Store, c.Now = "job", &store, wall.now
			j := newJob(t, c)
			running(t, j)
			jobs = append(jobs, j)
		}
		elapse(300.5)
		all.check(t, 1, 300, 1)
		// The jobs follow the store's clock.
		want(t, "the greatest lag", all.lag, time.Duration(0))
		want(t, "left out", d.left(), "")
		want(t, "finished", len(store.Finished()), 300)
		n := uint64(0)
		for _, j := range jobs {
			c := j.Status().Counts
			n += c.Succeeded
			want(t, "runs here and elsewhere", c.Succeeded+c.Elsewhere, 300)
		}
		want(t, "runs", n, 300)
	})
}

func TestStoreThatFails(t *testing.T) {
	tests := []struct {
		name    string
		misfire cron.Misfire
		away    float64 // seconds, starting at 15
		runs    string
		left    string
	}{
		{"for a moment", cron.MisfireSkip, 8, "10 20 30 40 50 60", ""},
		{"for longer", cron.MisfireOnce, 30, "10 40 50 60", "missed store unavailable 20, missed superseded 30"},
		{"for longer, without late runs", cron.MisfireSkip, 30, "10 40 50 60", "missed store unavailable 20, missed store unavailable 30"},
		{"for longer than the deadline", cron.MisfireAll, 47, "10 60 50", "missed store unavailable 20, missed store unavailable 30, missed store unavailable 40"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				var store crontest.Memory
				c := d.config("*/10 * * * * *", nil)
				c.Name, c.Store, c.Misfire, c.Deadline, c.Overlap = "job", &store, test.misfire, 20*time.Second, cron.OverlapQueue
				running(t, newJob(t, c))
				elapse(15.5)
				store.SetDown(true)
				elapse(test.away)
				store.SetDown(false)
				elapse(65.5 - 15.5 - test.away)
				want(t, "runs", d.runs(), test.runs)
				want(t, "left out", d.left(), test.left)
			})
		})
	}
}

func TestLostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all tally
		var d diary
		var store crontest.Memory
		for range 3 {
			c := d.config("*/10 * * * * *", all.do)
			c.Name, c.Store = "job", &store
			running(t, newJob(t, c))
		}
		elapse(15)
		store.DropAnswers(true)
		elapse(7)
		store.DropAnswers(false)
		elapse(40)
		all.check(t, 10, 60, 10)
		want(t, "left out", d.left(), "")
	})
}

func TestStoreThatForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all tally
		var d diary
		var store crontest.Memory
		var wall clock
		store.Now = wall.now
		c := d.config("*/10 * * * * *", all.do)
		c.Name, c.Store, c.Misfire = "job", &store, cron.MisfireAll
		running(t, newJob(t, c))
		elapse(15)
		// The store is next called at 50 by its own clock. It no longer knows what it granted up to then.
		wall.set(30 * time.Second)
		store.Forget()
		elapse(27) // 72 by the store's clock
		want(t, "runs", d.runs(), "10 60 70")
		want(t, "left out", d.left(), "missed store uncertain 50, missed store uncertain 20, missed store uncertain 30, missed store uncertain 40")
	})
}

// A data loss in the store does not affect a schedule that is not due within seconds.
func TestDataLossLongBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var store crontest.Memory
		c := d.config("0 0 * * * *", nil)
		c.Name, c.Store = "job", &store
		running(t, newJob(t, c))
		elapse(1000)
		store.Forget()
		elapse(2601)
		want(t, "runs", d.runs(), "3600")
		want(t, "left out", d.left(), "")
	})
}

// A job that was down runs the instants that no process has run in the meantime.
func TestInstantsMissedWhileAllWereDown(t *testing.T) {
	for _, others := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var d diary
			var store crontest.Memory
			c := d.config("0 * * * * *", nil)
			c.Name, c.Store, c.Misfire = "job", &store, cron.MisfireAll
			stop := running(t, newJob(t, c))
			elapse(65)
			_ = stop()
			if others {
				c := (&diary{}).config("0 * * * * *", nil)
				c.Name, c.Store = "job", &store
				running(t, newJob(t, c))
			}
			elapse(180) // 245
			running(t, newJob(t, c))
			elapse(20)
			if others {
				want(t, "runs", d.runs(), "60")
			} else {
				// The last instant is on time, so it is run before the missed ones.
				want(t, "runs", d.runs(), "60 240 120 180")
			}
			want(t, "left out", d.left(), "")
		})
	}
}

func TestMissedRunsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all tally
		var d diary
		var store crontest.Memory
		begin := func(do func(context.Context, cron.Run) error) func() error {
			c := d.config("0 * * * * *", do)
			c.Name, c.Store, c.Misfire = "job", &store, cron.MisfireAll
			return running(t, newJob(t, c))
		}
		stop := begin(all.do)
		elapse(65)
		_ = stop()
		elapse(60*30 - 65 + 30)
		slow := func(ctx context.Context, r cron.Run) error {
			time.Sleep(1300 * time.Millisecond)
			all.mu.Lock()
			defer all.mu.Unlock()
			all.runs[second(r.Scheduled)]++
			return nil
		}
		begin(slow)
		begin(slow)
		elapse(25)
		for at := int64(60); at <= 1800; at += 60 {
			if all.runs[at] != 1 {
				t.Errorf("instant %d: %d runs", at, all.runs[at])
			}
		}
		want(t, "left out", d.left(), "")
	})
}

// The fence identifies a run of a process that was suspended.
func TestFenceGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var store crontest.Memory
		var fences []uint64
		c := d.config("*/10 * * * * *", func(_ context.Context, r cron.Run) error {
			fences = append(fences, r.Fence)
			return nil
		})
		c.Name, c.Store = "job", &store
		j := newJob(t, c)
		running(t, j)
		elapse(15)
		if err := j.RunNow(); err != nil {
			t.Fatal(err)
		}
		elapse(10)
		want(t, "fences", fences, []uint64{1, 2, 3})
	})
}

func TestMemory(t *testing.T) {
	longtest.Mark(t)
	crontest.TestStore(t, &crontest.Memory{})
}

// slowStore is slow to answer the claims of one instant.
type slowStore struct {
	crontest.Memory
	slow  int64 // the slow instant
	takes time.Duration
	deaf  bool // whether it ignores the end of contexts, like a suspended process
}

func (s *slowStore) Claim(ctx context.Context, c cron.Claim) (cron.Grant, error) {
	if second(c.Scheduled) == s.slow {
		if s.deaf {
			ctx = context.WithoutCancel(ctx)
		}
		select {
		case <-time.After(s.takes):
		case <-ctx.Done():
			return cron.Grant{}, ctx.Err()
		}
	}
	return s.Memory.Claim(ctx, c)
}

func TestChangesDuringAClaim(t *testing.T) {
	for _, test := range []struct {
		name       string
		change     func(j *cron.Job, stop func() error) // 1.5 s into a claim of 3 s
		runs, left string
	}{
		{"stop", func(j *cron.Job, _ func() error) { j.Stop() }, "", "skipped stopped 10"},
		{"pause", func(j *cron.Job, _ func() error) { j.Pause() }, "", "skipped paused 10"},
		{"reschedule", func(j *cron.Job, _ func() error) { _ = j.Reschedule("11,12,15 * * * * *") }, "10 12 15", ""},
		{"the end", func(_ *cron.Job, stop func() error) { _ = stop() }, "10", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				c := d.config("*/10 * * * * *", nil)
				c.Name, c.Store = "job", &slowStore{slow: 10, takes: 3 * time.Second}
				c.Overlap = cron.OverlapQueue
				j := newJob(t, c)
				stop := running(t, j)
				elapse(11.5)
				test.change(j, stop)
				elapse(7)
				want(t, "runs", d.runs(), test.runs)
				want(t, "left out", d.left(), test.left)
			})
		})
	}
}

// A suspended process does not treat instants as missed that others have run in the meantime.
func TestSuspendedProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d, other diary
		sleepy := &slowStore{slow: 20, takes: 5 * time.Minute, deaf: true}
		c := d.config("*/10 * * * * *", nil)
		c.Name, c.Store = "job", sleepy
		running(t, newJob(t, c))
		c = other.config("*/10 * * * * *", nil)
		c.Name, c.Store = "job", &sleepy.Memory
		running(t, newJob(t, c))
		elapse(400)
		want(t, "left out by the suspended process", d.left(), "")
		want(t, "left out by the other", other.left(), "")
		want(t, "runs", len(strings.Fields(d.runs()))+len(strings.Fields(other.runs())), 40)
	})
}

func TestLateRunsTakeTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var store crontest.Memory
		c := d.config("0 * * * * *", nil)
		c.Name, c.Store, c.Misfire, c.Deadline = "job", &store, cron.MisfireAll, 5*time.Minute
		c.DrainTimeout = time.Hour
		stop := running(t, newJob(t, c))
		elapse(65)
		_ = stop()
		elapse(250) // 315
		c.Do = func(context.Context, cron.Run) error { time.Sleep(100 * time.Second); return nil }
		running(t, newJob(t, c))
		elapse(305) // 620: 120, 180 and 240 took up to 615
		want(t, "runs", d.runs(), "60 120 180 240")
		want(t, "left out", d.left(), "skipped overlap 360, skipped overlap 420, skipped overlap 480, skipped overlap 540, skipped overlap 600, missed deadline 300")
	})
}

// Jobs follow the store's clock even after the local clock was set.
func TestLocalClockIsSet(t *testing.T) {
	for _, jump := range []time.Duration{-40 * time.Second, time.Hour, -3 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			var d diary
			var all tally
			var wall clock
			var store crontest.Memory
			c := d.config("*/4 * * * * *", all.do)
			c.Name, c.Store, c.Now = "job", &store, wall.now
			running(t, newJob(t, c))
			elapse(14)
			wall.set(jump)
			elapse(60)
			all.check(t, 4, 72, 4)
			want(t, "the greatest lag", all.lag, time.Duration(0))
			want(t, "left out", d.left(), "")
		})
	}
}

// If the local clock is set while the store is unreachable, the time is unknown, so no instant is
// recorded as missed because of what the local clock shows.
func TestLocalClockIsSetWhileStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		var wall clock
		var store crontest.Memory
		c := d.config("*/10 * * * * *", nil)
		c.Name, c.Store, c.Now, c.Deadline = "job", &store, wall.now, time.Minute
		running(t, newJob(t, c))
		elapse(11)
		store.SetDown(true)
		wall.set(time.Hour)
		elapse(5)
		wall.set(0)
		store.SetDown(false)
		elapse(10) // 26
		want(t, "runs", d.runs(), "10 20")
		want(t, "left out", d.left(), "")
	})
}

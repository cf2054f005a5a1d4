package inbox_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Jobs of one owner run in order and one at a time, and concurrently with those of other
// owners.
func TestJobsRunInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClan(t, 64, 1<<10)
		slow, p := c.person(t), c.person(t)
		release := slow.hold()
		for i := range 40 { // the queue becomes empty now and then
			p.push(fmt.Sprint(i))
			if i%7 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		want := strings.Fields("0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 " +
			"20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39")
		p.took(want...)
		slow.push("a", "b")
		slow.took("hold")
		release()
		c.tasks.Wait()
		slow.took("a", "b")
	})
}

// A job may push others, which run after it.
func TestJobPushesJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClan(t, 64, 1<<10)
		p := c.person(t)
		p.inbox.Push(task{name: "a", do: func(context.Context) { p.push("b", "c") }})
		c.tasks.Wait()
		p.took("a", "b", "c")
	})
}

// An owner is paused when the waiting jobs are too many or too large, and resumed when at most
// half of the limit is waiting.
func TestPauseAndResume(t *testing.T) {
	for name, tt := range map[string]struct {
		sizes []int // sizes of the jobs pushed while another runs
		pause int   // number of jobs until the owner is paused
		done  int   // number of jobs done until it is resumed; 0 if it is never paused
	}{
		"one job fewer":  {[]int{1, 1, 1}, 0, 0},
		"as many":        {[]int{1, 1, 1, 1}, 4, 2},
		"more":           {[]int{1, 1, 1, 1, 1, 1}, 4, 4},
		"a byte less":    {[]int{50, 49}, 0, 0},
		"as many bytes":  {[]int{50, 50}, 2, 1},
		"half and a bit": {[]int{49, 51}, 2, 2},
		"one large job":  {[]int{500}, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newClan(t, 4, 100)
				p := c.person(t)
				var want []string
				next := make(chan struct{})
				p.inbox.Push(task{name: "hold", do: func(context.Context) { <-next }})
				synctest.Wait()
				p.took("hold")
				for i, size := range tt.sizes {
					p.inbox.Push(task{name: "x", size: size, do: func(context.Context) { <-next }})
					if i+1 == tt.pause {
						want = append(want, "<pause>")
					}
				}
				p.took(want...)
				for i := range tt.sizes {
					if got, want := p.inbox.BehindSince() != 0, tt.done > i; got != want {
						t.Errorf("paused after %d jobs: %t", i, got)
					}
					next <- struct{}{}
					synctest.Wait()
					if want = []string{"x"}; i+1 == tt.done {
						want = []string{"<resume>", "x"}
					}
					p.took(want...)
				}
				close(next)
				c.tasks.Wait()
			})
		})
	}
}

// BehindSince returns the start of the pause, even if that is the first instant.
func TestBehindSince(t *testing.T) {
	for _, after := range []time.Duration{0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			c := newClan(t, 2, 100)
			p := c.person(t)
			if got := p.inbox.BehindSince(); got != 0 {
				t.Errorf("since %d before the first pause", got)
			}
			time.Sleep(after)
			release := p.hold()
			synctest.Wait()
			p.push("a", "b")
			time.Sleep(time.Second)
			p.push("c") // does not restart the pause
			if got, want := p.inbox.BehindSince(), max(int64(after), 1); got != want {
				t.Errorf("since %d, want %d", got, want)
			}
			release()
			c.tasks.Wait()
			if got := p.inbox.BehindSince(); got != 0 {
				t.Errorf("since %d after the pause", got)
			}
			p.took("hold", "<pause>", "a", "<resume>", "b", "c") // one job is waiting when b starts
		})
	}
}

// Jobs that are waiting when an inbox is closed run before the last job, and no job runs after
// it.
func TestCloseWithWaitingJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClan(t, 4, 100)
		p := c.person(t)
		release := p.hold()
		synctest.Wait()
		p.push("a", "b", "c")
		p.inbox.Close(task{name: "last"})
		p.inbox.Close(task{name: "another last"})
		p.push("late")
		release()
		c.tasks.Wait()
		p.took("hold", "a", "b", "c", "last")
		p.push("later")
		p.inbox.Close(task{name: "another last"})
		synctest.Wait()
		p.took()
	})
}

// If the owner is paused when its inbox is closed, waiting jobs are dropped and reported
// before the last job starts, and the owner is not resumed.
func TestCloseWhilePaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClan(t, 4, 100)
		p := c.person(t)
		release := p.hold()
		synctest.Wait()
		p.push("a", "b", "c", "d", "e")
		p.inbox.Close(task{name: "last"})
		p.took("hold", "<pause>", "<5 dropped>")
		if p.inbox.BehindSince() != 0 {
			t.Error("still paused")
		}
		release()
		c.tasks.Wait()
		p.took("last")
	})
}

func TestCloseWithoutJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClan(t, 4, 100)
		p, q := c.person(t), c.person(t)
		p.inbox.Close(task{name: "last"})
		q.push("a")
		c.tasks.Wait()
		q.inbox.Close(task{name: "last"})
		c.tasks.Wait()
		p.took("last")
		q.took("a", "last")
	})
}

// A job that calls runtime.Goexit, as testing.T.FailNow does, does not keep other jobs from
// running.
func TestJobEndsItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClan(t, 64, 1<<10)
		p := c.person(t)
		exit := func(context.Context) { runtime.Goexit() }
		for _, name := range []string{"a", "b", "c"} {
			p.inbox.Push(task{name: name, do: exit})
		}
		p.inbox.Close(task{name: "last", do: exit})
		c.tasks.Wait()
		p.took("a", "b", "c", "last")
	})
}

// With concurrent calls, jobs pushed by one goroutine stay in order, and the last job runs
// last.
func TestFromAnyGoroutine(t *testing.T) {
	c := newClan(t, 8, 1<<10)
	const pushers, each = 4, 50
	people := make([]*person, 50)
	var all sync.WaitGroup
	for i := range people {
		p := c.person(t)
		people[i] = p
		for pusher := range pushers {
			all.Go(func() {
				for n := range each {
					p.inbox.Push(task{name: fmt.Sprintf("%d.%d", pusher, n), size: n, do: func(ctx context.Context) {
						switch {
						case n%9 == 0:
							<-p.ended(ctx)
						case n%20 == 0:
							runtime.Goexit()
						}
					}})
				}
			})
		}
		all.Go(func() {
			for range rand.IntN(100) {
				p.inbox.BehindSince()
				_ = p.inbox.Context().Err()
				runtime.Gosched()
			}
			p.inbox.Close(task{name: "last"})
			<-p.inbox.Context().Done()
		})
	}
	all.Wait()
	c.tasks.Wait()
	for _, p := range people {
		var next [pushers]int
		var jobs []string
		for _, what := range p.done {
			if strings.HasPrefix(what, "<") {
				continue
			}
			jobs = append(jobs, what)
			var pusher, n int
			if _, err := fmt.Sscanf(what, "%d.%d", &pusher, &n); err == nil {
				if n < next[pusher] {
					t.Errorf("%s after %d", what, next[pusher])
				}
				next[pusher] = n
			}
		}
		if len(jobs) == 0 || jobs[len(jobs)-1] != "last" || strings.Count(strings.Join(jobs, " "), "last") != 1 {
			t.Errorf("jobs: %q", jobs)
		}
	}
}

// ended returns the Done channel of a context derived from ctx, which is canceled either
// immediately or with ctx, which another goroutine is about to end.
func (p *person) ended(ctx context.Context) <-chan struct{} {
	derived, cancel := context.WithCancel(ctx)
	if rand.IntN(2) == 0 {
		cancel()
	}
	context.AfterFunc(derived, cancel)
	return derived.Done()
}

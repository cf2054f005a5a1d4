package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The context of a job ends when the inbox is closed, whether its Done channel or only its
// error was used before, or neither.
func TestContextEndsWithClose(t *testing.T) {
	for name, before := range map[string]func(context.Context){
		"not used":  func(context.Context) {},
		"Err used":  func(ctx context.Context) { _ = ctx.Err() },
		"Done used": func(ctx context.Context) { ctx.Done() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newClan(t, 4, 100).person(t)
				seen := make(chan context.Context, 1)
				p.inbox.Push(task{name: "a", do: func(ctx context.Context) { before(ctx); seen <- ctx }})
				ctx := <-seen // outlives the job
				synctest.Wait()
				if err := ctx.Err(); err != nil {
					t.Errorf("%v before Close", err)
				}
				if _, ok := ctx.Deadline(); ok {
					t.Error("it has a deadline")
				}
				p.inbox.Close(task{name: "last"})
				if err := ctx.Err(); !errors.Is(err, context.Canceled) {
					t.Errorf("%v after Close", err)
				}
				<-ctx.Done()
				if err := ctx.Err(); !errors.Is(err, context.Canceled) {
					t.Errorf("%v after Done", err)
				}
			})
		})
	}
}

// Cancel ends the context, whether it was used before or not. Jobs still run, with a context
// that has ended, except for the last one's own.
func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClan(t, 4, 100)
		for _, used := range []bool{false, true} {
			p := c.person(t)
			p.inbox.Push(task{name: "a", do: func(ctx context.Context) {
				if used {
					ctx.Done()
				}
				p.inbox.Cancel()
				<-ctx.Done()
				if !errors.Is(ctx.Err(), context.Canceled) {
					t.Errorf("%v after Cancel", ctx.Err())
				}
			}})
			ran := 0
			p.inbox.Push(task{name: "b", do: func(ctx context.Context) {
				if ran++; ctx.Err() == nil {
					t.Error("the context of the next job has not ended")
				}
			}})
			p.inbox.Close(task{name: "last", do: func(context.Context) {
				ctx, cancel := p.inbox.NewContext()
				defer cancel()
				if ran++; ctx.Err() != nil {
					t.Error("the context of the last job has ended")
				}
			}})
			synctest.Wait()
			if ran != 2 {
				t.Errorf("%d jobs ran", ran)
			}
		}
	})
}

// Close wakes a job that waits for its context or for a derived one.
func TestCloseWakesTheJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClan(t, 4, 100)
		p := c.person(t)
		p.inbox.Push(task{name: "a", do: func(ctx context.Context) {
			ctx, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			<-ctx.Done()
		}})
		synctest.Wait()
		began := time.Now()
		p.inbox.Close(task{name: "last"})
		c.tasks.Wait()
		p.took("a", "last")
		if time.Since(began) != 0 {
			t.Error("the job waited for the timeout")
		}
	})
}

// The contexts of a group end with it.
func TestContextEndsWithItsGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClan(t, 4, 100)
		p := c.person(t)
		p.inbox.Push(task{name: "a", do: func(ctx context.Context) { <-ctx.Done() }})
		p.inbox.Close(task{name: "last", do: func(context.Context) {
			ctx, cancel := p.inbox.NewContext()
			defer cancel()
			<-ctx.Done()
		}})
		synctest.Wait()
		c.end()
		c.tasks.Wait()
		p.took("a", "last")
	})
}

// The last job's own context does not end, and has the same values.
func TestNewContext(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		c := newClan(t, 4, 100)
		p := c.person(t)
		p.inbox.Carry(context.WithValue(t.Context(), key{}, "carried"))
		p.inbox.Close(task{name: "last", do: func(context.Context) {
			ctx, cancel := p.inbox.NewContext()
			if ctx.Err() != nil || ctx.Value(key{}) != "carried" || ctx.Value(clanKey{}) != "clan" {
				t.Errorf("error %v, values %v and %v", ctx.Err(), ctx.Value(key{}), ctx.Value(clanKey{}))
			}
			cancel()
			if ctx.Err() == nil {
				t.Error("it was canceled but has no error")
			}
		}})
		c.tasks.Wait()
		p.took("last")
	})
}

// The values carried by the inbox take precedence over those of its group.
func TestValues(t *testing.T) {
	type key struct{}
	p := newClan(t, 4, 100).person(t)
	ctx := p.inbox.Context()
	if ctx.Value(clanKey{}) != "clan" || ctx.Value(key{}) != nil {
		t.Errorf("values %v and %v", ctx.Value(clanKey{}), ctx.Value(key{}))
	}
	request, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, 1))
	p.inbox.Carry(request)
	cancel()
	if ctx.Err() != nil {
		t.Error("it has ended with the context whose values it carries")
	}
	if ctx.Value(clanKey{}) != "clan" || ctx.Value(key{}) != 1 || ctx.Value(1) != nil {
		t.Errorf("values %v, %v and %v", ctx.Value(clanKey{}), ctx.Value(key{}), ctx.Value(1))
	}
	p.inbox.Carry(context.WithValue(t.Context(), clanKey{}, "mine"))
	if ctx.Value(clanKey{}) != "mine" || ctx.Value(key{}) != nil {
		t.Errorf("values %v and %v", ctx.Value(clanKey{}), ctx.Value(key{}))
	}
}

// Deriving a context does not start a goroutine, although the type of the inbox's context is
// not one of package context.
func TestDerivedContextsStartNoGoroutine(t *testing.T) {
	request, cancelRequest := context.WithCancel(t.Context())
	defer cancelRequest()
	for _, carries := range []bool{false, true} {
		p := newClan(t, 4, 100).person(t)
		if carries {
			p.inbox.Carry(request)
		}
		before := runtime.NumGoroutine()
		last, cancelLast := p.inbox.NewContext()
		defer cancelLast()
		for _, parent := range []context.Context{p.inbox.Context(), last} {
			for range 10 {
				_, cancel := context.WithCancel(parent)
				defer cancel()
			}
		}
		if after := runtime.NumGoroutine(); after > before {
			t.Errorf("carrying values: %t: %d goroutines, %d before", carries, after, before)
		}
	}
}

// The methods of a context may be called from any goroutine, which the race detector checks.
func TestContextFromAnyGoroutine(t *testing.T) {
	for range 20 {
		p := newClan(t, 4, 100).person(t)
		ctx := p.inbox.Context()
		var all sync.WaitGroup
		for _, call := range []func(){
			func() { _ = ctx.Err() },
			func() { ctx.Value(1) },
			func() { ctx.Done() },
			func() { p.inbox.Carry(t.Context()) },
			func() { p.inbox.Close(task{name: "last"}) },
		} {
			for range 2 {
				all.Go(call)
			}
		}
		all.Wait()
		<-ctx.Done()
		p.group.Tasks.Wait()
	}
}

func TestContextString(t *testing.T) {
	p := newClan(t, 4, 100).person(t)
	ctx, cancel := context.WithCancel(p.inbox.Context())
	defer cancel()
	if got, want := fmt.Sprint(ctx), "context of person 1.WithCancel"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

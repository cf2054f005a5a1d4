package inbox_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/inbox"
)

// task is a job with a size and an optional action.
type task struct {
	name string
	size int
	do   func(ctx context.Context)
}

func (j task) Size() int { return j.size }

// person is an owner that records events, and reports an error if two happen
// concurrently.
type person struct {
	t     testing.TB
	group *inbox.Group
	inbox inbox.Inbox[task, *person]

	mu   sync.Mutex
	busy string
	done []string
}

func (p *person) InboxGroup() *inbox.Group { return p.group }

func (p *person) Do(ctx context.Context, j task) {
	p.mu.Lock()
	if p.busy != "" {
		p.t.Errorf("%s started while %s is running", j.name, p.busy)
	}
	p.busy = j.name
	p.done = append(p.done, j.name)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.busy = ""
		p.mu.Unlock()
	}()
	if j.do != nil {
		j.do(ctx)
	}
}

func (p *person) note(what string) {
	p.mu.Lock()
	p.done = append(p.done, what)
	p.mu.Unlock()
}

func (p *person) Pause()           { p.note("<pause>") }
func (p *person) Resume()          { p.note("<resume>") }
func (p *person) Dropped(jobs int) { p.note(fmt.Sprintf("<%d dropped>", jobs)) }
func (p *person) String() string   { return "person 1" }

// push pushes jobs of size 1.
func (p *person) push(names ...string) {
	for _, name := range names {
		p.inbox.Push(task{name: name, size: 1})
	}
}

// hold pushes a job that runs until release is called.
func (p *person) hold() (release func()) {
	held := make(chan struct{})
	p.inbox.Push(task{name: "hold", do: func(context.Context) { <-held }})
	return func() { close(held) }
}

// took fails the test unless exactly these events have happened since the last call.
func (p *person) took(want ...string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Equal(p.done, want) {
		p.t.Errorf("got  %q\nwant %q", p.done, want)
	}
	p.done = nil
}

// clan is a group whose contexts end when end is called.
type clan struct {
	inbox.Group
	tasks sync.WaitGroup
	end   context.CancelFunc
}

type clanKey struct{}

func newClan(t testing.TB, maxJobs, maxBytes int) *clan {
	base, end := context.WithCancel(context.WithValue(t.Context(), clanKey{}, "clan"))
	t.Cleanup(end)
	c := &clan{end: end}
	begun := time.Now()
	c.MaxJobs, c.MaxBytes, c.Tasks = maxJobs, maxBytes, &c.tasks
	c.Now = func() int64 { return int64(time.Since(begun)) }
	c.NewContext = func() (context.Context, context.CancelFunc) { return context.WithCancel(base) }
	return c
}

func (c *clan) person(t testing.TB) *person {
	p := &person{t: t, group: &c.Group}
	p.inbox.Init(p)
	return p
}

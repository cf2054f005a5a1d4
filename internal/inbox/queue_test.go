package inbox

import (
	"context"
	"sync"
	"testing"
	"unsafe"
)

type number int

func (n number) Size() int { return int(n) }

// A queue that is never empty does not grow over time.
func TestQueueDoesNotGrow(t *testing.T) {
	var q queue[number]
	for i := range 100_000 {
		q.push(number(i))
		if i >= 63 {
			if got, want := q.pop(), number(i-63); got != want {
				t.Fatalf("%d instead of %d", got, want)
			}
		}
	}
	if q.len() != 63 || cap(q.jobs) > 256 {
		t.Errorf("capacity %d with %d waiting jobs", cap(q.jobs), q.len())
	}
}

// A reused queue does not keep references to previous jobs.
func TestQueueIsReused(t *testing.T) {
	var q queue[number]
	for range 3 {
		q.push(7)
		q.push(8)
		if got := q.pop(); got != 7 || q.jobs[0] != 0 {
			t.Fatalf("%d, and the queue holds %v", got, q.jobs)
		}
		q.behindSince = 1
		if got := q.drop(); got != 1 || q.len() != 0 || q.bytes != 0 || q.isBehind() {
			t.Fatalf("%d dropped, left %+v", got, q)
		}
		if kept := q.jobs[:2]; kept[0] != 0 || kept[1] != 0 {
			t.Fatalf("the unused part holds %v", kept)
		}
	}
}

type idle struct {
	group Group
	inbox Inbox[number, *idle]
	ask   func(context.Context)
}

func (o *idle) InboxGroup() *Group                 { return &o.group }
func (o *idle) Do(ctx context.Context, _ number)   { o.ask(ctx) }
func (o *idle) Pause()                             {}
func (o *idle) Resume()                            {}
func (o *idle) Dropped(int)                        {}
func (o *idle) String() string                     { return "idle" }
func ended() (context.Context, context.CancelFunc) { return context.WithCancel(context.Background()) }

// An idle inbox takes four words and does not reference a queue or a context.
func TestIdleInboxIsSmall(t *testing.T) {
	o := &idle{ask: func(ctx context.Context) { _ = ctx.Err() }}
	o.group = Group{MaxJobs: 2, MaxBytes: 100, Tasks: new(sync.WaitGroup), NewContext: ended, Now: func() int64 { return 1 }}
	o.inbox.Init(o)
	if got, most := unsafe.Sizeof(o.inbox), 3*unsafe.Sizeof(uintptr(0))+8; got > most {
		t.Errorf("%d bytes", got)
	}
	for range 10 {
		o.inbox.Push(1)
	}
	o.group.Tasks.Wait()
	if o.inbox.queue != nil || o.inbox.rare != nil {
		t.Errorf("when idle it holds %+v and %+v", o.inbox.queue, o.inbox.rare)
	}
}

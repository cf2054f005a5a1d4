package inbox

import (
	"context"
	"sync"
)

// Job is something to do for a client.
type Job interface {
	// Size returns what the job counts of Group.MaxBytes.
	Size() int
}

// Owner is the client that an inbox belongs to.
type Owner[J Job] interface {
	// InboxGroup returns the group of the owner's inbox, always the same.
	InboxGroup() *Group
	// Do does a job. It is called by one goroutine at a time, in the order of
	// the jobs. If it ends its goroutine (runtime.Goexit), the next job is done on
	// another.
	Do(ctx context.Context, job J)

	// Pause is called when so many jobs wait that no more should come, and
	// Resume when half of them are done.
	//
	// Pause, Resume and Dropped are called in turn, and with the inbox locked:
	// they must not call its methods.
	Pause()
	Resume()
	// Dropped is called by Close, before the last job begins, with how many jobs
	// will not be done.
	Dropped(jobs int)

	// String names the owner where its context is printed.
	String() string
}

// Group is what the inboxes of one server share. Its fields are set before the
// first job and not changed afterwards. It must not be copied.
type Group struct {
	// MaxJobs and MaxBytes are how many jobs, and of what size together, may wait
	// before the owner is paused.
	MaxJobs, MaxBytes int
	// Tasks counts the goroutines that do jobs.
	Tasks *sync.WaitGroup
	// NewContext returns a context that ends with the server.
	NewContext func() (context.Context, context.CancelFunc)
	// Now returns the time in nanoseconds by a clock that nobody sets.
	Now func() int64

	queues sync.Pool // of *queue[J] that no inbox has
}

// Inbox holds the jobs of one owner. It is a part of the owner, and set up with Init.
// All methods may be called from any goroutine. It must not be copied.
type Inbox[J Job, O Owner[J]] struct {
	owner O

	mu    sync.Mutex
	queue *queue[J] // not nil while a goroutine does jobs
	// rare is what an inbox needs that is closed, or whose context is used for more
	// than its error.
	rare *rare
}

// rare is nil for most inboxes.
type rare struct {
	ctx    context.Context // nil until it is needed; see Inbox.Context
	cancel context.CancelFunc
	values context.Context // see Inbox.Carry; nil for none
	closed bool
}

// Init sets the inbox's owner, before anything else is called.
func (in *Inbox[J, O]) Init(owner O) { in.owner = owner }

// Push appends a job. If that makes too many, the owner is paused until there are
// fewer. Push does nothing when the inbox is closed.
func (in *Inbox[J, O]) Push(job J) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.isClosed() {
		return
	}
	in.push(job)
	if g := in.owner.InboxGroup(); !in.queue.isBehind() && in.queue.exceeds(g.MaxJobs, g.MaxBytes) {
		in.queue.behindSince = max(g.Now(), 1)
		in.owner.Pause()
	}
}

// Close ends the inbox's context and appends the last job. Jobs that wait are done
// before it; but if the owner is paused, they are dropped. A second Close does
// nothing.
func (in *Inbox[J, O]) Close(last J) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.isClosed() {
		return
	}
	r := in.makeRare()
	r.closed = true
	if r.cancel != nil {
		r.cancel()
	}
	if in.queue.isBehind() {
		in.owner.Dropped(in.queue.drop())
	}
	in.push(last)
}

// BehindSince returns since when the owner is paused, as Group.Now told the time, or
// 0 if it is not.
func (in *Inbox[J, O]) BehindSince() int64 {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.queue == nil {
		return 0
	}
	return in.queue.behindSince
}

func (in *Inbox[J, O]) isClosed() bool { return in.rare != nil && in.rare.closed }

func (in *Inbox[J, O]) makeRare() *rare {
	if in.rare == nil {
		in.rare = new(rare)
	}
	return in.rare
}

// push appends a job, and starts the goroutine that does it if there is none.
func (in *Inbox[J, O]) push(job J) {
	if in.queue == nil {
		g := in.owner.InboxGroup()
		q, _ := g.queues.Get().(*queue[J])
		if q == nil {
			q = new(queue[J])
		}
		in.queue = q
		g.Tasks.Add(1)
		go in.work()
	}
	in.queue.push(job)
}

// work does the jobs until there are none.
func (in *Inbox[J, O]) work() {
	done := false
	defer func() {
		if done {
			in.owner.InboxGroup().Tasks.Done()
		} else { // a job has ended the goroutine; there may be others
			go in.work()
		}
	}()
	ctx := in.Context()
	for {
		job, ok := in.pop()
		if !ok {
			done = true
			return
		}
		in.owner.Do(ctx, job)
	}
}

// pop takes the next job. Without one it takes the queue from the inbox.
func (in *Inbox[J, O]) pop() (job J, ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	q, g := in.queue, in.owner.InboxGroup()
	if q.len() == 0 {
		in.queue = nil
		q.reset()
		g.queues.Put(q)
		return job, false
	}
	job = q.pop()
	// Not at the first free place, or reading would stop and start for each message.
	if q.isBehind() && q.within(g.MaxJobs/2, g.MaxBytes/2) {
		q.behindSince = 0
		in.owner.Resume()
	}
	return job, true
}

package inbox

import (
	"context"
	"sync"
)

// Job is something to do for a client.
type Job interface {
	// Size returns the size of the job in bytes, which counts toward Group.MaxBytes.
	Size() int
}

// Owner is the client that an inbox belongs to.
type Owner[J Job] interface {
	// InboxGroup returns the group of the owner's inbox. It must always return the same
	// group.
	InboxGroup() *Group
	// Do runs a job. It is called by one goroutine at a time, in the order of the jobs.
	// If it calls runtime.Goexit, the next job runs on another goroutine.
	Do(ctx context.Context, job J)

	// Pause is called when too many jobs are waiting, and Resume when at most half as
	// many are waiting.
	//
	// Pause, Resume and Dropped are not called concurrently. The inbox is locked during
	// the call, so they must not call its methods.
	Pause()
	Resume()
	// Dropped is called by Close, before the last job starts, with the number of jobs
	// that are dropped.
	Dropped(jobs int)

	// String returns a description of the owner, which is part of its context's String.
	String() string
}

// Group is the state that the inboxes of one server share. Its fields must be set before
// the first job and not changed afterwards. It must not be copied.
type Group struct {
	// MaxJobs and MaxBytes are the number of waiting jobs, and their total size in bytes,
	// at which the owner is paused.
	MaxJobs, MaxBytes int
	// Tasks counts the goroutines that run jobs.
	Tasks *sync.WaitGroup
	// NewContext returns a context that ends when the server stops.
	NewContext func() (context.Context, context.CancelFunc)
	// Now returns the time of a monotonic clock in nanoseconds.
	Now func() int64

	queues sync.Pool // unused *queue[J]
}

// Inbox holds the jobs of one owner. It is a field of the owner and must be initialized
// with Init. Its methods are safe for concurrent use. It must not be copied.
type Inbox[J Job, O Owner[J]] struct {
	owner O

	mu    sync.Mutex
	queue *queue[J] // nil unless a goroutine is running jobs
	// rare is nil unless the inbox is closed, or its context carries values or is used
	// for more than its error.
	rare *rare
}

// rare is state that most inboxes do not need.
type rare struct {
	ctx    context.Context // nil until it is needed; see innerContext.real
	cancel context.CancelFunc
	values context.Context // nil if there are none; see Inbox.Carry
	ended  bool            // the context has ended, by Cancel or Close
	closed bool
}

// Init sets the inbox's owner. It must be called before any other method.
func (in *Inbox[J, O]) Init(owner O) { in.owner = owner }

// Push appends a job. If too many jobs are then waiting, the owner is paused. Push is a
// no-op if the inbox is closed.
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

// Close ends the inbox's context and appends the last job. Waiting jobs run before it,
// but are dropped if the owner is paused. Further calls are no-ops.
func (in *Inbox[J, O]) Close(last J) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.isClosed() {
		return
	}
	in.cancel()
	in.rare.closed = true
	if in.queue.isBehind() {
		in.owner.Dropped(in.queue.drop())
	}
	in.push(last)
}

// Cancel ends the inbox's context before Close does. The jobs still run.
func (in *Inbox[J, O]) Cancel() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.cancel()
}

// cancel is Cancel for a caller that holds mu.
func (in *Inbox[J, O]) cancel() {
	r := in.makeRare()
	r.ended = true
	if r.cancel != nil {
		r.cancel()
	}
}

// BehindSince returns the time, according to Group.Now, since which the owner has been
// paused, or 0 if it is not paused.
func (in *Inbox[J, O]) BehindSince() int64 {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.queue == nil {
		return 0
	}
	return in.queue.behindSince
}

// Busy reports whether a job is running or waiting.
func (in *Inbox[J, O]) Busy() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.queue != nil
}

// Bytes returns the total size of the waiting jobs in bytes.
func (in *Inbox[J, O]) Bytes() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.queue == nil {
		return 0
	}
	return in.queue.bytes
}

func (in *Inbox[J, O]) isClosed() bool { return in.rare != nil && in.rare.closed }

func (in *Inbox[J, O]) makeRare() *rare {
	if in.rare == nil {
		in.rare = new(rare)
	}
	return in.rare
}

// push appends a job and starts a goroutine unless one is running.
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

// work runs jobs until none is left.
func (in *Inbox[J, O]) work() {
	done := false
	defer func() {
		if done {
			in.owner.InboxGroup().Tasks.Done()
		} else { // a job has called runtime.Goexit; more jobs may be waiting
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

// pop removes the next job. If there is none, it removes the queue from the inbox.
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
	// Resuming as soon as there is room for a job would stop and start reading for each
	// message.
	if q.isBehind() && q.within(g.MaxJobs/2, g.MaxBytes/2) {
		q.behindSince = 0
		in.owner.Resume()
	}
	return job, true
}

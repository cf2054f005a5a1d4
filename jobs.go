package ignis

import (
	"context"
	"time"

	"github.com/ignis-go/ignis/wire"
)

// How much may wait for a client's callbacks before its connection is no longer
// read from.
const (
	maxJobs     = 64
	maxJobBytes = 256 << 10
)

// jobs is what a client's callbacks have yet to do. A goroutine works on it
// while there is something; the reader only appends, so that it notices the
// client's going while a callback takes its time. Guarded by client.mu.
type jobs struct {
	queue   []job
	bytes   int
	working bool
	room    chan struct{} // made by a reader that waits for room
	idle    chan struct{} // made by who waits until nothing is left to do
}

type job struct {
	kind    jobKind
	message wire.Message
}

type jobKind uint8

const (
	jobAuthenticate jobKind = iota
	jobJoin
	jobLeave
	jobMessage
)

// size is what the job counts of maxJobBytes.
func (j job) size() int { return len(j.message.Event) + len(j.message.Data) + len(j.message.ID) }

// push appends a job, and waits while there are too many. The message's data
// must be the job's to keep.
func (s *Server) push(ctx context.Context, c *client, j job) {
	c.mu.Lock()
	for c.jobs.full(j) {
		room := make(chan struct{})
		c.jobs.room = room
		c.mu.Unlock()
		c.stalled.Store(true)
		select {
		case <-room:
		case <-c.conn.Ending():
			c.stalled.Store(false)
			s.counts.ignored.Add(1)
			return // it cannot be told of what it sent any more
		}
		// The sweeps must not hold the time against it in which nobody listened.
		c.lastActivity.Store(time.Now().UnixNano())
		c.stalled.Store(false)
		c.mu.Lock()
	}
	c.jobs.queue = append(c.jobs.queue, j)
	c.jobs.bytes += j.size()
	start := !c.jobs.working
	c.jobs.working = true
	c.mu.Unlock()
	if start {
		s.tasks.Go(func() { s.work(ctx, c) })
	}
}

func (q *jobs) full(j job) bool {
	return len(q.queue) >= maxJobs || len(q.queue) > 0 && q.bytes+j.size() > maxJobBytes
}

// pop takes the next job; without one the goroutine that works ends.
func (c *client) pop() (job, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := &c.jobs
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
	if len(q.queue) == 0 {
		q.queue, q.working = nil, false
		if q.idle != nil {
			close(q.idle)
		}
		return job{}, false
	}
	j := q.queue[0]
	q.queue[0] = job{}
	q.queue = q.queue[1:]
	q.bytes -= j.size()
	return j, true
}

// work does a client's jobs, one after the other, until there are none.
func (s *Server) work(ctx context.Context, c *client) {
	for {
		j, ok := c.pop()
		if !ok {
			return
		}
		switch j.kind {
		case jobAuthenticate:
			s.authenticate(ctx, c, newCredentials(c, j.message.Data))
		case jobJoin:
			s.join(ctx, c, j.message)
		case jobLeave:
			s.leave(c, j.message)
		case jobMessage:
			s.handle(ctx, c, j.message)
		}
	}
}

package ignis

import (
	"context"
	"slices"
	"sync"

	"github.com/ignis-go/ignis/wire"
)

// How much may wait for a client's callbacks before its connection is no longer
// read from.
const (
	maxJobs     = 64
	maxJobBytes = 256 << 10
)

// jobs is what a client's callbacks have yet to do. A client has one while a
// goroutine works on it, and that is while there is something; the reader only
// appends. Guarded by client.mu.
type jobs struct {
	queue []job
	head  int // index of the next job
	bytes int
	// behindSince is the server's uptime when there were so many that the client is
	// not read from; 0: it is read from.
	behindSince int64
}

// isBehind reports whether a client with the jobs, which may be nil, is not read from.
func (q *jobs) isBehind() bool { return q != nil && q.behindSince != 0 }

// behindSince returns since when c is not read from because its callbacks are behind,
// as the server's uptime; 0: it is read from.
func (c *client) behindSince() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.jobs == nil {
		return 0
	}
	return c.jobs.behindSince
}

// idleJobs are those that no client has.
var idleJobs = sync.Pool{New: func() any { return new(jobs) }}

type job struct {
	kind    jobKind
	message wire.Message
}

type jobKind uint8

const (
	jobAuthenticate jobKind = iota
	jobOpen                 // by the application
	jobJoin
	jobLeave
	jobMessage
)

// size is what the job counts of maxJobBytes.
func (j job) size() int { return len(j.message.Event) + len(j.message.Data) + len(j.message.ID) }

// push appends a job. If that makes too many, the client is not read from until
// there are fewer. The message's data must be the job's to keep.
func (s *Server) push(c *client, j job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.jobs == nil {
		c.jobs = idleJobs.Get().(*jobs)
		s.tasks.Add(1)
		go s.work(c)
	}
	q := c.jobs
	if n := len(q.queue); n == cap(q.queue) && q.head > n/2 {
		// Room is made where jobs are done: a client that always has some waiting
		// must not make the queue grow for ever.
		q.queue, q.head = slices.Delete(q.queue, 0, q.head), 0
	}
	q.queue = append(q.queue, j)
	q.bytes += j.size()
	if q.full() && !q.isBehind() {
		q.behindSince = max(s.uptime(), 1)
		c.conn.Pause()
	}
}

// drop forgets all jobs that have not begun, and returns how many those are.
func (q *jobs) drop() int {
	if q == nil {
		return 0
	}
	n := len(q.queue) - q.head
	clear(q.queue)
	q.queue, q.head, q.bytes, q.behindSince = q.queue[:0], 0, 0, 0
	return n
}

func (q *jobs) full() bool { return len(q.queue)-q.head >= maxJobs || q.bytes >= maxJobBytes }

// eased reports whether enough is done to read on: not at the first free place, or
// for each message reading would stop and start.
func (q *jobs) eased() bool { return len(q.queue)-q.head <= maxJobs/2 && q.bytes <= maxJobBytes/2 }

// pop takes the next job. Without one c has no jobs any more, and gone says
// whether it will never have.
func (c *client) pop() (j job, ok, gone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := c.jobs
	if q.head == len(q.queue) {
		q.queue, q.head = q.queue[:0], 0
		c.jobs = nil
		idleJobs.Put(q)
		return job{}, false, c.gone
	}
	j = q.queue[q.head]
	q.queue[q.head] = job{}
	q.head++
	q.bytes -= j.size()
	if q.isBehind() && q.eased() {
		// The sweeps must not hold the time against it in which nobody listened.
		c.lastActivity.Store(c.server.uptime())
		q.behindSince = 0
		c.conn.Resume()
	}
	return j, true, false
}

// work does a client's jobs, one after the other, until there are none. If the
// client has gone by then, its disconnect callback is the last.
func (s *Server) work(c *client) {
	done := false
	defer func() {
		if done {
			s.tasks.Done()
		} else { // a callback has ended the goroutine: its client has others yet
			go s.work(c)
		}
	}()
	var ctx context.Context = (*callContext)(c)
	for {
		j, ok, gone := c.pop()
		if !ok {
			done = true
			if gone && c.who() != nil {
				s.callDisconnect(c)
			}
			return
		}
		s.do(ctx, c, j)
	}
}

func (s *Server) do(ctx context.Context, c *client, j job) {
	switch j.kind {
	case jobAuthenticate:
		s.authenticate(ctx, c, newCredentials(c, j.message.Data))
	case jobOpen:
		if inner, ok := s.open(c, c.encryption(), j.message); ok {
			if kind, ok := s.kind(c, inner); ok {
				s.do(ctx, c, job{kind, inner})
			}
		}
	case jobJoin:
		s.join(ctx, c, j.message)
	case jobLeave:
		s.leave(c, j.message)
	case jobMessage:
		s.handle(ctx, c, j.message)
	}
}

package inbox

import "slices"

// queue is what waits in an inbox.
type queue[J Job] struct {
	jobs        []J
	head        int // index of the next job
	bytes       int
	behindSince int64 // 0 while the owner is not paused
}

// isBehind reports whether the owner of the queue, which may be nil, is paused.
func (q *queue[J]) isBehind() bool { return q != nil && q.behindSince != 0 }

func (q *queue[J]) len() int { return len(q.jobs) - q.head }

func (q *queue[J]) exceeds(jobs, bytes int) bool { return q.len() >= jobs || q.bytes >= bytes }

func (q *queue[J]) within(jobs, bytes int) bool { return q.len() <= jobs && q.bytes <= bytes }

func (q *queue[J]) push(job J) {
	if n := len(q.jobs); n == cap(q.jobs) && q.head > n/2 {
		// Room is made where jobs are done: a queue that always has some waiting
		// must not grow for ever.
		q.jobs, q.head = slices.Delete(q.jobs, 0, q.head), 0
	}
	q.jobs = append(q.jobs, job)
	q.bytes += job.Size()
}

// pop takes the next job; there must be one.
func (q *queue[J]) pop() J {
	var none J
	job := q.jobs[q.head]
	q.jobs[q.head] = none // keep no message alive
	q.head++
	q.bytes -= job.Size()
	return job
}

// drop forgets all jobs and returns how many those were.
func (q *queue[J]) drop() int {
	n := q.len()
	clear(q.jobs)
	q.reset()
	return n
}

// reset makes a queue without jobs a new one, with the room that it has.
func (q *queue[J]) reset() { q.jobs, q.head, q.bytes, q.behindSince = q.jobs[:0], 0, 0, 0 }

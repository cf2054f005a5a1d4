package inbox

import "slices"

// queue holds the waiting jobs of an inbox.
type queue[J Job] struct {
	jobs        []J
	head        int // index of the next job
	bytes       int
	behindSince int64 // 0 if the owner is not paused
}

// isBehind reports whether the owner is paused. The queue may be nil.
func (q *queue[J]) isBehind() bool { return q != nil && q.behindSince != 0 }

func (q *queue[J]) len() int { return len(q.jobs) - q.head }

func (q *queue[J]) exceeds(jobs, bytes int) bool { return q.len() >= jobs || q.bytes >= bytes }

func (q *queue[J]) within(jobs, bytes int) bool { return q.len() <= jobs && q.bytes <= bytes }

func (q *queue[J]) push(job J) {
	if n := len(q.jobs); n == cap(q.jobs) && q.head > n/2 {
		// Reuse the space of completed jobs, so that a queue that is never empty does not
		// grow without bound.
		q.jobs, q.head = slices.Delete(q.jobs, 0, q.head), 0
	}
	q.jobs = append(q.jobs, job)
	q.bytes += job.Size()
}

// pop removes the next job. The queue must not be empty.
func (q *queue[J]) pop() J {
	var none J
	job := q.jobs[q.head]
	q.jobs[q.head] = none // so that the job can be garbage-collected
	q.head++
	q.bytes -= job.Size()
	return job
}

// drop removes all jobs and returns their number.
func (q *queue[J]) drop() int {
	n := q.len()
	clear(q.jobs)
	q.reset()
	return n
}

// reset prepares an empty queue for reuse. It keeps the allocated memory.
func (q *queue[J]) reset() { q.jobs, q.head, q.bytes, q.behindSince = q.jobs[:0], 0, 0, 0 }

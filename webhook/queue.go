package webhook

import (
	"hash/maphash"
	"slices"
	"sync"
	"time"
)

// queue contains the events that have not been delivered. Each client belongs to one of
// several lanes. A lane is delivered in order, with one request at a time, so the events of
// a client stay in order, and a slow request delays only a part of the clients.
type queue struct {
	maxEvents, maxBytes int
	seed                maphash.Seed
	lanes               []*lane

	mu            sync.Mutex
	closed        bool      // Run has returned
	goneUntil     time.Time // no events are queued before this time; see stop
	events, bytes int       // queued or being sent
	delivered     uint64
	retries       uint64
	lost          map[LossCause]uint64
	lostAll       uint64
}

// lane is a part of the queue.
type lane struct {
	waiting []queued      // guarded by queue.mu
	wake    chan struct{} // has an element after events were added
}

// queued is an event as JSON.
type queued struct {
	text []byte
	at   time.Time
}

// size returns the approximate size of the event in memory.
func (e queued) size() int { return len(e.text) + overhead }

// overhead is the approximate size of an event in memory without its text.
const overhead = 64

// batchBytes is the maximum size of the events in a request that contains more than one.
const batchBytes = 256 << 10

func (q *queue) init(cfg Config) {
	q.maxEvents, q.maxBytes = cfg.QueueEvents, cfg.QueueBytes
	q.seed = maphash.MakeSeed()
	q.lost = make(map[LossCause]uint64)
	for range cfg.EventConcurrency {
		q.lanes = append(q.lanes, &lane{wake: make(chan struct{}, 1)})
	}
}

// push adds an event of a client. It returns the reason if the event is lost, or "".
func (q *queue) push(clientID string, e queued) LossCause {
	l := q.lanes[maphash.String(q.seed, clientID)%uint64(len(q.lanes))]
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		q.loseLocked(LostShutdown, 1)
		return LostShutdown
	case e.at.Before(q.goneUntil):
		q.loseLocked(LostGone, 1)
		return LostGone
	case q.events >= q.maxEvents || q.bytes+e.size() > q.maxBytes:
		q.loseLocked(LostFull, 1)
		return LostFull
	}
	q.events++
	q.bytes += e.size()
	l.waiting = append(l.waiting, e)
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return ""
}

// take removes the events of the next request from a lane. The caller must settle them or
// give them back. take also discards events from before oldest, and returns their number.
func (q *queue) take(l *lane, most int, oldest time.Time) (batch []queued, old int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for old < len(l.waiting) && l.waiting[old].at.Before(oldest) {
		old++
	}
	q.settleLocked(l.waiting[:old])
	q.loseLocked(LostTooOld, old)
	rest := l.waiting[old:]
	n, bytes := 0, 0
	for n < min(most, len(rest)) && (n == 0 || bytes+len(rest[n].text) <= batchBytes) {
		bytes += len(rest[n].text)
		n++
	}
	batch, rest = slices.Clone(rest[:n]), rest[n:]
	clear(l.waiting[:old+n]) // otherwise the array would keep the texts in memory
	l.waiting = rest
	if len(rest) == 0 {
		l.waiting = nil
	}
	return batch, old
}

// giveBack returns a batch that was taken to the front of its lane.
func (q *queue) giveBack(l *lane, batch []queued) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l.waiting = append(batch, l.waiting...)
}

// settle counts a batch that was taken as delivered, or as lost if there is a cause, and
// frees its room in the queue.
func (q *queue) settle(batch []queued, cause LossCause) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.settleLocked(batch)
	if cause == "" {
		q.delivered += uint64(len(batch))
	} else {
		q.loseLocked(cause, len(batch))
	}
}

func (q *queue) settleLocked(batch []queued) {
	q.events -= len(batch)
	for _, e := range batch {
		q.bytes -= e.size()
	}
}

func (q *queue) lose(cause LossCause, n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.loseLocked(cause, n)
}

func (q *queue) loseLocked(cause LossCause, n int) {
	if n > 0 {
		q.lost[cause] += uint64(n)
		q.lostAll += uint64(n)
	}
}

// lostSoFar returns how many events have been lost.
func (q *queue) lostSoFar() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lostAll
}

func (q *queue) retried() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.retries++
}

// stop discards all events that are waiting and those that come before the given time. It
// returns the number of those that were waiting.
func (q *queue) stop(until time.Time) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.goneUntil = until
	return q.discardLocked(LostGone)
}

// stopped reports whether events are discarded at the moment.
func (q *queue) stopped(now time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return now.Before(q.goneUntil)
}

// close discards all events that are waiting and those that come later. It returns the
// number of events that were lost because of the shutdown, including those of requests that
// were aborted.
func (q *queue) close() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.discardLocked(LostShutdown)
	return q.lost[LostShutdown]
}

// discardLocked empties the lanes and returns the number of events that were in them.
func (q *queue) discardLocked(cause LossCause) (n int) {
	for _, l := range q.lanes {
		q.settleLocked(l.waiting)
		n += len(l.waiting)
		l.waiting = nil
	}
	q.loseLocked(cause, n)
	return n
}

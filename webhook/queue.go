package webhook

import (
	"hash/maphash"
	"slices"
	"sync"
	"time"
)

// queue holds the events that have not been delivered. Each client has its place in one of
// several lanes, and each lane is delivered in order, one request after the other. So the
// events of one client are delivered in order, while a request that takes long holds up
// only a part of the clients.
type queue struct {
	maxEvents, maxBytes int
	seed                maphash.Seed
	lanes               []*lane

	mu            sync.Mutex
	closed        bool // nothing is delivered any longer
	events, bytes int  // all that have not been settled, those in requests included
	delivered     uint64
	retries       uint64
	lost          map[LossCause]uint64
	lostAll       uint64
}

// lane is a part of the queue.
type lane struct {
	waiting []queued      // guarded by queue.mu
	wake    chan struct{} // has an element if the lane was empty before
}

// queued is an event as JSON.
type queued struct {
	text []byte
	at   time.Time
}

// size returns about what the event uses in memory.
func (e queued) size() int { return len(e.text) + overhead }

// overhead is what an event uses in memory beside its text.
const overhead = 64

// batchBytes is the size at which a request with events takes no further one.
const batchBytes = 256 << 10

func (q *queue) init(cfg Config) {
	q.maxEvents, q.maxBytes = cfg.QueueEvents, cfg.QueueBytes
	q.seed = maphash.MakeSeed()
	q.lost = make(map[LossCause]uint64)
	for range cfg.EventConcurrency {
		q.lanes = append(q.lanes, &lane{wake: make(chan struct{}, 1)})
	}
}

// push adds an event of a client. It returns why it could not, or "".
func (q *queue) push(clientID string, e queued) LossCause {
	l := q.lanes[maphash.String(q.seed, clientID)%uint64(len(q.lanes))]
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		q.loseLocked(LostShutdown, 1)
		return LostShutdown
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

// take removes the events for the next request from a lane. It leaves out those from
// before oldest and returns how many that were. Those that it returns must be settled.
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
	clear(l.waiting[:old+n]) // the array must not keep the texts
	l.waiting = rest
	if len(rest) == 0 {
		l.waiting = nil
	}
	return batch, old
}

// giveBack puts a batch that was taken back to the front of its lane.
func (q *queue) giveBack(l *lane, batch []queued) {
	q.mu.Lock()
	defer q.mu.Unlock()
	l.waiting = append(batch, l.waiting...)
}

// settle makes room for as many events as there are in a batch that was delivered or lost.
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

// close counts what is left as lost, and lets nothing in. It returns how many events were
// lost because of the end, including those of the last requests.
func (q *queue) close() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, l := range q.lanes {
		q.settleLocked(l.waiting)
		q.loseLocked(LostShutdown, len(l.waiting))
		l.waiting = nil
	}
	return q.lost[LostShutdown]
}

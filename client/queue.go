package client

import (
	"sync"

	"github.com/ignis-go/ignis/wire"
)

const (
	// queueMessages and queueBytes bound what waits for Receive.
	queueMessages = 256
	queueBytes    = 1 << 20

	// awaitedFactor multiplies these limits while a request waits for its answer. The
	// answer comes after everything that the server has already sent, and the goroutine
	// that waits may be the one that receives.
	awaitedFactor = 16
)

// queue holds messages on their way from the reading goroutine to Receive.
type queue struct {
	mu          sync.Mutex
	first, last *received
	messages    int
	bytes       int
	awaited     int // number of requests that wait for their answers
	closed      bool

	some chan struct{} // capacity 1: there may be a message, or the queue was closed
	room chan struct{} // capacity 1: there may be room
}

type received struct {
	m    wire.Message
	size int // as received, in bytes
	next *received
}

func newQueue() *queue {
	return &queue{some: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// signal puts a token in a channel that has room for one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// put adds a message once there is room for it. It drops the message if over is
// closed first.
func (q *queue) put(m wire.Message, size int, over <-chan struct{}) {
	for r := (&received{m: m, size: size}); !q.add(r); {
		select {
		case <-q.room:
		case <-over:
			return
		}
	}
}

// add adds r and reports whether there was room.
func (q *queue) add(r *received) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	factor := 1
	if q.awaited > 0 {
		factor = awaitedFactor
	}
	if q.messages >= factor*queueMessages || q.bytes >= factor*queueBytes {
		return false
	}
	if q.last == nil {
		q.first = r
	} else {
		q.last.next = r
	}
	q.last = r
	q.messages++
	q.bytes += r.size
	signal(q.some)
	return true
}

// take returns the first message. If there is none, ok is false, and closed reports
// whether the queue is closed, so that there will never be one.
func (q *queue) take() (m wire.Message, ok, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	r := q.first
	if r == nil {
		if q.closed {
			signal(q.some) // wakes the next waiter
		}
		return wire.Message{}, false, q.closed
	}
	if q.first = r.next; q.first == nil {
		q.last = nil
	}
	q.messages--
	q.bytes -= r.size
	if q.first != nil || q.closed {
		signal(q.some)
	}
	signal(q.room)
	return r.m, true, false
}

// await adds n to the number of requests that wait for their answers.
func (q *queue) await(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.awaited += n
	if n > 0 {
		signal(q.room)
	}
}

// close ends the queue: no more messages will be added.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	signal(q.some)
}

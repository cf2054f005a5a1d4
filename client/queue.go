package client

import (
	"sync"

	"github.com/ignis-go/ignis/wire"
)

const (
	// queueMessages and queueBytes bound what waits for Receive.
	queueMessages = 256
	queueBytes    = 1 << 20

	// awaitedFactor is how many times as much may wait for Receive while a request
	// waits for its answer. The answer comes after everything that the server has sent
	// already, and the goroutine that waits may be the one that receives.
	awaitedFactor = 16
)

// queue holds the messages from the reading goroutine to Receive.
type queue struct {
	mu          sync.Mutex
	first, last *received
	messages    int
	bytes       int
	awaited     int // requests that wait for their answers
	closed      bool

	some chan struct{} // cap 1: there may be a message, or the queue was closed
	room chan struct{} // cap 1: there may be room
}

type received struct {
	m    wire.Message
	size int // as it arrived, in bytes
	next *received
}

func newQueue() *queue {
	return &queue{some: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// signal leaves a token in a channel with room for one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// put adds a message once there is room for it. It drops the message when over is
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

// add reports whether there was room.
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

// take returns the first message. Without one, ok is false, and closed reports whether
// none will come.
func (q *queue) take() (m wire.Message, ok, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	r := q.first
	if r == nil {
		if q.closed {
			signal(q.some) // for the next one who waits
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

// await notes that one more request waits for its answer, or with -1, one less.
func (q *queue) await(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.awaited += n
	if n > 0 {
		signal(q.room)
	}
}

// close says that no message will be added.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	signal(q.some)
}

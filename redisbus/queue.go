package redisbus

import (
	"slices"
	"sync"
)

// queue is a bounded queue. Any goroutine may put items, and one goroutine takes all of them
// at a time.
type queue[T any] struct {
	maxMessages, maxBytes int
	wake                  chan struct{} // has an element when there may be something to take

	mu    sync.Mutex
	items []T
	// messages and bytes include items that were taken and not yet given back.
	messages, bytes int
	closed          error // why nothing is accepted; nil if the queue is open
}

func newQueue[T any](maxMessages, maxBytes int, closed error) *queue[T] {
	return &queue[T]{maxMessages: maxMessages, maxBytes: maxBytes, wake: make(chan struct{}, 1), closed: closed}
}

// put appends an item, or returns an error: the reason that the queue was closed
// with, or ErrQueueFull.
func (q *queue[T]) put(item T, size int) error {
	q.mu.Lock()
	switch {
	case q.closed != nil:
		err := q.closed
		q.mu.Unlock()
		return err
	case q.messages >= q.maxMessages || size > q.maxBytes-q.bytes:
		q.mu.Unlock()
		return ErrQueueFull
	}
	q.items = append(q.items, item)
	q.messages++
	q.bytes += size
	q.mu.Unlock()
	q.signal()
	return nil
}

// signal wakes the goroutine that takes items, even if the queue is empty.
func (q *queue[T]) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// keepCapacity is the maximum length of a queue whose memory is kept for reuse.
const keepCapacity = 4 << 10

// take returns all items. They count toward the limits until give releases them. The memory
// of free, the result of an earlier take, is reused for later items.
func (q *queue[T]) take(free []T) []T {
	if cap(free) > keepCapacity {
		free = nil
	}
	clear(free)
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = free[:0]
	return items
}

// restore puts taken items back, before those that were put in the meantime.
func (q *queue[T]) restore(items []T) {
	if len(items) == 0 {
		return
	}
	q.mu.Lock()
	q.items = slices.Concat(items, q.items)
	q.mu.Unlock()
	q.signal()
}

// dropWhile drops items from the front as long as drop reports yes. drop also returns the size
// of the item. dropWhile returns the number of dropped items.
func (q *queue[T]) dropWhile(drop func(*T) (yes bool, size int)) (n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for n < len(q.items) {
		yes, size := drop(&q.items[n])
		if !yes {
			break
		}
		q.bytes -= size
		n++
	}
	q.messages -= n
	clear(q.items[:n])
	q.items = q.items[n:]
	return n
}

// give releases the room of taken items. It reports whether the queue is now empty.
func (q *queue[T]) give(messages, bytes int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.messages -= messages
	q.bytes -= bytes
	return q.messages == 0
}

// open lets the queue accept items.
func (q *queue[T]) open() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = nil
}

// close makes the queue reject further items with reason. Items already in it stay.
func (q *queue[T]) close(reason error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = reason
}

// drop empties the queue, including taken items, and returns how many it held.
func (q *queue[T]) drop() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.messages
	q.items, q.messages, q.bytes = nil, 0, 0
	return n
}

// len returns how many items count toward the limits.
func (q *queue[T]) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.messages
}

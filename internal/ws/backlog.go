package ws

import (
	"slices"
	"sync"
)

// backlog holds the messages that wait for one connection. A connection has one
// only while something waits, so that idle ones own nothing.
type backlog struct {
	messages []*Message
	head     int // index of the first that waits
}

var backlogs = sync.Pool{New: func() any { return &backlog{messages: make([]*Message, 0, 8)} }}

// keepBacklog is the length up to which a backlog's memory is kept for reuse.
const keepBacklog = 4 << 10

func (b *backlog) free() {
	if cap(b.messages) > keepBacklog {
		return
	}
	clear(b.messages)
	b.messages, b.head = b.messages[:0], 0
	backlogs.Put(b)
}

func (b *backlog) waiting() []*Message { return b.messages[b.head:] }

// appendLocked queues m, whatever the limit.
func (c *Conn) appendLocked(m *Message) {
	b := c.backlog
	if b == nil {
		b = backlogs.Get().(*backlog)
		c.backlog = b
	}
	if n := len(b.messages); n == cap(b.messages) && b.head > n/2 {
		// Room is made where something has left, not by growing for ever.
		if c.pongAt > 0 {
			c.pongAt -= b.head
		}
		b.messages, b.head = slices.Delete(b.messages, 0, b.head), 0
	}
	b.messages = append(b.messages, m)
	c.queued += m.cost()
	c.scheduleLocked()
}

// consumeLocked takes the first n messages off the backlog.
func (c *Conn) consumeLocked(n int) {
	b := c.backlog
	for _, m := range b.waiting()[:n] {
		c.queued -= m.cost()
	}
	clear(b.waiting()[:n])
	b.head += n
	if b.head == len(b.messages) {
		b.free()
		c.backlog = nil
	}
}

// discardLocked forgets what has not been written.
func (c *Conn) discardLocked() {
	if c.backlog != nil {
		c.backlog.free()
		c.backlog = nil
	}
	c.rest, c.pongAt, c.pongs, c.queued = nil, 0, 0, 0
	c.progress.Store(0)
	c.flushedLocked()
}

// flushedLocked says that nothing has to be written any more.
func (c *Conn) flushedLocked() {
	if c.flushed != nil && !isClosed(c.flushed) {
		close(c.flushed)
	}
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

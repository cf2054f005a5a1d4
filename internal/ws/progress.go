package ws

import "time"

// Stuck returns how long data has been waiting for the peer without the peer taking any
// of it, or 0 if no data is waiting. It must be called repeatedly, by one goroutine at a
// time: where the system reports how much the peer has confirmed, Stuck compares that
// with the last call.
func (c *Conn) Stuck() time.Duration {
	since := c.progress.Load()
	if since == 0 {
		return 0
	}
	if n := int32(c.unsent()); n != c.unconfirmed {
		c.unconfirmed = n
		c.progress.CompareAndSwap(since, clock())
		return 0
	}
	return time.Duration(clock() - since)
}

// unsent returns how many bytes the peer has yet to confirm, or 0 if that is not known.
func (c *Conn) unsent() int {
	n, _ := c.query(unsentBy)
	return n
}

// Queued returns the cost in bytes of the messages that wait for the peer or are
// being written: their frames and the overhead of each.
func (c *Conn) Queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queued
}

// Unread returns the size of the messages that wait for the peer, or that waited for it when Abort
// discarded them.
func (c *Conn) Unread() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending != nil && c.ending.discarded > 0 {
		return c.ending.discarded
	}
	return c.queued
}

// Held returns about how much memory in bytes c uses in this process for messages to and from
// the peer: the waiting messages, and input that is incomplete.
func (c *Conn) Held() int { return c.Queued() + int(c.in.kept.Load()) }

// Buffered returns the memory in bytes that the kernel uses for data from and to the peer, or
// 0 if that is not known.
func (c *Conn) Buffered() int {
	n, _ := c.query(bufferedBy)
	return n
}

// Backpressured reports whether messages are waiting because the socket is full.
func (c *Conn) Backpressured() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.backpressuredLocked()
}

func (c *Conn) backpressuredLocked() bool {
	// Where writes block, a full socket cannot be detected. A writer that falls behind
	// indicates one.
	return c.blocked || (!c.Polled() || c.slow) && c.queued > chunk
}

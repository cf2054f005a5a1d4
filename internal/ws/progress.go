package ws

import "time"

// Stuck returns for how long the peer has taken nothing of what waits for it. It is
// called by one goroutine at a time, again and again: where the system tells how
// much the peer has confirmed, progress is what changed since the last call.
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

// unsent returns how many bytes the peer has not confirmed yet and still may, if
// that can be known.
func (c *Conn) unsent() int {
	if c.Polled() {
		return c.sock.unsent()
	}
	return unsent(c.inner())
}

// Queued returns what the messages cost that wait for the peer or are being
// written, in bytes: their frames, and what each takes beside.
func (c *Conn) Queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queued
}

// Backpressured reports whether the socket is full, so that messages wait.
func (c *Conn) Backpressured() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.backpressuredLocked()
}

func (c *Conn) backpressuredLocked() bool {
	// Where writing blocks nobody can tell that the socket is full, only that the
	// writer is behind.
	return c.blocked || (!c.Polled() || c.slow) && c.queued > chunk
}

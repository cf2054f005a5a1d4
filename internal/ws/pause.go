package ws

// Pause stops reading until Resume. If the handler's Message calls it, no further
// message is delivered, not even one that arrived together with the current one. If
// the peer hangs up in the meantime, the connection ends with CauseLost, and its
// unread data is lost.
func (c *Conn) Pause() {
	c.mu.Lock()
	c.pauseLocked(pausedByHandler)
	c.mu.Unlock()
}

// Resume undoes Pause.
func (c *Conn) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resumeLocked(pausedByHandler)
}

// Paused reports whether reading is paused, by Pause or because the peer has sent too fast. In the
// meantime, the peer cannot show that it is alive.
func (c *Conn) Paused() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.paused != 0
}

// pauses are the reasons why reading is paused. It continues when none is left.
type pauses uint8

const (
	pausedByHandler pauses = 1 << iota // until Resume
	pausedBySpeed                      // until the peer may send again
)

func (c *Conn) pauseLocked(why pauses) {
	if c.phase == phaseOpen {
		c.paused |= why
	}
}

func (c *Conn) resumeLocked(why pauses) {
	if c.paused&why == 0 {
		return
	}
	if c.paused &^= why; c.paused != 0 {
		return
	}
	if c.Polled() {
		c.sock.poller.push(c)
	} else {
		c.wakeUpLocked()
	}
}

package ws

import (
	"time"

	"github.com/ignis-go/ignis/internal/limit"
)

// speed limits how fast a peer may send. It is guarded by Conn.reading.
type speed struct {
	frames, bytes limit.Bucket
	excess        *excess // nil until the peer sends too fast for the first time
}

// excess records that a peer sends too fast.
type excess struct {
	since int64       // the clock since which the peer has not caught up
	until int64       // the clock at the end of the last pause
	timer *time.Timer // ends the pause
	more  bool        // the last read filled the buffer, so there may be more
}

// excessGap is the time after a pause from which a peer that is too fast again is treated as
// if it were so for the first time.
const excessGap = time.Second

// charge counts input, of which n bytes were read from the socket just now. If the peer
// sends too fast, charge pauses reading and returns false.
//
// The kernel's buffers fill up during a pause, and the peer has to wait as well. A peer that
// sends faster than that for ThrottleTimeout is closed. It has caught up as soon as all that
// it has sent is read, even if it has to wait before it may send more. So a peer that sends
// as fast as it may is never closed.
func (c *Conn) charge(n int) bool {
	o := c.opts
	frames, grown := c.in.take()
	now := c.lastRead.Load()
	if n == 0 {
		now = clock()
	}
	wait := max(c.speed.frames.Charge(o.Frames, now, frames), c.speed.bytes.Charge(o.Bytes, now, n+grown))
	if wait <= 0 {
		return true
	}
	first := c.speed.excess == nil
	if first {
		c.speed.excess = &excess{}
	}
	x := c.speed.excess
	if n > 0 {
		x.more = n >= plainBufferSize
	}
	first = first || now-x.until > int64(excessGap)
	if first || c.caughtUp() {
		x.since = now
	}
	x.until = now + int64(wait)
	left := time.Duration(x.since-now) + o.ThrottleTimeout
	if left <= 0 {
		c.CloseFor(End{CauseRate, closeTooMany, "Too many messages"})
		return false
	}
	c.mu.Lock()
	c.pauseLocked(pausedBySpeed)
	open := c.phase == phaseOpen
	c.mu.Unlock()
	if !open {
		return false
	}
	if first {
		c.handler.Throttled()
	}
	if x.timer == nil {
		x.timer = time.AfterFunc(min(wait, left), c.speedUp)
	} else {
		x.timer.Reset(min(wait, left))
	}
	return false
}

// speedUp resumes reading after a pause that charge has begun.
func (c *Conn) speedUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resumeLocked(pausedBySpeed)
}

// stop stops the timer.
func (s *speed) stop() {
	if s.excess != nil && s.excess.timer != nil {
		s.excess.timer.Stop()
	}
}

// caughtUp reports whether everything that has arrived is read.
func (c *Conn) caughtUp() bool {
	if c.behind {
		return false
	}
	if waiting, ok := c.query(incomingOf); ok || c.Polled() {
		return waiting == 0
	}
	return !c.speed.excess.more
}

package ws

import (
	"slices"
	"sync"

	"github.com/gobwas/ws"
)

// Tally says what became of the messages that one given to Enqueue consists of.
type Tally struct {
	Queued  int
	Full    int // dropped, or the connection was ended, at the limit
	Closing int // not queued: the connection is ending
	Large   int // dropped: over the limit, to a sealed connection
}

// lag times the backpressure limit may wait for a socket that is not known to be
// full: what the workers have not come to write yet is not the peer's fault
// either.
const lag = 4

// Enqueue queues m for writing, after all that has been queued before.
func (c *Conn) Enqueue(m *Message) (t Tally) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.enqueueLocked(m, &t)
	return t
}

func (c *Conn) enqueueLocked(m *Message, t *Tally) {
	if c.phase != phaseOpen {
		t.Closing += m.count()
		return
	}
	limit := c.opts.BackpressureLimit
	private := c.seal != nil && !m.clear // what is sealed is a copy for this peer alone
	large := private && m.cost() > limit
	if !c.blocked && c.Polled() && !c.slow {
		limit *= lag
	}
	full := large || c.queued+m.cost() > limit
	switch {
	case (full || c.slow) && m.parts != nil:
		for _, p := range m.parts { // as many as fit; a slow sealer gets them one by one
			c.enqueueLocked(p, t)
		}
	case large:
		t.Large++ // which is not the peer's fault either
	case full && c.queued > 0:
		t.Full++
		if !c.opts.DropWhenFull {
			c.abortLocked(CauseBackpressure)
		}
	default:
		// One message over the limit may go to a connection with nothing waiting:
		// its size is not the peer's fault, and its memory is shared.
		c.appendLocked(m)
		t.Queued += m.count()
	}
}

// Ping queues a ping.
func (c *Conn) Ping() { c.Enqueue(pingMessage) }

var pingMessage = control(ws.OpPing, nil)

// maxPongs is how many pongs may wait for the peer.
const maxPongs = 16

// pong answers a ping. Where the socket is full, or many answers wait, it takes the
// place of the last of them, as RFC 6455, section 5.5.3 allows: a peer that pings
// and does not read would otherwise fill the queue with messages of two bytes.
func (c *Conn) pong(payload []byte) {
	m := control(ws.OpPong, payload)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pongAt > 0 && (c.blocked || c.pongs >= maxPongs) {
		waiting := &c.backlog.messages[c.pongAt-1]
		c.queued += m.cost() - (*waiting).cost()
		*waiting = m
		return
	}
	var t Tally
	if c.enqueueLocked(m, &t); t == (Tally{Queued: 1}) {
		c.pongAt = len(c.backlog.messages)
		c.pongs++
	}
}

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

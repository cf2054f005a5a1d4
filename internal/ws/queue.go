package ws

import (
	"slices"
	"sync"

	"github.com/gobwas/ws"
)

// Tally counts what happened to the messages joined in the argument of Enqueue, and the
// queued messages that were dropped to make room for them. It must not have more than four
// fields or 32 bytes, because the compiler does not keep larger structs in registers.
type Tally struct {
	Queued  int
	Closing int32 // not queued: the connection is ending
	Large   int32 // dropped: larger than the limit, on a sealed connection
	Dropped
}

// Dropped counts the messages dropped because the peer is behind.
type Dropped struct {
	Full     int32 // dropped, or ended the connection, at the limit
	Oldest   int32 // dropped from the queue to make room
	Replaced int32 // dropped from the queue for newer messages with the same key
}

// lag is the factor by which the backpressure limit is multiplied while the socket is not
// known to be full: the peer is not to blame if the workers have not written its messages
// yet.
const lag = 4

// Enqueue queues m for writing after everything already queued, subject to the policies of
// its messages.
func (c *Conn) Enqueue(m *Message) (t Tally) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.enqueueLocked(m, &t)
	return t
}

func (c *Conn) enqueueLocked(m *Message, t *Tally) {
	if c.phase != phaseOpen {
		t.Closing += int32(m.count())
		return
	}
	limit := c.opts.BackpressureLimit
	private := c.seal != nil && !m.clear // sealing makes a copy for this peer alone
	large := private && m.cost() > limit
	if !c.blocked && c.Polled() && !c.slow {
		limit *= lag
	}
	full := large || c.queued+m.cost() > limit
	latest := m.policy == Latest && (full || c.behindLocked())
	if m.parts != nil && (full || latest || c.slow || c.indexed()) {
		// Queue as many as fit, each under its own policy. A slow sealer gets single
		// messages.
		for _, p := range m.parts {
			if m.clear {
				p = p.Clear()
			}
			c.enqueueLocked(p, t)
		}
		return
	}
	if large {
		t.Large++ // dropped, because the peer is not to blame for the size of m
		return
	}
	if latest && m.keyed() {
		c.replaceLocked(m, t)
	}
	if full && !c.makeRoomLocked(m, limit, t) {
		t.Full++
		if m.policy == Disconnect || m.own {
			c.abortLocked(CauseBackpressure)
		}
		return
	}
	c.appendLocked(m)
	t.Queued += m.count()
}

// Ping queues a ping.
func (c *Conn) Ping() { c.Enqueue(pingMessage) }

var pingMessage = control(ws.OpPing, nil)

// maxPongs is how many pongs may wait for the peer.
const maxPongs = 16

// pong answers a ping. If the socket is full, or many pongs are waiting, the answer
// replaces the last waiting pong, as RFC 6455, section 5.5.3 allows. Otherwise a peer that
// sends pings but does not read would fill the queue with tiny messages.
func (c *Conn) pong(payload []byte) {
	m := control(ws.OpPong, payload)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pongAt > 0 && (c.blocked || c.pongs >= maxPongs) {
		waiting := &c.backlog.messages[c.pongAt-1]
		larger := m.cost() - (*waiting).cost()
		c.queued += larger
		if c.indexed() {
			c.backlog.index.own += larger
		}
		*waiting = m
		return
	}
	var t Tally
	if c.enqueueLocked(m, &t); t.Queued == 1 {
		c.pongAt = len(c.backlog.messages)
		c.pongs++
	}
}

// backlog holds the messages that wait for one connection. It exists only while messages
// are waiting, so that it takes no memory for idle connections.
type backlog struct {
	messages []*Message
	head     int    // index of the first waiting message
	taken    int    // number of messages, from head on, that are being written
	index    *index // nil until a policy needs it
}

var backlogs = sync.Pool{New: func() any { return &backlog{messages: make([]*Message, 0, 8)} }}

// keepBacklog is the maximum length of a backlog whose memory is kept for reuse.
const keepBacklog = 4 << 10

func (b *backlog) free() {
	if cap(b.messages) > keepBacklog {
		return
	}
	clear(b.messages)
	*b = backlog{messages: b.messages[:0]}
	backlogs.Put(b)
}

func (b *backlog) waiting() []*Message { return b.messages[b.head:] }

// take records that the first n messages are being written.
func (b *backlog) take(n int) {
	b.taken = n
	if b.index != nil {
		for _, m := range b.waiting()[:n] {
			b.index.take(m)
		}
	}
}

// left returns how many places are unused because their messages have left the backlog.
func (b *backlog) left() int {
	if b.index == nil {
		return b.head
	}
	return b.head + b.index.gone
}

// compactLocked frees the places of messages that have left the backlog.
func (c *Conn) compactLocked() {
	b := c.backlog
	if b.index != nil {
		c.squeezeLocked()
		return
	}
	if c.pongAt > 0 {
		c.pongAt -= b.head
	}
	b.messages, b.head = slices.Delete(b.messages, 0, b.head), 0
}

// appendLocked queues m regardless of the limit.
func (c *Conn) appendLocked(m *Message) {
	b := c.backlog
	if b == nil {
		b = backlogs.Get().(*backlog)
		c.backlog = b
	}
	if n := len(b.messages); n == cap(b.messages) && b.left() > n/2 {
		c.compactLocked() // otherwise it would grow forever
	}
	if b.index != nil {
		b.index.add(len(b.messages), m)
	}
	b.messages = append(b.messages, m)
	c.queued += m.cost()
	c.scheduleLocked()
}

// consumeLocked removes the first n messages, which have been written, from the backlog.
// Other taken messages wait again.
func (c *Conn) consumeLocked(n int) {
	b := c.backlog
	if b.index != nil {
		b.index.consumed(b, n)
	}
	back := b.taken - n
	b.taken = 0
	for _, m := range b.waiting()[:n] {
		c.queued -= m.cost()
	}
	clear(b.waiting()[:n])
	b.head += n
	if b.head == len(b.messages) {
		b.free()
		c.backlog = nil
	} else if back > 0 && b.index != nil {
		c.returnedLocked(back)
	}
}

// discardLocked discards everything that has not been written.
func (c *Conn) discardLocked() {
	if c.backlog != nil {
		c.backlog.free()
		c.backlog = nil
	}
	c.rest, c.pongAt, c.pongs, c.queued = nil, 0, 0, 0
	c.progress.Store(0)
	c.flushedLocked()
}

// flushedLocked signals that nothing is left to write.
func (c *Conn) flushedLocked() {
	if e := c.ending; e != nil && e.flushed != nil && !isClosed(e.flushed) {
		close(e.flushed)
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

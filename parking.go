package ignis

import (
	"sync"

	"github.com/ignis-go/ignis/internal/ws"
)

// parking keeps the messages of rooms that a client is joining, until OnJoin has
// returned: what that sends comes first, and nothing that was sent after the join is
// missing. A client has one only while it joins.
type parking struct {
	since int64 // the server's uptime when it was opened; not 0

	mu    sync.Mutex
	rooms map[string]*parkedRoom
	bytes int
	over  bool // more than the client may have waiting
}

type parkedRoom struct {
	joins    int // that wait for OnJoin
	messages []parkedMessage
}

type parkedMessage struct {
	frame *ws.Message
	slow  SlowPolicy
}

// park makes messages to a room wait for unpark. It is called before the client enters
// the room.
func (c *session) park(room string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.parked.Load()
	if p == nil {
		p = &parking{since: max(c.server.uptime(), 1), rooms: make(map[string]*parkedRoom)}
		c.parked.Store(p)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rooms[room]
	if r == nil {
		r = &parkedRoom{}
		p.rooms[room] = r
	}
	r.joins++
}

// unpark queues what has waited.
func (c *session) unpark(room string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.parked.Load()
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rooms[room]
	if r.joins--; r.joins > 0 {
		return
	}
	queued := 0
	for _, m := range r.messages {
		t := c.conn.Enqueue(m.frame)
		queued += t.Queued
		c.dropped(t, m.slow)
		p.bytes -= m.frame.Size()
	}
	c.server.counts.sent.Add(uint64(queued))
	delete(p.rooms, room)
	if len(p.rooms) == 0 {
		c.parked.Store(nil)
	}
}

// keep parks a message to a room, and reports false if the client is not joining it.
func (p *parking) keep(c *session, room string, frame *ws.Message, slow SlowPolicy) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rooms[room]
	if r == nil {
		// It has been unparked, maybe just now; whoever holds the lock next sees that, too.
		return false
	}
	if p.bytes+frame.Size() > c.server.cfg.BackpressureLimit && p.bytes > 0 {
		if !p.over {
			p.over = true
			c.server.warn("client cut off: more was sent to a room while OnJoin ran than may wait for it", "client", c.member.ID)
			c.conn.Abort(ws.CauseBackpressure)
		}
		c.dropped(ws.Tally{Closing: frame.Count()}, slow)
		return true
	}
	p.bytes += frame.Size()
	r.messages = append(r.messages, parkedMessage{frame, slow})
	return true
}

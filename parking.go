package ignis

import (
	"sync"

	"github.com/ignis-go/ignis/internal/ws"
)

// parking holds back messages to rooms that a client is joining until OnJoin has
// returned. What OnJoin sends therefore comes first, and no message sent after the join
// is lost. It exists only while the client is joining a room.
type parking struct {
	since int64 // the server's uptime when it was created; not 0

	mu    sync.Mutex
	rooms map[string]*parkedRoom
	bytes int
	over  bool // the limit has been exceeded
}

type parkedRoom struct {
	joins    int // number of joins whose OnJoin has not returned
	messages []parkedMessage
}

type parkedMessage struct {
	frame *ws.Message
	slow  SlowPolicy
}

// park holds back messages to a room until unpark. It must be called before the client
// enters the room.
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

// unpark queues the messages that were held back.
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

// keep holds back a message to a room. It reports false if the client is not joining the
// room.
func (p *parking) keep(c *session, room string, frame *ws.Message, slow SlowPolicy) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rooms[room]
	if r == nil {
		// The messages have already been queued, possibly just now. Whoever takes the
		// lock next sees that, too.
		return false
	}
	if p.bytes+frame.Size() > c.server.cfg.BackpressureLimit && p.bytes > 0 {
		if !p.over {
			p.over = true
			c.server.warn("client cut off: messages to the room exceeded BackpressureLimit while OnJoin ran", "client", c.member.ID)
			c.conn.Abort(ws.CauseBackpressure)
		}
		c.dropped(ws.Tally{Closing: frame.Count()}, slow)
		return true
	}
	p.bytes += frame.Size()
	r.messages = append(r.messages, parkedMessage{frame, slow})
	return true
}

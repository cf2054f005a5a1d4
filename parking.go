package ignis

import (
	"sync"
	"sync/atomic"

	"github.com/ignis-go/ignis/internal/ws"
)

// parking holds back messages to rooms that a client is joining until OnJoin has
// returned. What OnJoin sends therefore comes first, and no message sent after the join
// is lost. It exists only while the client is joining a room.
type parking struct {
	since atomic.Int64 // the server's uptime when OnJoin was called; 0 while it does not run

	mu    sync.Mutex
	rooms map[string]*parkedRoom
	cost  int  // of all messages, as the queue counts them
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
		p = &parking{rooms: make(map[string]*parkedRoom)}
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

// startParkingTime starts measuring the time that OnJoin takes.
func (c *session) startParkingTime() {
	if p := c.parked.Load(); p != nil {
		p.since.Store(max(c.server.uptime(), 1))
	}
}

// unpark queues the messages to a room that were held back.
func (c *session) unpark(room string) {
	drops := c.release(room)
	for _, d := range drops { // without locks, because it calls the application
		c.dropped(d.tally, d.slow)
	}
}

// drop is the result of queuing a message of which something was dropped.
type drop struct {
	tally ws.Tally
	slow  SlowPolicy
}

func (c *session) release(room string) (drops []drop) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.parked.Load()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since.Store(0)
	r := p.rooms[room]
	if r.joins--; r.joins > 0 {
		return nil
	}
	queued := 0
	for _, m := range r.messages {
		t := c.conn.Enqueue(m.frame)
		queued += t.Queued
		if t != (ws.Tally{Queued: t.Queued}) {
			drops = append(drops, drop{t, m.slow})
		}
		p.cost -= m.frame.Cost()
	}
	c.server.counts.sent.Add(uint64(queued))
	delete(p.rooms, room)
	if len(p.rooms) == 0 {
		c.parked.Store(nil)
	}
	return drops
}

// keep holds back a message to a room. It reports false if the client is not joining the
// room.
func (p *parking) keep(c *session, room string, frame *ws.Message, slow SlowPolicy) bool {
	kept, fits, first := p.try(room, frame, slow, c.server.cfg.BackpressureLimit)
	if first {
		c.server.warn("client cut off: messages to the room exceeded BackpressureLimit while OnJoin ran", about(c)...)
		c.conn.Abort(ws.CauseBackpressure)
	}
	if kept && !fits {
		c.dropped(ws.Tally{Closing: int32(frame.Count())}, slow)
	}
	return kept
}

// try is keep without its side effects. It also reports whether the message fits, and
// whether it is the first that does not.
func (p *parking) try(room string, frame *ws.Message, slow SlowPolicy, limit int) (kept, fits, first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rooms[room]
	if r == nil {
		// OnJoin has returned, possibly just now, and release has queued the messages that
		// were held back. This message can be queued after them.
		return false, true, false
	}
	if p.cost+frame.Cost() > limit && p.cost > 0 {
		first = !p.over
		p.over = true
		return true, false, first
	}
	p.cost += frame.Cost()
	r.messages = append(r.messages, parkedMessage{frame, slow})
	return true, true, false
}

package ignis

import (
	"container/heap"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"time"

	"github.com/ignis-go/ignis/internal/ws"
	"github.com/ignis-go/ignis/wire"
)

const (
	maxNotice   = time.Second           // time between the draining event and the close, at most
	retrySpread = time.Second           // random part of retryAfter, if the closes are spread as well
	busyPause   = 20 * time.Millisecond // time between two attempts to close a client that is busy
	minPause    = 2 * time.Millisecond  // time between two steps, so that many clients are closed together
)

// noticeFor returns how long before the close to warn a client, if the closes are spread over a
// window.
func noticeFor(window time.Duration) time.Duration { return min(maxNotice, window/4) }

// departures closes clients at planned times, and warns those of protocol 2 before. It is used
// only by the goroutine of Run, so that no client needs a timer.
type departures struct {
	server   *Server
	timer    *time.Timer   // fires when something is due
	planned  departureHeap // by time
	draining *drain        // nil unless the server is draining
	seed     maphash.Seed  // of the ages
}

// departure is a client to close. Times are according to Server.uptime.
type departure struct {
	client *session
	at     int64 // when to warn it, and then when to close it
	notice int64 // time between the two; 0 once it was warned
	until  int64 // until when to wait for its callbacks and its queue
	end    ws.End
}

func newDepartures(s *Server) *departures {
	d := &departures{server: s, timer: time.NewTimer(time.Hour), seed: maphash.MakeSeed()}
	d.timer.Stop()
	return d
}

// plan plans to close a client at p.at, and to warn it before.
func (d *departures) plan(p departure, notice time.Duration) {
	if p.client.leaving {
		return
	}
	p.client.leaving = true
	p.at, p.notice = p.at-int64(notice), int64(notice)
	heap.Push(&d.planned, p)
}

// step does what is due, and sets the timer for what comes next. It reports whether the server
// has been drained.
func (d *departures) step() (drained bool) {
	now := d.server.uptime()
	for len(d.planned) > 0 && d.planned[0].at <= now {
		d.depart(heap.Pop(&d.planned).(departure), now)
	}
	if d.stepDrain(now) {
		return true
	}
	d.set()
	return false
}

// depart warns or closes a client.
func (d *departures) depart(p departure, now int64) {
	switch c := p.client; {
	case p.notice > 0:
		c.warn(time.Duration(p.notice) + time.Duration(rand.Int64N(int64(retrySpread))))
		p.at, p.notice = p.at+p.notice, 0
		heap.Push(&d.planned, p)
	case now < p.until && c.busy():
		p.at = now + int64(busyPause)
		heap.Push(&d.planned, p)
	default:
		c.conn.CloseFor(p.end)
	}
}

// set sets the timer for what is due next.
func (d *departures) set() {
	next := int64(math.MaxInt64)
	if len(d.planned) > 0 {
		next = d.planned[0].at
	}
	if dr := d.draining; dr != nil {
		due := dr.opens
		if dr.open {
			due = min(dr.look, dr.log, dr.ends)
		}
		next = min(next, due)
	}
	if next != math.MaxInt64 {
		d.timer.Reset(max(time.Duration(next-d.server.uptime()), minPause))
	}
}

// busy reports whether the client is connected, and callbacks or messages are waiting for it.
func (c *session) busy() bool {
	state, _, _ := c.authState()
	return state != StateDisconnected && (c.inbox.Busy() || c.conn.Queued() > 0)
}

// warn sends a draining event to a client of protocol 2.
func (c *session) warn(retryAfter time.Duration) {
	if state, _, _ := c.authState(); state == StateAuthenticated && c.version() >= 2 {
		c.sendOwn(frame(wire.Message{Event: wire.EventDraining, Data: wire.Draining{RetryAfter: retryAfter}.Encode()}).Own())
	}
}

// tooOld is how clients are closed because of Config.MaxConnectionAge.
var tooOld = ws.End{Cause: ws.CauseAge, Code: wire.CloseGoingAway, Reason: "Connection too old"}

// maxAge is the highest limit for the age of a client. It can be computed with without overflow.
const maxAge = time.Duration(math.MaxInt64 / 4)

// planAged plans to close the clients that reach Config.MaxConnectionAge within a time.
func (d *departures) planAged(within time.Duration) {
	s := d.server
	limit := s.tuning.Load().MaxConnectionAge
	if limit > maxAge || d.draining != nil {
		return
	}
	now := s.uptime()
	var late []*session
	for _, c := range s.reg.AppendAll(nil) {
		if c.leaving {
			continue
		}
		switch left := d.ageOf(c, limit) - c.age(); {
		case left <= 0: // the limit was lowered
			late = append(late, c)
		case left <= within+maxNotice: // so that there is time to warn it
			d.planAge(c, now+int64(left), min(noticeFor(limit), left))
		}
	}
	spread := spreadFor(len(late))
	for _, c := range late {
		notice := noticeFor(min(spread, limit))
		d.planAge(c, now+int64(notice)+rand.Int64N(int64(spread)), notice)
	}
	d.set()
}

func (d *departures) planAge(c *session, at int64, notice time.Duration) {
	until := at + int64(d.server.cfg.BehindTimeout)
	d.plan(departure{client: c, at: at, until: until, end: tooOld}, notice)
}

// ageOf returns the age at which to close a client: limit and up to 10 % more or less. It is the
// same whenever it is computed, so a client does not need to store it.
func (d *departures) ageOf(c *session, limit time.Duration) time.Duration {
	const steps = 1 << 20
	part := float64(maphash.String(d.seed, c.member.ID)%steps) / steps
	return time.Duration(float64(limit) * (0.9 + 0.2*part))
}

// age returns the time since the client has connected.
func (c *session) age() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entry != nil {
		return time.Since(c.entry.connectedAt)
	}
	return time.Since(c.identity.ConnectedAt)
}

// departureHeap is a heap of departures, the earliest first. It implements [heap.Interface].
type departureHeap []departure

func (h departureHeap) Len() int           { return len(h) }
func (h departureHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h departureHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *departureHeap) Push(x any)        { *h = append(*h, x.(departure)) }

func (h *departureHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last] = departure{} // keeps no client
	*h = (*h)[:last]
	return x
}

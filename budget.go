package ignis

import (
	"cmp"
	"runtime"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ignis-go/ignis/internal/memory"
	"github.com/ignis-go/ignis/internal/ws"
)

// This file keeps the process within its memory budget; see Config.MemoryLimit. A goroutine
// measures the memory in use, so that messages cost nothing more. Connections report only
// that their sockets have become full, which happens rarely and is what makes memory grow
// fast: the kernel buffers up to half of BackpressureLimit for each of them.

const (
	// scarceShare is the used share of the budget from which new connections are refused
	// and clients are cut off.
	scarceShare = 0.85
	// enoughShare is the share until which clients are cut off. New connections are
	// accepted again below it.
	enoughShare = 0.75
	// lastShare is the share of a hard limit from which garbage counts like other memory,
	// because there may be no time to collect it.
	lastShare = 0.95
	// minHeld is the memory in bytes that a client must at least use to be cut off.
	// Cutting off clients that use less would not help.
	minHeld = 64 << 10

	// The intervals of measurements: usually, once a quarter of the budget is used, and
	// the minimum if sockets become full.
	relaxedInterval = 50 * time.Millisecond
	busyInterval    = 10 * time.Millisecond
	minInterval     = 2 * time.Millisecond
	busyShare       = 0.25

	// The minimum intervals between two forced garbage collections.
	collectInterval     = time.Second
	collectIntervalHard = 200 * time.Millisecond
)

// memoryWatch is the state of the memory budget.
type memoryWatch struct {
	read   func(sockets int64) memory.Usage // nil if there is no budget
	scarce atomic.Bool                      // new connections are refused
	full   chan struct{}                    // has an element when a socket has become full

	collected time.Time // when a garbage collection was forced last
}

func (m *memoryWatch) init(limit int64) {
	if limit < 0 {
		return
	}
	if b := memory.New(limit); b != nil {
		m.use(b.Read)
	}
}

func (m *memoryWatch) use(read func(sockets int64) memory.Usage) {
	m.read, m.full = read, make(chan struct{}, 1)
}

// wake returns a function that makes watchMemory measure soon, or nil if there is no budget.
func (m *memoryWatch) wake() func() {
	if m.read == nil {
		return nil
	}
	return func() {
		select {
		case m.full <- struct{}{}:
		default:
		}
	}
}

// watchMemory starts to measure the memory, unless there is no budget. The returned function
// stops it.
func (s *Server) watchMemory() (stop func()) {
	if s.memory.read == nil {
		return func() {}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		timer := time.NewTimer(minInterval)
		defer timer.Stop()
		for {
			select { // first wait for the minimum interval
			case <-timer.C:
			case <-quit:
				return
			}
			interval := s.checkMemory()
			timer.Reset(interval)
			select {
			case <-timer.C:
			case <-s.memory.full:
			case <-quit:
				return
			}
			timer.Reset(minInterval)
		}
	}()
	return func() { close(quit); <-done }
}

// checkMemory measures the memory, cuts off clients if too much of it is used, and returns
// the time until the next measurement.
func (s *Server) checkMemory() time.Duration {
	m := &s.memory
	u := s.usage()
	if u.Share() >= scarceShare && mayBeGarbage(u) && m.mayCollect(u) {
		if u.Hard {
			debug.FreeOSMemory() // free memory that is not returned to the system counts, too
		} else {
			runtime.GC()
		}
		u = s.usage()
	}
	switch {
	case u.Share() >= scarceShare && !mayBeGarbage(u):
		if !m.scarce.Swap(true) {
			s.errorf("the memory budget is nearly used up: new connections are refused and clients with long queues are cut off (Config.MemoryLimit)",
				"used", u.Used, "limit", u.Limit, "source", u.Name)
		}
		s.shed(u.Used - u.Garbage - int64(enoughShare*float64(u.Limit)))
	case u.NeededShare() < enoughShare:
		m.scarce.Store(false)
	}
	if u.Share() < busyShare {
		return relaxedInterval
	}
	return busyInterval
}

// usage measures the memory.
func (s *Server) usage() memory.Usage { return s.memory.read(s.opts.Engine.Buffered()) }

// mayBeGarbage reports whether enough memory may be left once the garbage is collected.
func mayBeGarbage(u memory.Usage) bool {
	return u.NeededShare() < scarceShare && !(u.Hard && u.Share() >= lastShare)
}

// mayCollect reports whether a garbage collection may be forced now. The runtime collects by
// itself when its limit is reached, but not at that of a control group.
func (m *memoryWatch) mayCollect(u memory.Usage) bool {
	interval := collectInterval
	if u.Hard {
		interval = collectIntervalHard
	}
	now := time.Now()
	if now.Sub(m.collected) < interval {
		return false
	}
	m.collected = now
	return true
}

// shed cuts off the clients that use the most memory until about that many bytes are free.
// It then collects the garbage, because the next measurement would otherwise not show what
// has become free.
func (s *Server) shed(bytes int64) {
	type holder struct {
		c    *session
		held int
	}
	var list []holder
	for _, c := range s.reg.AppendAll(nil) {
		if held := c.held(); held >= minHeld {
			list = append(list, holder{c, held})
		}
	}
	slices.SortFunc(list, func(a, b holder) int { return cmp.Compare(b.held, a.held) })
	for _, h := range list {
		if bytes <= 0 {
			break
		}
		bytes -= int64(h.held)
		s.warn("client cut off: the memory budget is nearly used up, and its queues are among the largest (Config.MemoryLimit)", "client", h.c.member.ID, "bytes", h.held)
		h.c.conn.Abort(ws.CauseMemory)
	}
	if len(list) == 0 {
		s.warn("the memory budget is nearly used up, but not by the queues of clients (Config.MemoryLimit)")
		return
	}
	runtime.GC()
}

// held returns about how much memory in bytes is used for what waits for the client, or for
// its callbacks.
func (c *session) held() int {
	held := c.conn.Held() + c.inbox.Bytes()
	if p := c.parked.Load(); p != nil {
		p.mu.Lock()
		held += p.cost
		p.mu.Unlock()
	}
	return held
}

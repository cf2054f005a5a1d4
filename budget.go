package ignis

import (
	"cmp"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ignis-go/ignis/internal/memory"
	"github.com/ignis-go/ignis/internal/ws"
)

// This file keeps the process within its memory budget; see Config.MemoryLimit. A goroutine
// measures the memory in use, so that messages cost nothing more.
//
// Most of the memory is usually not in this process: the kernel buffers up to half of
// BackpressureLimit for each client that does not read. Asking it for all sockets takes
// milliseconds if there are thousands. But their buffers cannot have grown by more than what
// has been written since the last time, so it suffices to ask when that much would be too
// much. Writers wait for a measurement when they have written so much.

const (
	// scarceShare is the used share of the budget from which new connections are refused
	// and clients are cut off.
	scarceShare = 0.80
	// acceptShare is the share below which new connections are accepted again. Until then,
	// further clients are cut off.
	acceptShare = 0.75
	// enoughShare is the share until which clients are cut off.
	enoughShare = 0.70
	// lastShare is the share of a hard limit from which garbage counts like other memory,
	// because there may be no time to collect it.
	lastShare = 0.95
	// minHeld is the memory in bytes that a client must at least use to be cut off.
	// Cutting off clients that use less would not help.
	minHeld = 64 << 10

	// The intervals of measurements: usually, once a quarter of the budget is used, and
	// the minimum if much has been written.
	relaxedInterval = 50 * time.Millisecond
	busyInterval    = 10 * time.Millisecond
	minInterval     = time.Millisecond
	busyShare       = 0.25
	// leastShare is the share of the budget that may be written between two measurements
	// even if memory is scarce.
	leastShare = 1.0 / 64
	// maxPause is the maximum time for which writers wait for a measurement.
	maxPause = 50 * time.Millisecond

	// The minimum intervals between two forced garbage collections.
	collectInterval     = time.Second
	collectIntervalHard = 200 * time.Millisecond
	// scanFactor times as long as it took to ask the kernel for all sockets passes until
	// it is asked again.
	scanFactor = 10
	// searchInterval is the minimum time until clients to cut off are searched again after
	// there were none, unless much more memory is used by then.
	searchInterval = 100 * time.Millisecond
)

// memoryWatch is the state of the memory budget. Fields without a comment on that are used by
// one goroutine.
type memoryWatch struct {
	read   func(sockets int64) memory.Usage // nil if there is no budget
	limit  int64
	scarce atomic.Bool   // new connections are refused
	wanted chan struct{} // has an element when a writer waits for a measurement

	mu       sync.Mutex
	measured chan struct{} // closed after the next measurement

	collected time.Time     // when a garbage collection was forced last
	scanned   time.Time     // when the kernel was asked last
	scan      time.Duration // how long that took
	sockets   int64         // its answer in bytes
	written   int64         // bytes written before that

	futile struct { // the last search for clients to cut off that has found none
		ended time.Time
		took  time.Duration
		used  int64 // memory in use
	}
}

func (m *memoryWatch) init(limit int64) {
	if limit < 0 {
		return
	}
	if b := memory.New(limit); b != nil {
		m.use(b.Limit(), b.Read)
	}
}

func (m *memoryWatch) use(limit int64, read func(sockets int64) memory.Usage) {
	m.limit, m.read = limit, read
	m.wanted, m.measured = make(chan struct{}, 1), make(chan struct{})
}

// attach makes the engine ask for measurements, if there is a budget.
func (m *memoryWatch) attach(c *ws.EngineConfig) {
	if m.read != nil {
		c.Measure = m.wait
	}
}

// wait waits for the next measurement.
func (m *memoryWatch) wait() {
	m.mu.Lock()
	measured := m.measured
	m.mu.Unlock()
	select {
	case m.wanted <- struct{}{}:
	default:
	}
	timeout := time.NewTimer(maxPause)
	defer timeout.Stop()
	select {
	case <-measured:
	case <-timeout.C:
	}
}

// done lets the writers continue that wait.
func (m *memoryWatch) done() {
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.measured)
	m.measured = make(chan struct{})
}

// watchMemory measures the memory until the returned function is called. Without a budget, it
// is a no-op.
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
			select { // wait for the minimum interval
			case <-timer.C:
			case <-quit:
				return
			}
			timer.Reset(s.checkMemory())
			s.allowWriting()
			s.memory.done()
			select {
			case <-timer.C:
			case <-s.memory.wanted:
			case <-quit:
				return
			}
			timer.Reset(minInterval)
		}
	}()
	return func() {
		close(quit)
		<-done
		s.opts.Engine.Allow(math.MaxInt64)
		s.memory.done()
	}
}

// allowWriting lets the writers continue until they may have filled the budget.
func (s *Server) allowWriting() {
	m := &s.memory
	u, _ := s.usage()
	s.opts.Engine.Allow(max(int64(scarceShare*float64(u.Limit))-u.Used, int64(leastShare*float64(m.limit))))
}

// checkMemory measures the memory, cuts off clients if too much of it is used, and returns
// the time until the next measurement.
func (s *Server) checkMemory() time.Duration {
	m := &s.memory
	u, exact := s.usage()
	// Once memory is scarce, stopping just below scarceShare would leave new connections refused
	// for as long as the clients that hold the rest stay connected.
	bound := scarceShare
	if m.scarce.Load() {
		bound = acceptShare
	}
	if !exact && u.Share() >= bound {
		if time.Since(m.scanned) < scanFactor*m.scan {
			return busyInterval
		}
		s.scanSockets()
		u, _ = s.usage()
	}
	if u.Share() >= bound && mayBeGarbage(u, bound) && m.mayCollect(u) {
		if u.Hard {
			debug.FreeOSMemory() // free memory that is not returned to the system counts, too
		} else {
			runtime.GC()
		}
		u, _ = s.usage()
	}
	switch {
	case u.Share() >= bound && !mayBeGarbage(u, bound):
		if !m.scarce.Swap(true) {
			s.errorf("the memory budget is nearly used up: new connections are refused and clients with long queues are cut off (Config.MemoryLimit)",
				"used", u.Used, "limit", u.Limit, "source", u.Name)
		}
		// Garbage alone is not the problem. But if no client can be cut off and the system may
		// kill the process, collecting it is all that is left.
		if !s.shed(u) && u.Hard && u.Share() >= lastShare && m.isMuch(u.Garbage) && m.mayCollect(u) {
			debug.FreeOSMemory()
		}
	case u.NeededShare() < acceptShare:
		m.scarce.Store(false)
	}
	if u.Share() < busyShare {
		return relaxedInterval
	}
	return busyInterval
}

// usage measures the memory. Unless exact is set, the true usage may be lower, because the
// clients may have read what has been written.
func (s *Server) usage() (u memory.Usage, exact bool) {
	m := &s.memory
	since := s.opts.Engine.Written() - m.written
	return m.read(m.sockets + since), m.sockets+since == 0
}

// scanSockets asks the kernel for the memory that it uses for all sockets.
func (s *Server) scanSockets() {
	m := &s.memory
	m.scanned = time.Now()
	m.written = s.opts.Engine.Written()
	m.sockets = 0
	for _, c := range s.reg.AppendAll(nil) {
		m.sockets += int64(c.conn.Buffered())
	}
	m.scan = time.Since(m.scanned)
}

// mayBeGarbage reports whether less than the bound may be used once the garbage is collected.
func mayBeGarbage(u memory.Usage, bound float64) bool {
	return u.NeededShare() < bound && !(u.Hard && u.Share() >= lastShare)
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

// isMuch reports whether that many bytes are a considerable part of the budget.
func (m *memoryWatch) isMuch(bytes int64) bool { return bytes >= int64(leastShare*float64(m.limit)) }

// maySearch reports whether clients to cut off may be searched. Asking thousands of clients
// takes milliseconds, and memory may be scarce for hours without any fault of theirs.
func (m *memoryWatch) maySearch(u memory.Usage) bool {
	return time.Since(m.futile.ended) >= max(scanFactor*m.futile.took, searchInterval) || m.isMuch(u.Used-m.futile.used)
}

// shed cuts off the clients that use the most memory until about enough of the budget is free,
// and reports whether there were any. It then collects the garbage, because the next measurement
// would otherwise not show what has become free.
func (s *Server) shed(u memory.Usage) bool {
	m := &s.memory
	if !m.maySearch(u) {
		return false
	}
	began := time.Now()
	bytes := u.Used - u.Garbage - int64(enoughShare*float64(u.Limit))
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
		s.warn("client cut off: the memory budget is nearly used up, and its queues are among the largest (Config.MemoryLimit)", append(about(h.c), "bytes", h.held)...)
		h.c.conn.Abort(ws.CauseMemory)
	}
	if len(list) == 0 {
		s.warn("the memory budget is nearly used up, but not by the queues of clients (Config.MemoryLimit)")
		m.futile.ended, m.futile.took, m.futile.used = time.Now(), time.Since(began), u.Used
		return false
	}
	runtime.GC()
	s.scanSockets()
	return true
}

// held returns about how much memory in bytes is used for what waits for the client, or for
// its callbacks.
func (c *session) held() int {
	held := c.conn.Held() + c.conn.Buffered() + c.inbox.Bytes()
	if p := c.parked.Load(); p != nil {
		p.mu.Lock()
		held += p.cost
		p.mu.Unlock()
	}
	return held
}

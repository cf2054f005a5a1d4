package listen

import (
	"sync"
	"time"
)

// grace is the total time that a connection may wait for its peer before it can lose its
// place to another one. Honest peers need less, unless they are very far away.
const grace = 500 * time.Millisecond

// places limits how many connections are being prepared. With a limit alone, a few silent
// peers could keep all others out until they time out. So when all places are taken, the
// connection that has waited longest for its peer makes room. A connection that waits for the
// processor never does: when many peers connect together, as after a restart, they only wait
// for each other.
type places struct {
	max int

	mu    sync.Mutex
	taken map[*arrival]struct{}
	freed chan struct{} // closed when a place is freed; nil if no connection waits for one
}

func newPlaces(limit int) *places {
	return &places{max: limit, taken: make(map[*arrival]struct{})}
}

// enter waits for a place and gives it to a. It returns false if a's listener is closed
// first.
func (p *places) enter(a *arrival) bool {
	for {
		freed, patience, ok := p.tryEnter(a)
		if ok {
			return p.stays(a)
		}
		timer := time.NewTimer(patience)
		select {
		case <-freed:
			timer.Stop()
		case <-timer.C:
		case <-a.listener.closed:
			timer.Stop()
			return false
		}
	}
}

// tryEnter gives a place to a. If there is none, it returns a channel that is closed when
// one is freed, and the maximum time to wait before trying again.
func (p *places) tryEnter(a *arrival) (freed <-chan struct{}, patience time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.taken) >= p.max {
		last, waited := p.longestWaitingLocked(time.Now())
		if last == nil || waited < grace {
			if p.freed == nil {
				p.freed = make(chan struct{})
			}
			return p.freed, grace - waited, false
		}
		p.cutOffLocked(last)
	}
	p.taken[a] = struct{}{}
	return nil, 0, true
}

// stays frees a's place and returns false if its listener has been closed in the meantime,
// because closeOf may have missed a.
func (p *places) stays(a *arrival) bool {
	select {
	case <-a.listener.closed:
		p.leave(a)
		return false
	default:
		return true
	}
}

// longestWaitingLocked returns the connection that has waited longest for its peer, out of
// those that are waiting for theirs, or nil.
func (p *places) longestWaitingLocked(now time.Time) (last *arrival, waited time.Duration) {
	for a := range p.taken {
		if a.since.IsZero() {
			continue
		}
		if w := a.waited + now.Sub(a.since); last == nil || w > waited {
			last, waited = a, w
		}
	}
	return last, waited
}

func (p *places) cutOffLocked(a *arrival) {
	delete(p.taken, a)
	a.cutOff = true
	_ = a.Conn.Close() // ends its read
}

// leave frees a's place. It returns false if a was cut off.
func (p *places) leave(a *arrival) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a.cutOff {
		return false
	}
	delete(p.taken, a)
	if p.freed != nil {
		close(p.freed)
		p.freed = nil
	}
	return true
}

// waits records whether a waits for its peer.
func (p *places) waits(a *arrival, now bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now {
		a.since = time.Now()
		return
	}
	a.waited += time.Since(a.since)
	a.since = time.Time{}
}

// closeOf closes all connections of a listener.
func (p *places) closeOf(l *Listener) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for a := range p.taken {
		if a.listener == l {
			_ = a.Conn.Close()
		}
	}
}

func (p *places) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.taken)
}

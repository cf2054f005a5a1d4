package webhook

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// CircuitState is the state of a circuit.
type CircuitState uint8

// The states.
const (
	CircuitClosed   CircuitState = iota // requests are sent
	CircuitOpen                         // no requests are sent
	CircuitHalfOpen                     // a single request tests whether the endpoint works again
)

// String returns the name of the state.
func (s CircuitState) String() string {
	switch s {
	case CircuitClosed:
		return "closed"
	case CircuitOpen:
		return "open"
	case CircuitHalfOpen:
		return "half-open"
	}
	return fmt.Sprintf("CircuitState(%d)", uint8(s))
}

// maxPauses is the maximum pause of a circuit, as a multiple of the first.
const maxPauses = 12

// circuit is a circuit breaker: it stops requests to an endpoint that fails.
type circuit struct {
	failures int           // number of consecutive failures that open it
	pause    time.Duration // pause when it opens for the first time

	mu      sync.Mutex
	state   CircuitState
	round   uint64        // number of changes of the state
	failed  int           // consecutive failures while closed
	testing bool          // half-open, and the test is in flight
	next    time.Duration // pause when it opens again; 0: the first
	until   time.Time     // open: the end of the pause
	opened  uint64        // number of times it was opened
	held    time.Time     // no requests before this time; see hold
}

// pass is the permission to send a request. The result of the request must be reported.
type pass struct{ round uint64 }

// result is what a request says about its endpoint.
type result uint8

const (
	resultNone result = iota // nothing, for example because the request was canceled
	resultWorks
	resultFailed
)

// admit returns a pass, or the time to wait before calling it again.
func (c *circuit) admit() (p pass, wait time.Duration, ok bool) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case now.Before(c.held):
		return pass{}, c.held.Sub(now), false
	case c.state == CircuitClosed:
		return pass{c.round}, 0, true
	case c.state == CircuitOpen && now.Before(c.until):
		return pass{}, c.until.Sub(now), false
	case c.state == CircuitOpen:
		c.change(CircuitHalfOpen)
	case c.testing:
		return pass{}, c.pause / 4, false
	}
	c.testing = true
	return pass{c.round}, 0, true
}

// hold makes admit refuse requests for the time that the endpoint asked for.
func (c *circuit) hold(d time.Duration) {
	until := time.Now().Add(d)
	c.mu.Lock()
	defer c.mu.Unlock()
	if until.After(c.held) {
		c.held = until
	}
}

// report takes the result of a request into account, and returns the state and whether it
// changed. It ignores the results of requests that began before the last change.
func (c *circuit) report(p pass, r result) (s CircuitState, changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.round != c.round {
		return c.state, false
	}
	if c.state == CircuitHalfOpen {
		c.testing = false
	}
	switch {
	case r == resultWorks && c.state == CircuitClosed:
		c.failed = 0
	case r == resultWorks:
		c.failed, c.next = 0, 0
		return c.change(CircuitClosed), true
	case r == resultFailed:
		if c.failed++; c.state == CircuitHalfOpen || c.failed >= c.failures {
			c.open()
			return c.state, true
		}
	}
	return c.state, false
}

// open opens the circuit. The caller holds mu.
func (c *circuit) open() {
	if c.next == 0 {
		c.next = c.pause
	}
	// Vary the pause, so that the instances of a cluster do not test simultaneously.
	c.until = time.Now().Add(c.next - c.next/4 + rand.N(c.next/2+1))
	c.next = min(2*c.next, maxPauses*c.pause)
	c.opened++
	c.change(CircuitOpen)
}

// change sets the state and returns it. The caller holds mu.
func (c *circuit) change(s CircuitState) CircuitState {
	c.state = s
	c.round++
	return s
}

// stats returns the state and the number of times that the circuit opened.
func (c *circuit) stats() (CircuitState, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state, c.opened
}

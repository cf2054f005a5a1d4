package webhook

import (
	"maps"
	"sync"
	"time"
)

// LossCause is the reason why an event was lost. The texts are stable. They are also the
// keys of Stats.Lost.
type LossCause string

// The reasons.
const (
	LostFull     LossCause = "queue full" // Config.QueueEvents or QueueBytes
	LostTooOld   LossCause = "too old"    // Config.EventMaxAge
	LostRefused  LossCause = "refused"    // the endpoint answered 413 or 422
	LostGone     LossCause = "gone"       // the endpoint answered 410, at most an hour ago
	LostShutdown LossCause = "shutdown"   // Config.DrainTimeout; or Run had returned
	LostInvalid  LossCause = "invalid"    // the result of Config.Info cannot be encoded
)

// Stats is a snapshot of a Client's metrics. Counters start at zero when the Client is
// created.
type Stats struct {
	Authenticate, Rooms, Messages, Events EndpointStats // by kind of request

	Queued      int                  // events that are waiting or being sent
	QueuedBytes int                  // their size in memory
	Delivered   uint64               // events that the endpoint accepted
	Retries     uint64               // requests with events that were sent again
	Lost        map[LossCause]uint64 // events that were lost, by reason
}

// EndpointStats are the metrics of one kind of request.
type EndpointStats struct {
	Requests uint64           // requests that were sent
	Accepted uint64           // requests that the endpoint accepted
	Refused  uint64           // requests that the endpoint refused
	Failed   map[Cause]uint64 // requests without a usable answer, including those not sent, by reason

	Waiting  int          // questions that wait for their turn
	InFlight int          // requests that were sent and not answered yet
	Circuit  CircuitState // whether requests are sent
	Opened   uint64       // number of times that the circuit opened
}

// RequestInfo describes a request that was sent; see Config.Requested.
type RequestInfo struct {
	Type     string        // authenticate, join, message or events
	Duration time.Duration // until the end of the answer, or until the request failed
}

// counters are the counters of EndpointStats.
type counters struct {
	mu                          sync.Mutex
	requests, accepted, refused uint64
	failed                      map[Cause]uint64
	waiting, inFlight           int
}

// wait counts a question that waits, and reports false if limit are waiting already.
func (n *counters) wait(limit int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.waiting >= limit {
		return false
	}
	n.waiting++
	return true
}

func (n *counters) waited() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.waiting--
}

func (n *counters) sent() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.requests++
	n.inFlight++
}

func (n *counters) answered() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.inFlight--
}

func (n *counters) accept() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.accepted++
}

func (n *counters) refuse() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refused++
}

func (n *counters) fail(cause Cause) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.failed == nil {
		n.failed = make(map[Cause]uint64)
	}
	n.failed[cause]++
}

func (e *endpoint) stats() EndpointStats {
	n := &e.counts
	n.mu.Lock()
	s := EndpointStats{
		Requests: n.requests, Accepted: n.accepted, Refused: n.refused,
		Failed: maps.Clone(n.failed), Waiting: n.waiting, InFlight: n.inFlight,
	}
	n.mu.Unlock()
	s.Circuit, s.Opened = e.circuit.stats()
	return s
}

// Stats returns a snapshot of the client's metrics.
func (c *Client) Stats() Stats {
	s := Stats{
		Authenticate: c.authenticate.stats(), Rooms: c.rooms.stats(),
		Messages: c.messages.stats(), Events: c.events.stats(),
	}
	q := &c.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	s.Queued, s.QueuedBytes = q.events, q.bytes
	s.Delivered, s.Retries, s.Lost = q.delivered, q.retries, maps.Clone(q.lost)
	return s
}

package ignis

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Stats is a snapshot of what a server has and has done. Numbers of what it has
// done count from its start.
type Stats struct {
	Clients       int // connected now
	Authenticated int // of those
	Plain         int // of those, read and written without epoll; see Config.PlainIO
	Users         int // with at least one session here
	Rooms         int // with at least one member here, besides the clients' own

	Connections    uint64           // accepted
	RefusedUpgrade uint64           // requests that were not a valid WebSocket handshake
	FailedUpgrade  uint64           // valid ones that middleware, or the subprotocol that Config.Accept chose, made fail
	RefusedAccept  uint64           // by Config.Accept, or from a page of another host
	RefusedFull    uint64           // because of Config.MaxClients
	RefusedAuth    uint64           // rejected, or failed, or without the encryption required
	Disconnects    map[Cause]uint64 // by cause

	Received        uint64            // messages from clients
	Messages        uint64            // of those, for OnMessage
	RefusedMessages uint64            // of those, with an *Error of OnMessage
	Malformed       uint64            // of those, not JSON
	Ignored         uint64            // of those, JSON but nothing to act on
	Unauthenticated uint64            // of those, before authentication
	Unhandled       uint64            // of those, dropped because their client went or was too far behind
	BadEncrypted    uint64            // of those, not to be opened, or in clear and not to be
	RefusedJoins    map[string]uint64 // rooms not joined, by reason
	RefusedLeaves   uint64            // rooms not left: more names than one request may have

	Sent    uint64            // messages queued for a client
	Dropped map[string]uint64 // messages that a client did not get, by reason

	CallbackErrors uint64 // errors and panics of callbacks
	CallbackPanics uint64 // of those, panics

	BusPublished uint64 // envelopes that the bus took
	BusRefused   uint64 // envelopes that it did not take
	BusLost      uint64 // envelopes that it took and could not send
	BusReceived  uint64 // envelopes, this server's own among them
	BusMalformed uint64 // of those, not understood
	BusUnknown   uint64 // of those, of a type not known here

	BusGaps    uint64        // times in which envelopes may have been missed
	BusGapTime time.Duration // their sum
}

// counters are the numbers behind Stats.
type counters struct {
	connections, refusedUpgrade, refusedAccept, refusedAuth       atomic.Uint64
	failedUpgrade, refusedFull, refusedMessages                   atomic.Uint64
	received, messages, malformed, ignored                        atomic.Uint64
	unauthenticated, badEncrypted, refusedLeaves, unhandled       atomic.Uint64
	droppedOldest, droppedReplaced                                atomic.Uint64
	sent, droppedFull, droppedClosing, droppedLarge, sealFailures atomic.Uint64
	callbackErrors, panics                                        atomic.Uint64
	busPublished, busRefused                                      atomic.Uint64
	busReceived, busMalformed, busUnknown                         atomic.Uint64
	busGaps                                                       atomic.Uint64
	busGapTime                                                    atomic.Int64 // in nanoseconds
	running                                                       atomic.Int64 // callbacks now
	open                                                          atomic.Int64 // connections now, and requests for one
	plain                                                         atomic.Int64 // connections now

	mu          sync.Mutex // rare events, by name
	disconnects map[Cause]uint64
	joins       map[string]uint64
}

func (n *counters) disconnected(cause Cause) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.disconnects == nil {
		n.disconnects = make(map[Cause]uint64)
	}
	n.disconnects[cause]++
}

func (n *counters) refusedJoin(reason string, by int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.joins == nil {
		n.joins = make(map[string]uint64)
	}
	n.joins[reason] += uint64(by)
}

// Stats returns a snapshot of the server's numbers.
func (s *Server) Stats() Stats {
	if s == nil {
		return Stats{}
	}
	n := &s.counts
	here := s.reg.Counts()
	st := Stats{
		Clients: here.Members, Authenticated: here.Active, Users: here.Users, Rooms: here.Rooms,
		Plain:          int(n.plain.Load()),
		Connections:    n.connections.Load(),
		RefusedUpgrade: n.refusedUpgrade.Load(), FailedUpgrade: n.failedUpgrade.Load(), RefusedFull: n.refusedFull.Load(),
		RefusedAccept: n.refusedAccept.Load(), RefusedAuth: n.refusedAuth.Load(),
		Received: n.received.Load(), Messages: n.messages.Load(), Malformed: n.malformed.Load(), RefusedMessages: n.refusedMessages.Load(),
		Ignored: n.ignored.Load(), Unauthenticated: n.unauthenticated.Load(), BadEncrypted: n.badEncrypted.Load(),
		RefusedLeaves: n.refusedLeaves.Load(), Unhandled: n.unhandled.Load(), Sent: n.sent.Load(),
		Dropped: map[string]uint64{
			"backpressure":       n.droppedFull.Load(),
			"oldest":             n.droppedOldest.Load(),
			"replaced":           n.droppedReplaced.Load(),
			"connection closing": n.droppedClosing.Load(),
			"seal failed":        n.sealFailures.Load(),
			"too large to seal":  n.droppedLarge.Load(),
		},
		CallbackErrors: n.callbackErrors.Load(), CallbackPanics: n.panics.Load(),
		BusPublished: n.busPublished.Load(), BusRefused: n.busRefused.Load(),
		BusReceived: n.busReceived.Load(), BusMalformed: n.busMalformed.Load(), BusUnknown: n.busUnknown.Load(),
		BusGaps: n.busGaps.Load(), BusGapTime: time.Duration(n.busGapTime.Load()),
	}
	if m, ok := s.cfg.Bus.(BusMonitor); ok {
		st.BusLost = m.Lost()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	st.Disconnects = maps.Clone(n.disconnects)
	st.RefusedJoins = maps.Clone(n.joins)
	return st
}

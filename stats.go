package ignis

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Stats is a snapshot of a server's metrics. Counters start at zero when the server is
// created.
type Stats struct {
	Clients       int // currently connected
	Authenticated int // of Clients
	WithoutEpoll  int // of Clients: served without epoll; see Config.PlainIO
	Users         int // with at least one session on this server
	Rooms         int // with at least one member on this server, excluding the rooms named by client IDs
	Revoked       int // revocations that this server remembers

	Connections    uint64 // connections accepted
	RefusedUpgrade uint64 // requests that are not valid WebSocket handshakes
	FailedUpgrade  uint64 // valid handshakes that failed because of middleware or the subprotocol chosen by Config.Accept
	RefusedAccept  uint64 // requests refused by Config.Accept or because of their origin
	RefusedFull    uint64 // requests refused because of Config.MaxClients
	RefusedAuth    uint64 // clients for which authentication or key agreement failed
	RefusedRevoked uint64 // authentications and refreshes refused because access was revoked

	RefusedAddress     uint64 // requests refused because of Config.MaxClientsPerAddress
	RefusedRate        uint64 // requests refused because of Config.UpgradeRate
	RefusedAddressRate uint64 // requests refused because of Config.UpgradeRatePerAddress
	RefusedFailing     uint64 // requests and authentications refused because of Config.AuthFailureRate
	RefusedMemory      uint64 // requests refused because of Config.MemoryLimit
	RefusedBusy        uint64 // authentications refused because of Config.AuthQueue
	RefusedUser        uint64 // clients refused because of Config.MaxClientsPerUser
	RefusedStopping    uint64 // requests refused because the server was shutting down

	Disconnects map[Cause]uint64 // by cause

	Received        uint64            // messages from clients
	ReceivedBytes   uint64            // size of Received, after decompression and without frame headers
	Messages        uint64            // of Received: passed to OnMessage
	RefusedMessages uint64            // of Messages: OnMessage returned an *Error
	Malformed       uint64            // of Received: not JSON
	Ignored         uint64            // of Received: valid JSON, but not a message or not handled
	Throttled       uint64            // times that a client has exceeded Config.MessageRate or Config.ByteRate
	Unauthenticated uint64            // of Received: sent before authentication
	Unhandled       uint64            // of Received: dropped because the client disconnected or was too far behind
	BadEncrypted    uint64            // of Received: could not be opened, or were not encrypted although required
	RefusedJoins    map[string]uint64 // refused rooms, by reason
	RefusedLeaves   uint64            // names over Config.MaxRoomsPerRequest

	Sent       uint64            // messages queued for clients
	Recipients Distribution      // messages from the application, by the number of clients of this server that they were for
	Dropped    map[string]uint64 // messages that clients did not receive, by reason

	CallbackErrors uint64 // errors and panics of callbacks, except context.Canceled after the client has disconnected
	CallbackPanics uint64 // of CallbackErrors: panics

	BusPublished uint64 // envelopes passed to the bus
	BusRefused   uint64 // envelopes for which Bus.Publish returned an error
	BusLost      uint64 // envelopes that the bus accepted but could not send
	BusReceived  uint64 // envelopes from the bus, including this server's own
	BusMalformed uint64 // of BusReceived: malformed
	BusUnknown   uint64 // of BusReceived: of an unknown type

	Revocations        uint64 // revocations that this server has made or learned of
	RevocationsDropped uint64 // of Revocations: not remembered because of Config.MaxRevocations
	Commands           uint64 // commands from the bus, including this server's own
	BadCommands        uint64 // of Commands: malformed
	UnknownCommands    uint64 // of Commands: unknown or of a later version
	RepeatedCommands   uint64 // of Commands: not executed again

	BusGaps    uint64        // periods in which envelopes may have been missed
	BusGapTime time.Duration // total duration of the gaps
}

// Distribution counts values by size.
type Distribution struct {
	// Bounds are the upper bounds of the groups, in ascending order. Counts has one more
	// element: Counts[i] is the number of values that are at most Bounds[i] and greater than
	// Bounds[i-1], and the last is the number of those that are greater than all bounds.
	Bounds []int
	Counts []uint64
	Sum    uint64 // of the values
}

// recipientBounds are the bounds of Stats.Recipients.
var recipientBounds = [...]int{0, 1, 10, 100, 1000, 10_000}

// recipients are the numbers behind Stats.Recipients.
type recipients struct {
	counts [len(recipientBounds) + 1]atomic.Uint64
	many   atomic.Uint64 // sum of the values over 1
}

// add counts messages for n recipients each. It is called for every message, so for one
// recipient, which costs the server little, it does as little as possible.
func (r *recipients) add(n, messages int) {
	i := min(n, 1)
	for i < len(recipientBounds) && n > recipientBounds[i] {
		i++
	}
	r.counts[i].Add(uint64(messages))
	if n > 1 {
		r.many.Add(uint64(n) * uint64(messages))
	}
}

func (r *recipients) distribution() Distribution {
	d := Distribution{Bounds: slices.Clone(recipientBounds[:]), Counts: make([]uint64, len(r.counts))}
	for i := range r.counts {
		d.Counts[i] = r.counts[i].Load()
	}
	d.Sum = d.Counts[1] + r.many.Load()
	return d
}

// counters are the numbers behind Stats.
type counters struct {
	connections, refusedUpgrade, refusedAccept, refusedAuth          atomic.Uint64
	failedUpgrade, refusedFull, refusedMessages                      atomic.Uint64
	refusedAddress, refusedRate, refusedAddressRate                  atomic.Uint64
	refusedFailing, refusedMemory, refusedBusy, refusedUser          atomic.Uint64
	received, receivedBytes, messages, malformed, ignored, throttled atomic.Uint64
	unauthenticated, badEncrypted, refusedLeaves, unhandled          atomic.Uint64
	droppedOldest, droppedReplaced                                   atomic.Uint64
	refusedRevoked, revocations, revocationsDropped                  atomic.Uint64
	commands, badCommands, unknownCommands, repeatedCommands         atomic.Uint64
	sent, droppedFull, droppedClosing, droppedLarge, sealFailures    atomic.Uint64
	callbackErrors, panics                                           atomic.Uint64
	busPublished, busRefused                                         atomic.Uint64
	busReceived, busMalformed, busUnknown                            atomic.Uint64
	busGaps                                                          atomic.Uint64
	busGapTime                                                       atomic.Int64 // in nanoseconds
	running                                                          atomic.Int64 // callbacks that are running
	open                                                             atomic.Int64 // connections, and requests for one
	refusedStopping                                                  atomic.Uint64
	held                                                             atomic.Int64 // callers of Hold that have not released the server
	withoutEpoll                                                     atomic.Int64 // open connections that do not use epoll

	recipients recipients
	samples    samples

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

// closedFor returns the number of connections that have ended for a cause.
func (n *counters) closedFor(cause Cause) uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.disconnects[cause]
}

func (n *counters) refusedJoin(reason string, by int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.joins == nil {
		n.joins = make(map[string]uint64)
	}
	n.joins[reason] += uint64(by)
}

// Stats returns a snapshot of the server's metrics.
func (s *Server) Stats() Stats {
	if s == nil {
		return Stats{}
	}
	n := &s.counts
	here := s.reg.Counts()
	st := Stats{
		Clients: here.Members, Authenticated: here.Active, Users: here.Users, Rooms: here.Rooms,
		WithoutEpoll:   int(n.withoutEpoll.Load()),
		Connections:    n.connections.Load(),
		RefusedUpgrade: n.refusedUpgrade.Load(), FailedUpgrade: n.failedUpgrade.Load(), RefusedFull: n.refusedFull.Load(),
		RefusedAccept: n.refusedAccept.Load(), RefusedAuth: n.refusedAuth.Load(), RefusedRevoked: n.refusedRevoked.Load(),
		RefusedAddress: n.refusedAddress.Load(), RefusedRate: n.refusedRate.Load(), RefusedAddressRate: n.refusedAddressRate.Load(),
		RefusedFailing: n.refusedFailing.Load(), RefusedMemory: n.refusedMemory.Load(),
		RefusedBusy: n.refusedBusy.Load(), RefusedUser: n.refusedUser.Load(), RefusedStopping: n.refusedStopping.Load(), Throttled: n.throttled.Load(),
		Received: n.received.Load(), ReceivedBytes: n.receivedBytes.Load(), Messages: n.messages.Load(), Malformed: n.malformed.Load(), RefusedMessages: n.refusedMessages.Load(),
		Ignored: n.ignored.Load(), Unauthenticated: n.unauthenticated.Load(), BadEncrypted: n.badEncrypted.Load(),
		RefusedLeaves: n.refusedLeaves.Load(), Unhandled: n.unhandled.Load(), Sent: n.sent.Load(), Recipients: n.recipients.distribution(),
		Dropped: map[string]uint64{
			droppedFull:     n.droppedFull.Load(),
			droppedOldest:   n.droppedOldest.Load(),
			droppedReplaced: n.droppedReplaced.Load(),
			droppedClosing:  n.droppedClosing.Load(),
			droppedSealing:  n.sealFailures.Load(),
			droppedLarge:    n.droppedLarge.Load(),
		},
		CallbackErrors: n.callbackErrors.Load(), CallbackPanics: n.panics.Load(),
		BusPublished: n.busPublished.Load(), BusRefused: n.busRefused.Load(),
		BusReceived: n.busReceived.Load(), BusMalformed: n.busMalformed.Load(), BusUnknown: n.busUnknown.Load(),
		Revoked: s.revoked.len(), Revocations: n.revocations.Load(), RevocationsDropped: n.revocationsDropped.Load(),
		Commands: n.commands.Load(), BadCommands: n.badCommands.Load(), UnknownCommands: n.unknownCommands.Load(),
		RepeatedCommands: n.repeatedCommands.Load(),
		BusGaps:          n.busGaps.Load(), BusGapTime: time.Duration(n.busGapTime.Load()),
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

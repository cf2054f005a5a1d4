package ignis

import (
	"time"

	"github.com/ignis-go/ignis/internal/ws"
	"github.com/ignis-go/ignis/wire"
)

// SlowPolicy selects what happens to a message for a client that reads too slowly, once
// more than Config.BackpressureLimit is waiting for it. Dropped messages are counted in
// Stats.Dropped.
//
// Policies do not apply to the protocol's own messages, such as answers and errors. They may
// exceed the limit by a quarter of it; a client for which they exceed even that, for example
// because of one large reply of OnMessage, is disconnected under every policy.
type SlowPolicy uint8

// The policies.
const (
	// SlowDisconnect disconnects the client.
	SlowDisconnect SlowPolicy = SlowPolicy(ws.Disconnect)
	// SlowDropNewest drops the message.
	SlowDropNewest SlowPolicy = SlowPolicy(ws.DropNewest)
	// SlowDropOldest drops the oldest waiting messages that were sent with SlowDropOldest
	// or SlowLatest, or the message itself if that does not make enough room.
	SlowDropOldest SlowPolicy = SlowPolicy(ws.DropOldest)
	// SlowLatest keeps only the newest of the waiting messages with the same [Key], as
	// soon as the client is behind. The client receives the newest message of each key,
	// in the order of sending. Above the limit it acts like SlowDropOldest.
	SlowLatest SlowPolicy = SlowPolicy(ws.Latest)
)

// slowness returns the log attributes of a client that reads too slowly. Its ID is a new one after
// each connection, so the user and the address show whether it comes back.
func (c *session) slowness() []any {
	return append(about(c), "bytes", c.conn.Unread(), "connected_for", time.Since(c.profile().ConnectedAt).Round(time.Millisecond))
}

var slowPolicyNames = []string{"disconnect", "drop-newest", "drop-oldest", "latest"}

// String returns disconnect, drop-newest, drop-oldest or latest.
func (p SlowPolicy) String() string { return nameOf(p, slowPolicyNames, "SlowPolicy") }

// MarshalText returns the name, for flags and configuration files.
func (p SlowPolicy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText parses a name that String returns.
func (p *SlowPolicy) UnmarshalText(text []byte) error {
	return parseName(p, slowPolicyNames, "slow policy", text)
}

// slowPolicy returns the policy for messages to an address.
func (s *Server) slowPolicy(to Address) SlowPolicy {
	if s.cfg.RoomSlowPolicy == nil || to.Type != wire.TypeRoom {
		return s.cfg.SlowPolicy
	}
	p := s.cfg.SlowPolicy
	// The only possible error is a panic, which call has counted and logged.
	_ = s.call("RoomSlowPolicy", nil, func() error { p = s.cfg.RoomSlowPolicy(to.Name); return nil })
	if int(p) >= len(slowPolicyNames) {
		return s.cfg.SlowPolicy
	}
	return p
}

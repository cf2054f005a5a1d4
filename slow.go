package ignis

import (
	"fmt"

	"github.com/ignis-go/ignis/internal/ws"
	"github.com/ignis-go/ignis/wire"
)

// SlowPolicy says what happens to a message for a client that does not read as fast as
// it is sent to, once more waits for it than Config.BackpressureLimit. What is dropped is
// counted in Stats.Dropped.
type SlowPolicy uint8

// The policies.
const (
	// SlowDisconnect cuts the client off.
	SlowDisconnect = SlowPolicy(ws.Disconnect)
	// SlowDropNewest drops the message.
	SlowDropNewest = SlowPolicy(ws.DropNewest)
	// SlowDropOldest drops the oldest messages that wait and may be dropped.
	SlowDropOldest = SlowPolicy(ws.DropOldest)
	// SlowLatest keeps of the messages with the same [Key] only the newest, as soon as
	// the client is behind: it gets the newest of each key, in the order of sending.
	// Beyond that it is SlowDropOldest.
	SlowLatest = SlowPolicy(ws.Latest)
)

var slowPolicyNames = []string{"disconnect", "drop-newest", "drop-oldest", "latest"}

// String returns disconnect, drop-newest, drop-oldest or latest.
func (p SlowPolicy) String() string {
	if int(p) < len(slowPolicyNames) {
		return slowPolicyNames[p]
	}
	return fmt.Sprintf("SlowPolicy(%d)", uint8(p))
}

// MarshalText returns the name, for flags and configuration files.
func (p SlowPolicy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a name as String returns it.
func (p *SlowPolicy) UnmarshalText(text []byte) error {
	for i, name := range slowPolicyNames {
		if string(text) == name {
			*p = SlowPolicy(i)
			return nil
		}
	}
	return fmt.Errorf("slow policy %.50q: want disconnect, drop-newest, drop-oldest or latest", text)
}

// slowPolicy returns the policy for messages to an address.
func (s *Server) slowPolicy(to Address) SlowPolicy {
	if s.cfg.RoomSlowPolicy == nil || to.Type != wire.TypeRoom {
		return s.cfg.SlowPolicy
	}
	p := s.cfg.SlowPolicy
	// Its error is a panic, which call has counted and logged.
	_ = s.call("RoomSlowPolicy", nil, func() error { p = s.cfg.RoomSlowPolicy(to.Name); return nil })
	if int(p) >= len(slowPolicyNames) {
		return s.cfg.SlowPolicy
	}
	return p
}

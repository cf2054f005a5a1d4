package ignis

import (
	"github.com/ignis-go/ignis/internal/ws"
	"github.com/ignis-go/ignis/wire"
)

// sweepSilent closes authenticated clients that have sent no message for too
// long. Pings do not count: they show that the machine is there, not the
// application.
func (s *Server) sweepSilent() {
	for _, c := range s.reg.AppendActive(nil) {
		// What a stalled client has sent waits unread, heartbeats too.
		if c.silence() > s.cfg.HeartbeatTimeout && !c.stalled.Load() {
			c.close(wire.CloseHeartbeatTimeout)
		}
	}
}

// sweepIdle pings clients that nothing was heard from for a while, and drops
// those that did not answer.
func (s *Server) sweepIdle() {
	for _, c := range s.reg.AppendAll(nil) {
		idle := min(c.conn.SinceRead(), c.silence())
		switch {
		case c.stalled.Load() || idle < s.cfg.IdleTimeout/2:
		case idle >= s.cfg.IdleTimeout:
			c.conn.Abort(ws.CauseIdle)
		default:
			c.conn.Ping()
		}
	}
}

package ignis

import (
	"time"

	"github.com/ignis-go/ignis/internal/ws"
	"github.com/ignis-go/ignis/wire"
)

// sweepSilent closes authenticated clients that have sent no message for too
// long. Pings do not count: they show that the machine is there, not the
// application.
func (s *Server) sweepSilent() {
	oldest := time.Now().Add(-s.cfg.HeartbeatTimeout).UnixNano()
	for _, c := range s.reg.AppendActive(nil) {
		// What a stalled client has sent waits unread, heartbeats too.
		if c.lastActivity.Load() < oldest && !c.stalled.Load() {
			c.close(wire.CloseHeartbeatTimeout)
		}
	}
}

// sweepIdle pings clients that nothing was heard from for a while, and drops
// those that did not answer.
func (s *Server) sweepIdle() {
	now := time.Now()
	for _, c := range s.reg.AppendAll(nil) {
		idle := min(now.Sub(c.conn.LastRead()), time.Duration(now.UnixNano()-c.lastActivity.Load()))
		switch {
		case c.stalled.Load() || idle < s.cfg.IdleTimeout/2:
		case idle >= s.cfg.IdleTimeout:
			c.conn.Abort(ws.CauseIdle)
		default:
			c.conn.Ping()
		}
	}
}

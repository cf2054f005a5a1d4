package ignis

import (
	"time"

	"github.com/ignis-go/ignis/internal/ws"
	"github.com/ignis-go/ignis/wire"
)

// sweepSilent closes authenticated clients that have sent no message for too long. Pings
// do not count, because they show that the machine is alive but not the application.
func (s *Server) sweepSilent() {
	for _, c := range s.reg.AppendActive(nil) {
		// While reading is paused, heartbeats wait like other messages. Resume resets the
		// silence before BehindSince returns 0, hence the order of the conditions.
		if c.inbox.BehindSince() == 0 && c.silence() > s.cfg.HeartbeatTimeout && !c.conn.Paused() {
			c.close(wire.CloseHeartbeatTimeout)
		}
	}
}

// limitInterval returns the interval for sweepLimits.
func (s *Server) limitInterval() time.Duration {
	interval := min(s.cfg.WriteTimeout, s.cfg.BehindTimeout) / 4
	if s.cfg.IdleTimeout > 0 {
		interval = min(interval, s.cfg.IdleTimeout/8)
	}
	return max(interval, time.Millisecond)
}

// sweepLimits disconnects clients that read nothing, are too far behind or do not answer
// pings, and pings idle clients.
func (s *Server) sweepLimits() {
	now := s.uptime()
	s.limits.connections.Forget(now)
	for _, c := range s.reg.AppendAll(nil) {
		since := c.inbox.BehindSince()
		if p := c.parked.Load(); since == 0 && p != nil {
			since = p.since.Load() // OnJoin is running
		}
		switch {
		case c.conn.Stuck() >= s.cfg.WriteTimeout:
			s.warn("client cut off: it does not read what is waiting for it", c.slowness()...)
			c.conn.Abort(ws.CauseStuck)
		case since == 0:
			c.checkIdle()
		case time.Duration(now-since) >= s.cfg.BehindTimeout:
			s.warn("client closed: its messages were not handled in time", about(c)...)
			c.conn.CloseFor(ws.End{
				Cause: ws.CauseBehind, Code: wire.CloseTooManyMessages, Reason: wire.CloseReason(wire.CloseTooManyMessages),
			})
		}
	}
}

// checkIdle pings a client that has sent nothing for a while, and disconnects it if it
// does not answer.
func (c *session) checkIdle() {
	s := c.server
	idle := min(c.conn.SinceRead(), c.silence())
	switch {
	case s.cfg.IdleTimeout <= 0 || idle < s.cfg.IdleTimeout/2 || c.conn.Paused():
	case idle >= s.cfg.IdleTimeout:
		c.conn.Abort(ws.CauseIdle)
	default:
		c.conn.Ping()
	}
}

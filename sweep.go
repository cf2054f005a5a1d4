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
	for _, c := range s.reg.AppendActive(nil) {
		// What a client has sent that is not read from waits, heartbeats too. One that
		// is read from again has had its silence forgiven by then: so this order.
		if c.inbox.BehindSince() == 0 && c.silence() > s.cfg.HeartbeatTimeout {
			c.close(wire.CloseHeartbeatTimeout)
		}
	}
}

// limitInterval is how often sweepLimits is called.
func (s *Server) limitInterval() time.Duration {
	interval := min(s.cfg.WriteTimeout, s.cfg.BehindTimeout) / 4
	if s.cfg.IdleTimeout > 0 {
		interval = min(interval, s.cfg.IdleTimeout/8)
	}
	return max(interval, time.Millisecond)
}

// sweepLimits ends clients that take nothing, that are too far behind, or that
// nothing was heard from, and pings those that are quiet.
func (s *Server) sweepLimits() {
	now := s.uptime()
	for _, c := range s.reg.AppendAll(nil) {
		since := c.inbox.BehindSince()
		if p := c.parked.Load(); since == 0 && p != nil {
			since = p.since // OnJoin takes its time
		}
		switch {
		case c.conn.Stuck() >= s.cfg.WriteTimeout:
			s.warn("client cut off: it takes nothing of what waits for it", "client", c.member.ID)
			c.conn.Abort(ws.CauseStuck)
		case since == 0:
			c.checkIdle()
		case time.Duration(now-since) >= s.cfg.BehindTimeout:
			s.warn("client closed: its messages were not handled in time", "client", c.member.ID)
			c.conn.CloseFor(ws.End{
				Cause: ws.CauseBehind, Code: wire.CloseTooManyMessages, Reason: wire.CloseReason(wire.CloseTooManyMessages),
			})
		}
	}
}

// checkIdle pings a client that nothing was heard from for a while, and drops one
// that did not answer.
func (c *session) checkIdle() {
	s := c.server
	idle := min(c.conn.SinceRead(), c.silence())
	switch {
	case s.cfg.IdleTimeout <= 0 || idle < s.cfg.IdleTimeout/2:
	case idle >= s.cfg.IdleTimeout:
		c.conn.Abort(ws.CauseIdle)
	default:
		c.conn.Ping()
	}
}

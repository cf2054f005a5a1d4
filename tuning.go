package ignis

import (
	"github.com/ignis-go/ignis/internal/limit"
	"github.com/ignis-go/ignis/internal/ws"
)

// tuning contains the limits that can change while the server runs. It never changes;
// SetLimits replaces it.
type tuning struct {
	Config             // with the fields that tuned copies
	joins  limit.Rate  // from JoinRate
	opts   *ws.Options // of new connections
}

// tuned returns c with the limits of from that can change while a server runs.
func (c Config) tuned(from Config) Config {
	c.MaxClients, c.MaxClientsPerAddress, c.MaxClientsPerUser = from.MaxClients, from.MaxClientsPerAddress, from.MaxClientsPerUser
	c.UserPolicy = from.UserPolicy
	c.UpgradeRate, c.UpgradeBurst = from.UpgradeRate, from.UpgradeBurst
	c.UpgradeRatePerAddress, c.UpgradeBurstPerAddress = from.UpgradeRatePerAddress, from.UpgradeBurstPerAddress
	c.AuthFailureRate, c.AuthFailureBurst = from.AuthFailureRate, from.AuthFailureBurst
	c.AuthQueue, c.AuthMaxMistakes, c.MaxToken = from.AuthQueue, from.AuthMaxMistakes, from.MaxToken
	c.MaxRooms, c.JoinRate, c.JoinBurst = from.MaxRooms, from.JoinRate, from.JoinBurst
	c.MessageRate, c.MessageBurst = from.MessageRate, from.MessageBurst
	c.ByteRate, c.ByteBurst, c.ThrottleTimeout = from.ByteRate, from.ByteBurst, from.ThrottleTimeout
	c.DrainDelay, c.DrainWindow, c.MaxConnectionAge = from.DrainDelay, from.DrainWindow, from.MaxConnectionAge
	return c
}

// SetLimits replaces limits while the server runs. Zero values select the defaults, as in
// [New]. It returns an error, and changes nothing, if a limit is invalid. No client is
// disconnected because of a lower limit, but with [UserCloseOldest], the next client of a user
// closes all that exceed it. A higher rate takes effect immediately. These fields of c are used:
//
//   - MaxClients, MaxClientsPerAddress, MaxClientsPerUser and UserPolicy
//   - UpgradeRate, UpgradeBurst, UpgradeRatePerAddress and UpgradeBurstPerAddress
//   - AuthFailureRate, AuthFailureBurst, AuthQueue, AuthMaxMistakes and MaxToken
//   - MaxRooms, JoinRate and JoinBurst
//   - MessageRate, MessageBurst, ByteRate, ByteBurst and ThrottleTimeout, for clients that
//     connect afterwards
//   - DrainDelay, DrainWindow and MaxConnectionAge
func (s *Server) SetLimits(c Config) error {
	if s == nil {
		return ErrNotRunning
	}
	c, err := s.cfg.tuned(c).withDefaults()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tune(c)
	return nil
}

// tune makes the limits of c effective. The caller holds s.mu, or has not started the server.
func (s *Server) tune(c Config) {
	opts := s.opts
	fresh := c.transport()
	opts.Frames, opts.Bytes, opts.ThrottleTimeout = fresh.Frames, fresh.Bytes, fresh.ThrottleTimeout
	s.tuning.Store(&tuning{Config: c, joins: joinRate(c), opts: &opts})
	s.limits.connections.SetLimits(connectionLimits(c), s.uptime())
}

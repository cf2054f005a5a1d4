package ignis

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ignis-go/ignis/internal/loglimit"
	"github.com/ignis-go/ignis/internal/printable"
	"github.com/ignis-go/ignis/wire"
)

// Revocation says whose access is revoked; see [Server.Revoke].
type Revocation = wire.Revocation

var (
	// ErrTooManyRevocations is wrapped by the error of Revoke if the revocation closed
	// clients but cannot be remembered, because this server remembers
	// Config.MaxRevocations others.
	ErrTooManyRevocations = errors.New("too many revocations are remembered: raise MaxRevocations, or revoke with IssuedBefore instead of each token")

	// ErrNoCommands is wrapped by the error of Revoke, DisconnectAll, JoinAll and LeaveAll if
	// the bus is not a [CommandBus].
	ErrNoCommands = errors.New("the bus carries no commands")
)

// errRevoked is the error for a client whose access was revoked before, or while, it
// authenticated. It is a refusal by the server, like ErrUnauthenticated by Authenticate.
var errRevoked = fmt.Errorf("%w: access was revoked", ErrUnauthenticated)

// Revoke revokes access. Clients that it concerns are closed with 4006, on every server of
// the cluster, and authentications and refreshes with a revoked token are refused until
// r.Until. Clients that are being authenticated are refused as well.
//
// Revoke first closes the clients of this server and counts them. Then it passes the
// revocation to the bus, which stores it for servers that start or reconnect later. If that
// fails, the error wraps a [*BusError], and the other servers may not know of the
// revocation. Calling Revoke again with the same revocation is safe. The call waits for the
// bus until ctx is done.
//
// A server that is cut off from the bus learns of a revocation when it is connected again.
func (s *Server) Revoke(ctx context.Context, r Revocation) (clients int, err error) {
	if err := s.running(); err != nil {
		return 0, err
	}
	if err := r.Check(); err != nil {
		return 0, fmt.Errorf("ignis: %w", err)
	}
	if !r.Until.After(time.Now()) {
		return 0, errors.New("ignis: revocation: Until has passed: set it to the time when the last of the tokens expires")
	}
	var full error
	clients, dropped := s.applyRevocations(false, r)
	if dropped > 0 {
		full = fmt.Errorf("ignis: revocation: %w", ErrTooManyRevocations)
	}
	return clients, errors.Join(full, s.sendCommand(ctx, r.Encode()))
}

// applyRevocations remembers revocations and closes the clients that they concern. It
// returns the number of these clients, and how many of the revocations it could not remember.
//
// A client that is being authenticated is not missed: the revocations are added first, and
// the identity of a client is set and compared with them while its lock is held.
func (s *Server) applyRevocations(fromBus bool, list ...Revocation) (clients, dropped int) {
	now := time.Now().UnixMilli()
	fresh, n := newRevocations(math.MaxInt), 0
	for _, r := range list {
		if roundUp(r.Until) <= now {
			continue
		}
		switch s.revoked.add(r, now) {
		case addedKnown:
			continue
		case addedNone:
			dropped++
		}
		n++
		fresh.add(r, now)
	}
	if n == 0 {
		return 0, 0
	}
	clients = s.closeRevoked(fresh, now)
	s.counts.revocations.Add(uint64(n))
	s.counts.revocationsDropped.Add(uint64(dropped))
	hook(s, "Revoked", s.cfg.Hooks.Revoked, RevokedInfo{n, clients, fromBus})
	s.logRevoked(list, n, clients, fromBus)
	if dropped > 0 {
		s.errorf("revocations are not remembered: the limit Config.MaxRevocations is reached", "dropped", dropped, "limit", s.cfg.MaxRevocations)
	}
	return clients, dropped
}

// logRevoked logs n revocations, which are list or a part of it.
func (s *Server) logRevoked(list []Revocation, n, clients int, fromBus bool) {
	if len(list) > 1 {
		s.info("access revoked", "revocations", n, "clients", clients, "from_bus", fromBus)
		return
	}
	r := list[0]
	what, name := "everyone", ""
	switch {
	case r.UserID != "":
		what, name = "user", r.UserID
	case r.TokenID != "":
		what, name = "token", r.TokenID
	case r.ClientID != "":
		what, name = "client", r.ClientID
	}
	s.info("access revoked", "of", what, "id", printable.Text(name, loglimit.MaxText), "until", r.Until.UTC(), "clients", clients, "from_bus", fromBus)
}

// closeRevoked closes the clients whose access the revocations revoke, and returns their
// number.
func (s *Server) closeRevoked(fresh *revocations, now int64) (closed int) {
	var list []*session
	if len(fresh.tokens)+len(fresh.users[""]) > 0 {
		list = s.reg.AppendAll(nil) // there is no index of tokens
	} else {
		for user := range fresh.users {
			list = s.reg.AppendUser(list, user)
		}
		for id := range fresh.clients {
			if m, ok := s.reg.Get(id); ok {
				list = append(list, m.Value)
			}
		}
	}
	for _, c := range list {
		if c.closeIfRevoked(fresh, now) {
			closed++
		}
	}
	return closed
}

// closeIfRevoked closes the client if its access is revoked, and reports whether it did. From
// then on, messages of the client are not handled, and the context of a callback that is
// running is canceled.
func (c *session) closeIfRevoked(by *revocations, now int64) bool {
	c.mu.Lock()
	id, issued := c.identity, c.issuedAt
	if id == nil { // only the client ID is known
		id, issued = &Client{ID: c.member.ID}, math.MaxInt64
	}
	hit := c.state < StateDisconnected && !c.revoked.Load() && by.revoked(id, issued, now)
	if hit {
		c.revoked.Store(true)
	}
	c.mu.Unlock()
	if hit {
		c.inbox.Cancel()
		c.close(wire.CloseDisconnected)
	}
	return hit
}

// isRevoked reports whether the client was closed because of a revocation, or may not be
// admitted with the identity. A caller that then sets the identity must hold the lock of c; see
// applyRevocations.
func (c *session) isRevoked(id *Client, issuedAt int64) bool {
	return c.revoked.Load() || c.server.revoked.revoked(id, issuedAt, time.Now().UnixMilli())
}

// refuseRevoked logs, counts and refuses an authentication whose access is revoked.
func (c *session) refuseRevoked(id *Client) error {
	s := c.server
	s.counts.refusedRevoked.Add(1)
	s.info("client rejected", "client", c.member.ID, "remote", id.RemoteAddr, "user", printable.Text(id.UserID, loglimit.MaxText), "error", "access was revoked")
	if !c.revoked.Load() { // otherwise it is already being closed
		c.refuse(wire.ErrorRejected, wire.CloseAuthFailed)
	}
	return errRevoked
}

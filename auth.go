package ignis

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/ignis-go/ignis/internal/loglimit"
	"github.com/ignis-go/ignis/internal/printable"
	"github.com/ignis-go/ignis/wire"
)

// authenticate lets the application decide on a client. The timer that runs since the
// client asked covers all of it.
func (s *Server) authenticate(ctx context.Context, c *session, m wire.Message) (any, error) {
	profile := c.profile()
	cred := newCredentials(profile, m.Data)
	who, err := s.askWho(ctx, c, cred)
	if errors.Is(err, ErrUnauthenticated) {
		s.info("client rejected", "client", c.member.ID, "remote", cred.RemoteAddr, "error", err)
		s.refuse(c, wire.ErrorRejected, wire.CloseAuthFailed)
		return nil, err
	}
	if err != nil {
		if ctx.Err() == nil { // otherwise the error is that nobody waits
			s.callbackFailed("Authenticate", c, err)
		}
		s.refuse(c, wire.ErrorAuthentication, wire.CloseAuthFailed)
		return nil, err
	}
	identity := &profile
	identity.UserID, identity.Metadata = who.UserID, who.Metadata
	c.mu.Lock()
	c.identity = identity // whatever comes now, OnDisconnect is due
	c.mu.Unlock()
	if who.expired() {
		s.info("client rejected", "client", c.member.ID, "remote", cred.RemoteAddr, "error", "the session has expired before it began")
		s.refuse(c, wire.ErrorRejected, wire.CloseAuthFailed)
		return nil, ErrUnauthenticated
	}
	cipher, ok := s.secure(ctx, c, identity, cred)
	if ok && s.admit(c, identity, cipher, who.Expires) && s.cfg.OnConnect != nil {
		err := s.call("OnConnect", c, func() error { s.cfg.OnConnect(ctx, identity); return nil })
		s.callbackFailed("OnConnect", c, err)
	}
	return nil, nil //nolint:nilnil // the connected event is the answer
}

// askWho calls Authenticate.
func (s *Server) askWho(ctx context.Context, c *session, cred Credentials) (who Identity, err error) {
	err = s.call("Authenticate", c, func() (err error) {
		who, err = s.cfg.Authenticate(ctx, cred)
		return err
	})
	return who, err
}

// refuse closes a client that did not get in, after an error event if there is
// a text for it. One that has gone or was too late is beyond that.
func (s *Server) refuse(c *session, text string, code uint16) {
	if state, _, _ := c.standing(); state != StateAuthenticating {
		return
	}
	s.counts.refusedAuth.Add(1)
	if text != "" {
		s.sendError(c, text)
	}
	c.close(code)
}

// admit makes the client authenticated, unless it has gone or its time was up.
// Nothing is written between its becoming reachable and its connected event, so
// that event is the first, and by then it is in its rooms.
func (s *Server) admit(c *session, id *Client, cipher *Cipher, expires time.Time) bool {
	connected := frame(wire.Message{Event: wire.EventConnected, Data: s.connectedData(c, id, cipher, expires)}).Own().Clear()
	c.mu.Lock()
	if c.state != StateAuthenticating {
		c.mu.Unlock()
		return false
	}
	c.stopTimersLocked()
	c.state, c.entry, c.identity, c.cipher = StateAuthenticated, nil, id, cipher
	c.conn.Admit()
	c.conn.Hold()
	if cipher != nil {
		c.conn.Seal(s.sealer(c, id, cipher))
	}
	t := c.conn.Enqueue(connected)
	c.expireLocked(expires)
	c.mu.Unlock()
	s.enqueued(c, t)

	s.reg.Activate(&c.member, id.UserID)
	for _, room := range s.cfg.DefaultRooms {
		_, _ = s.reg.Join(&c.member, room, math.MaxInt, false) // no limit, so no error
	}
	c.conn.Release()
	if s.debugging() {
		s.cfg.Logger.Debug("client authenticated", "client", id.ID, "user", printable.Text(id.UserID, loglimit.MaxText))
	}
	return true
}

// connectedData returns the data of the connected event.
func (s *Server) connectedData(c *session, id *Client, e *Cipher, expires time.Time) json.RawMessage {
	var publicKey, salt string
	if e != nil {
		publicKey, salt = e.ServerPublicKey, e.Salt
	}
	d := wire.ConnectedData{
		ID: id.ID, UserID: id.UserID, Time: time.Now().UTC().Format(wire.TimeFormat),
		ServerPublicKey: publicKey, Salt: salt,
	}
	if c.version() >= 2 {
		d.Protocol = c.version()
		d.Heartbeat = s.cfg.HeartbeatTimeout.Milliseconds()
		d.MaxPayload = s.cfg.MaxPayload
		d.Server = s.cfg.Software
		if !expires.IsZero() {
			d.Expires = expires.UTC().Format(wire.TimeFormat)
		}
	}
	data, _ := wire.EncodeData(d) // strings and numbers always encode
	return data
}

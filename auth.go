package ignis

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"time"

	"github.com/ignis-go/ignis/internal/loglimit"
	"github.com/ignis-go/ignis/internal/printable"
	"github.com/ignis-go/ignis/internal/ws"
	"github.com/ignis-go/ignis/wire"
)

// authenticate handles an authenticate event. It must finish before the timer that
// stateFor has set fires.
func (c *session) authenticate(ctx context.Context, m wire.Message) (any, error) {
	began := time.Now()
	err := c.letIn(ctx, m)
	c.hookAuthenticated(ctx, false, err, began)
	return nil, err // the connected event or the close frame is the answer
}

// hookAuthenticated calls the Authenticated hook.
func (c *session) hookAuthenticated(ctx context.Context, refresh bool, err error, began time.Time) {
	s := c.server
	f := s.cfg.Hooks.Authenticated
	if f == nil {
		return
	}
	info := AuthenticatedInfo{
		ClientID: c.member.ID, Refresh: refresh, Outcome: authOutcome(ctx, err), Err: err, Duration: time.Since(began),
	}
	if id := c.who(); id != nil {
		info.UserID = id.UserID
	}
	hook(s, "Authenticated", f, info)
}

// letIn authenticates a client, agrees on keys and admits the client. If the client is
// rejected, letIn closes it and returns the reason.
func (c *session) letIn(ctx context.Context, m wire.Message) error {
	s := c.server
	profile := c.profile()
	cred := newCredentials(profile, m.Data)
	who, err := c.callAuthenticate(ctx, cred)
	if errors.Is(err, ErrUnauthenticated) {
		s.info("client rejected", "client", c.member.ID, "remote", cred.RemoteAddr, "error", err)
		c.reject(err)
		return err
	}
	if err != nil {
		code := wire.CloseAuthFailed
		switch {
		case ctx.Err() != nil: // the client has disconnected
		case undecided(err):
			s.warn("client turned away: Authenticate cannot decide at the moment", "client", c.member.ID, "remote", cred.RemoteAddr, "error", err)
			code = wire.CloseTryAgainLater
		default:
			c.callbackFailed("Authenticate", err)
		}
		c.refuse(wire.ErrorAuthentication, code)
		return err
	}
	identity := &profile
	identity.UserID, identity.Metadata = who.UserID, who.Metadata
	c.mu.Lock()
	c.identity = identity // from now on, OnDisconnect must be called
	c.mu.Unlock()
	if who.expired() {
		s.info("client rejected", "client", c.member.ID, "remote", cred.RemoteAddr, "error", rejectedExpired)
		c.refuse(wire.ErrorRejected, wire.CloseAuthFailed)
		return rejectedExpired
	}
	cipher, err := c.secure(ctx, identity, cred)
	if err != nil {
		return err
	}
	if !c.admit(identity, cipher, who.Expires) {
		return errTooLate
	}
	if s.cfg.OnConnect != nil {
		err := s.timed(CallbackOnConnect, c, func() error { s.cfg.OnConnect(ctx, identity); return nil })
		c.callbackFailed("OnConnect", err)
	}
	return nil
}

// errTooLate is the error for a client that disconnected, or exceeded its time limit,
// while it was being authenticated.
var errTooLate = errors.New("the client disconnected, or authentication took too long")

// callAuthenticate calls Authenticate.
func (c *session) callAuthenticate(ctx context.Context, cred Credentials) (who Identity, err error) {
	s := c.server
	err = s.timed(CallbackAuthenticate, c, func() (err error) {
		who, err = s.cfg.Authenticate(ctx, cred)
		return err
	})
	return who, err
}

// reject closes a client for an error that wraps ErrUnauthenticated. A message for the
// client, in an *Error, is sent only in protocol 2: the texts of protocol 1 are fixed.
func (c *session) reject(err error) {
	if e, ok := errors.AsType[*Error](err); ok && e != nil && c.version() >= 2 {
		c.refuseWith(frame(wire.Message{Event: wire.EventError, Data: forClient(e).Encode()}).Own(), wire.CloseAuthFailed)
		return
	}
	c.refuse(wire.ErrorRejected, wire.CloseAuthFailed)
}

// refuse closes a client that was not admitted. If text is not empty, refuse sends an
// error event with it first.
func (c *session) refuse(text string, code uint16) {
	c.refuseWith(c.server.errorFrames[text], code)
}

// refuseWith closes a client that was not admitted. If event is not nil, refuseWith sends
// it first. It is a no-op if the client has already disconnected or exceeded its time
// limit.
func (c *session) refuseWith(event *ws.Message, code uint16) {
	s := c.server
	if state, _, _ := c.authState(); state != StateAuthenticating {
		return
	}
	s.counts.refusedAuth.Add(1)
	if event != nil {
		c.sendOwn(event)
	}
	c.close(code)
}

// admit makes the client authenticated. It reports false if the client has disconnected
// or exceeded its time limit. The connected event is queued before the client becomes
// reachable, and writing is held back until the client has joined its rooms. So the event
// is the first message that the client receives, and by then the client is in its rooms.
func (c *session) admit(id *Client, cipher *Cipher, expires time.Time) bool {
	s := c.server
	connected := frame(wire.Message{Event: wire.EventConnected, Data: c.connectedData(id, cipher, expires)}).Own().Clear()
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
		c.conn.Seal(c.sealer(id, cipher))
	}
	t := c.conn.Enqueue(connected)
	c.expireLocked(expires)
	c.mu.Unlock()
	c.enqueued(t)

	s.reg.Activate(&c.member, id.UserID)
	for _, room := range s.cfg.DefaultRooms {
		_, _ = s.reg.Join(&c.member, room, math.MaxInt, false) // cannot fail without a limit
	}
	c.conn.Release()
	if s.debugging() {
		s.cfg.Logger.Debug("client authenticated", "client", id.ID, "user", printable.Text(id.UserID, loglimit.MaxText))
	}
	return true
}

// connectedData returns the data of the connected event.
func (c *session) connectedData(id *Client, e *Cipher, expires time.Time) json.RawMessage {
	s := c.server
	var publicKey, salt string
	if e != nil {
		publicKey, salt = e.ServerPublicKey, e.Salt
	}
	d := wire.ConnectedData{
		ID: id.ID, UserID: id.UserID, Time: wire.FormatTime(time.Now()),
		ServerPublicKey: publicKey, Salt: salt,
	}
	if c.version() >= 2 {
		d.Protocol = c.version()
		d.Heartbeat = s.cfg.HeartbeatTimeout.Milliseconds()
		d.MaxPayload = s.cfg.MaxPayload
		d.Server = s.cfg.Software
		if !expires.IsZero() {
			d.Expires = wire.FormatTime(expires)
		}
	}
	return d.Encode()
}

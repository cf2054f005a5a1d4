package ignis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	if c.server.cfg.Tracer != nil {
		return c.traced(ctx, SpanAuthenticate, (*session).doAuthenticate, m)
	}
	return c.doAuthenticate(ctx, m)
}

// doAuthenticate is authenticate without a span.
func (c *session) doAuthenticate(ctx context.Context, m wire.Message) (any, error) {
	began := time.Now()
	err := c.letIn(ctx, m)
	c.hookAuthenticated(false, err, began)
	return nil, err // the connected event or the close frame is the answer
}

// hookAuthenticated calls the Authenticated hook.
func (c *session) hookAuthenticated(refresh bool, err error, began time.Time) {
	s := c.server
	f := s.cfg.Hooks.Authenticated
	if f == nil {
		return
	}
	info := AuthenticatedInfo{
		ClientID: c.member.ID, Refresh: refresh, Outcome: authOutcome(err), Err: err, Duration: time.Since(began),
	}
	if id := c.who(); id != nil {
		info.UserID = id.UserID
	}
	hook(s, "Authenticated", f, info)
}

// letIn authenticates and admits a client. If the client is rejected, letIn closes it and
// returns the reason.
func (c *session) letIn(ctx context.Context, m wire.Message) error {
	id, cipher, expires, err := c.identify(ctx, m)
	if err == nil {
		err = c.admit(id, cipher, expires)
	}
	if f := c.server.cfg.OnConnect; f != nil && err == nil {
		failed := c.server.timed(CallbackOnConnect, c, func() error { f(ctx, id); return nil })
		c.callbackFailed("OnConnect", failed)
	}
	return err
}

// identify finds out who a client is, and agrees on keys with it. If the client is rejected,
// identify closes it and returns the reason. It is not part of letIn, so that the stack space
// that it needs is free while admit runs: a goroutine whose stack must grow twice costs more
// than authentication itself.
func (c *session) identify(ctx context.Context, m wire.Message) (id *Client, cipher *Cipher, expires time.Time, err error) {
	profile := c.profile()
	id = &profile
	cred := newCredentials(id, m.Data)
	who, err := c.callAuthenticate(ctx, &cred)
	if err != nil {
		c.authenticateFailed(&cred, err)
		return nil, nil, expires, err
	}
	id.UserID, id.Metadata, id.TokenID = who.UserID, who.Metadata, who.TokenID
	issued := issuedAt(who.IssuedAt)
	c.mu.Lock()
	c.identity, c.issuedAt = id, issued // from now on, OnDisconnect must be called
	c.mu.Unlock()
	if who.expired() {
		c.server.info("client rejected", "client", c.member.ID, "remote", cred.RemoteAddr, "error", rejectedExpired)
		c.refuse(wire.ErrorRejected, wire.CloseAuthFailed)
		return nil, nil, expires, rejectedExpired
	}
	if c.isRevoked(id, issued) { // admit checks it again
		return nil, nil, expires, c.refuseRevoked(id)
	}
	cipher, err = c.secure(ctx, id, &cred)
	return id, cipher, who.Expires, err
}

// authenticateFailed closes a client for which callAuthenticate has returned err.
func (c *session) authenticateFailed(cred *Credentials, err error) {
	s := c.server
	switch {
	case errors.Is(err, errBusy):
		c.turnAway(wire.CloseTryAgainLater)
	case errors.Is(err, errFailing):
		c.turnAway(wire.CloseTooManyConnections)
	case errors.Is(err, ErrUnauthenticated):
		s.info("client rejected", "client", c.member.ID, "remote", cred.RemoteAddr, "error", err)
		c.refuseFor(err, wire.ErrorRejected, wire.CloseAuthFailed)
	case errors.Is(err, errTooLate):
		c.refuse(wire.ErrorAuthentication, wire.CloseAuthFailed)
	case undecided(err):
		s.warn("client turned away: Authenticate cannot decide at the moment", "client", c.member.ID, "remote", cred.RemoteAddr, "error", err)
		c.refuseFor(err, wire.ErrorAuthentication, wire.CloseTryAgainLater)
	default:
		c.callbackFailed("Authenticate", err)
		c.refuseFor(err, wire.ErrorAuthentication, wire.CloseAuthFailed)
	}
}

// errTooLate is the error for a client that disconnected, or exceeded its time limit,
// while it was being authenticated.
var errTooLate = errors.New("the client disconnected, or authentication took too long")

// tooLate adds errTooLate to err if ctx has ended. It must be called before the client is closed
// because of err, since that ends ctx too.
func tooLate(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", errTooLate, err)
	}
	return err
}

// callAuthenticate calls Authenticate, unless a limit is reached.
func (c *session) callAuthenticate(ctx context.Context, cred *Credentials) (who Identity, err error) {
	s := c.server
	if err := c.checkCredentials(cred); err != nil {
		return who, err
	}
	waited, err := s.beginAuthenticate(ctx)
	if err != nil {
		return who, err
	}
	defer s.endAuthenticate()
	if waited { // others from the address may have failed in the meantime
		if err := c.checkAddress(cred.RemoteAddr); err != nil {
			return who, err
		}
	}
	err = s.timed(CallbackAuthenticate, c, func() (err error) {
		who, err = s.cfg.Authenticate(ctx, *cred)
		return err
	})
	if errors.Is(err, ErrUnauthenticated) {
		s.authFailed(cred.RemoteAddr)
		return who, err
	}
	return who, tooLate(ctx, err)
}

// refuseFor closes a client for an error of Authenticate or AgreeKeys. In protocol 2, an *Error in err is
// sent to the client, and otherwise text: the texts of protocol 1 are fixed.
func (c *session) refuseFor(err error, text string, code uint16) {
	if e := asError(err); e != nil && c.version() >= 2 {
		c.refuseWith(frame(wire.Message{Event: wire.EventError, Data: forClient(e).Encode()}).Own(), code)
		return
	}
	c.refuse(text, code)
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

// turnAway closes a client that a limit refuses. It is a no-op if the client has already
// disconnected or exceeded its time limit.
func (c *session) turnAway(code uint16) {
	if state, _, _ := c.authState(); state == StateAuthenticating {
		c.close(code)
	}
}

// admit makes the client authenticated. It returns an error if the client has disconnected
// or exceeded its time limit, if its user has too many connections, or if its access has
// been revoked.
func (c *session) admit(id *Client, cipher *Cipher, expires time.Time) error {
	s := c.server
	done, err := c.activate(id, cipher, expires, s.userLimit(id))
	switch {
	case errors.Is(err, errRevoked):
		return c.refuseRevoked(id)
	case errors.Is(err, errUserFull):
		s.counts.refusedUser.Add(1)
		s.info("client refused: its user has too many connections (Config.MaxClientsPerUser)", "client", id.ID, "user", id.UserID, "remote", id.RemoteAddr)
		c.turnAway(wire.CloseTooManyConnections)
	case err == nil:
		c.enqueued(done.connected)
		// A revocation may have been made since activate checked it. To revoke the access of a
		// user, applyRevocations looks only at the clients that are in the index by now.
		if c.closeIfRevoked(s.revoked, time.Now().UnixMilli()) {
			return errRevoked
		}
		s.closeExcess(done.excess)
		if s.debugging() {
			s.cfg.Logger.Debug("client authenticated", "client", id.ID, "user", printable.Text(id.UserID, loglimit.MaxText))
		}
	}
	return err
}

// admission is what activate leaves to do.
type admission struct {
	connected ws.Tally   // the result of queuing the connected event
	excess    []*session // clients to close because their user has too many
}

// activate makes the client reachable. The connected event is queued before the client
// becomes reachable, and writing is held back until the client has joined its rooms. So the
// event is the first message that the client receives, and by then the client is in its
// rooms. activate does not call the application, not even its log, because it may hold a lock
// that all clients need.
func (c *session) activate(id *Client, cipher *Cipher, expires time.Time, limit int) (a admission, err error) {
	s := c.server
	connected := frame(wire.Message{Event: wire.EventConnected, Data: c.connectedData(id, cipher, expires)}).Own().Clear()
	if limit > 0 {
		s.limits.admitting.Lock()
		defer s.limits.admitting.Unlock()
		if s.userFull(id, limit) {
			return a, errUserFull
		}
	}
	c.mu.Lock()
	if c.state != StateAuthenticating {
		c.mu.Unlock()
		return a, errTooLate
	}
	if c.isRevoked(id, c.issuedAt) {
		c.mu.Unlock()
		return a, errRevoked
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
	s.reg.Activate(&c.member, id.UserID)
	for _, room := range s.cfg.DefaultRooms {
		_, _ = s.reg.Join(&c.member, room, math.MaxInt, false) // cannot fail without a limit
	}
	c.conn.Release()
	return admission{t, c.excess(id, limit)}, nil
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

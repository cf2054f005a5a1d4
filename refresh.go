package ignis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ignis-go/ignis/internal/printable"
	"github.com/ignis-go/ignis/wire"
)

// expiry is the end of a session. It is guarded by session.mu.
type expiry struct {
	at     time.Time // by the wall clock
	notice time.Time // when to send the expiring event; zero if it was sent or the client uses protocol 1
	timer  *time.Timer
}

// maxWait is the maximum time a timer is set to. Timers do not notice if the machine was
// suspended or the clock was set.
const maxWait = 30 * time.Second

// expired reports whether the session has already ended.
func (i Identity) expired() bool { return !i.Expires.IsZero() && !time.Now().Before(i.Expires) }

// expireLocked sets the end of the session. Zero means that it does not end.
func (c *session) expireLocked(at time.Time) {
	if c.expiry != nil {
		c.expiry.timer.Stop()
		c.expiry = nil
	}
	if at.IsZero() {
		return
	}
	at = at.Round(0) // by the wall clock
	now := time.Now().Round(0)
	e := &expiry{at: at}
	if c.version() >= 2 {
		e.notice = at.Add(-wire.ExpiringNotice)
		if half := now.Add(at.Sub(now) / 2); half.After(e.notice) {
			e.notice = half
		}
	}
	c.expiry = e
	e.timer = time.AfterFunc(e.wait(now), func() { c.checkExpiry(e) })
}

// wait returns the time until checkExpiry should be called.
func (e *expiry) wait(now time.Time) time.Duration {
	next := e.at
	if !e.notice.IsZero() {
		next = e.notice
	}
	return max(min(next.Sub(now), maxWait), 0)
}

// checkExpiry sends the expiring event or ends the session, if either is due.
func (c *session) checkExpiry(e *expiry) {
	now := time.Now().Round(0)
	c.mu.Lock()
	if c.expiry != e || c.state != StateAuthenticated {
		c.mu.Unlock()
		return
	}
	ends := !now.Before(e.at)
	notify := !ends && !e.notice.IsZero() && !now.Before(e.notice)
	if notify {
		e.notice = time.Time{}
	}
	if !ends {
		e.timer.Reset(e.wait(now))
	}
	at := e.at
	c.mu.Unlock()
	switch {
	case ends:
		c.close(wire.CloseExpired)
	case notify:
		data, _ := wire.EncodeData(expiresData{wire.FormatTime(at)}) // a string can always be encoded
		c.sendOwn(frame(wire.Message{Event: wire.EventExpiring, Data: data}).Own())
	}
}

// expired reports whether the session has ended, even if the timer has not fired yet.
func (c *session) expired() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.expiry != nil && !time.Now().Before(c.expiry.at)
}

// expiresData is the data of an expiring event, and of the answer to a refresh.
type expiresData struct {
	Expires string `json:"expires,omitempty"`
}

// refresh handles a refresh event, in which a client sends new credentials. If they are
// accepted, the session continues with them, and the client stays in the rooms that they
// allow.
func (c *session) refresh(ctx context.Context, m wire.Message) (any, error) {
	if c.server.cfg.Tracer != nil {
		return c.traced(ctx, SpanAuthenticate, (*session).doRefresh, m)
	}
	return c.doRefresh(ctx, m)
}

// doRefresh is refresh without a span.
func (c *session) doRefresh(ctx context.Context, m wire.Message) (any, error) {
	began := time.Now()
	expires, err := c.renew(ctx, m)
	c.hookAuthenticated(true, err, began)
	if err != nil {
		return nil, err
	}
	if expires.IsZero() {
		return expiresData{}, nil
	}
	return expiresData{wire.FormatTime(expires)}, nil
}

// errRejected is what clients are told if a refresh is rejected.
var errRejected = &Error{Code: wire.CodeForbidden, Message: wire.ErrorRejected}

// rejection is the error for credentials that Authenticate accepts but that cannot be used. It
// matches ErrUnauthenticated.
type rejection string

const (
	rejectedExpired   rejection = "the session has already expired"
	rejectedOtherUser rejection = "the credentials belong to another user or have expired"
)

func (r rejection) Error() string      { return string(r) }
func (r rejection) LogCause() string   { return string(r) }
func (rejection) Is(target error) bool { return target == ErrUnauthenticated }

// renew replaces the identity of a client and returns the new end of its session.
func (c *session) renew(ctx context.Context, m wire.Message) (expires time.Time, err error) {
	s := c.server
	was := c.who()
	cred := newCredentials(was, m.Data)
	cred.Refreshed = was
	who, err := c.callAuthenticate(ctx, &cred)
	switch {
	case errors.Is(err, errBusy), errors.Is(err, errFailing):
		return expires, err
	case errors.Is(err, ErrUnauthenticated):
		s.info("refresh refused", "client", c.member.ID, "user", was.UserID, "error", err)
		if asError(err) != nil {
			return expires, err // with a text that is meant for the client
		}
		return expires, fmt.Errorf("%w: %w", errRejected, err)
	case errors.Is(err, errTooLate):
		return expires, err
	case undecided(err):
		s.warn("refresh refused: Authenticate cannot decide at the moment", "client", c.member.ID, "user", was.UserID, "error", err)
		return expires, err
	case err != nil:
		c.callbackFailed("Authenticate", err)
		return expires, err
	case who.UserID != was.UserID || who.expired():
		s.info("refresh refused", "client", c.member.ID, "user", was.UserID, "error", rejectedOtherUser)
		return expires, fmt.Errorf("%w: %w", errRejected, rejectedOtherUser)
	}
	id := *was // a copy, because others may be reading it
	id.Metadata, id.TokenID = who.Metadata, who.TokenID
	issued := issuedAt(who.IssuedAt)
	lost, err := c.lostRooms(ctx, &id)
	if err != nil {
		return expires, tooLate(ctx, err) // nothing has changed, so the client may try again
	}
	c.mu.Lock()
	if c.state != StateAuthenticated {
		c.mu.Unlock()
		return expires, errTooLate
	}
	if c.isRevoked(&id, issued) {
		c.mu.Unlock()
		return expires, c.refreshRevoked(&id)
	}
	id.Encrypted = c.identity.Encrypted // Encrypt may have been called meanwhile
	c.identity, c.issuedAt = &id, issued
	c.expireLocked(who.Expires)
	c.mu.Unlock()
	for _, room := range lost {
		if c.leaveRoom(room, LeftApplication, false) {
			s.info("client removed from a room: its new credentials do not allow it", "client", c.member.ID, "user", was.UserID, "room", printable.Text(room, 2*wire.MaxRoomName))
		}
	}
	c.notifyLeft(ctx, lost)
	return who.Expires, nil
}

// refreshRevoked counts and logs a refresh whose credentials are revoked, and returns the
// answer. The session continues with the previous credentials, unless they are revoked too.
func (c *session) refreshRevoked(id *Client) error {
	s := c.server
	s.counts.refusedRevoked.Add(1)
	s.info("refresh refused", "client", c.member.ID, "user", id.UserID, "error", "access was revoked")
	return fmt.Errorf("%w: %w", errRejected, errRevoked)
}

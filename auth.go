package ignis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/ignis-go/ignis/wire"
)

// authenticate lets the application decide on a client. The timer that runs
// since the client asked covers all of it.
func (s *Server) authenticate(ctx context.Context, c *client, cred Credentials) {
	var who Identity
	err := s.call("Authenticate", c, func() (err error) {
		who, err = s.cfg.Authenticate(ctx, cred)
		return err
	})
	if errors.Is(err, ErrUnauthenticated) {
		s.info("client rejected", "client", c.member.ID, "remote", cred.RemoteAddr, "error", err)
		s.refuse(c, wire.ErrorRejected, wire.CloseAuthFailed)
		return
	}
	if err != nil {
		if ctx.Err() == nil { // otherwise the error is that nobody waits
			s.callbackFailed("Authenticate", c, err)
		}
		s.refuse(c, wire.ErrorAuthentication, wire.CloseAuthFailed)
		return
	}
	identity := &Client{
		ID: c.member.ID, UserID: who.UserID, Metadata: who.Metadata,
		RemoteAddr: cred.RemoteAddr, ConnectedAt: c.connectedAt,
	}
	var session *Session
	if s.cfg.RequireEncryption {
		if s.cfg.Handshake == nil {
			s.refuse(c, "", wire.CloseEncryptionRequired)
			return
		}
		if session, err = s.handshake(ctx, c, identity, cred); err != nil {
			if ctx.Err() == nil {
				s.callbackFailed("Handshake", c, err)
			}
			s.refuse(c, wire.ErrorHandshake, wire.CloseEncryptionRequired)
			return
		}
	}
	if s.admit(c, identity, session) && s.cfg.OnConnect != nil {
		err := s.call("OnConnect", c, func() error { s.cfg.OnConnect(ctx, identity); return nil })
		s.callbackFailed("OnConnect", c, err)
	}
}

func (s *Server) handshake(ctx context.Context, c *client, id *Client, cred Credentials) (*Session, error) {
	var session *Session
	err := s.call("Handshake", c, func() (err error) {
		session, err = s.cfg.Handshake(ctx, id, cred)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case session == nil || session.Seal == nil:
		return nil, errors.New("handshake returned no session that can seal")
	}
	id.Encrypted, id.ServerPublicKey, id.Salt = true, session.ServerPublicKey, session.Salt
	return session, nil
}

// refuse closes a client that did not get in, after an error event if there is
// a text for it. One that has gone or was too late is beyond that.
func (s *Server) refuse(c *client, text string, code uint16) {
	c.mu.Lock()
	waiting := c.state == StateAuthenticating
	c.mu.Unlock()
	if !waiting {
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
func (s *Server) admit(c *client, id *Client, session *Session) bool {
	connected := frame(wire.EventConnected, connectedData(id)).Clear()
	c.mu.Lock()
	if c.state != StateAuthenticating {
		c.mu.Unlock()
		return false
	}
	c.stopTimerLocked()
	c.state, c.identity, c.session = StateAuthenticated, id, session
	c.conn.Hold()
	if session != nil {
		c.conn.Seal(session.Seal)
	}
	t := c.conn.Enqueue(connected)
	c.mu.Unlock()
	s.enqueued(c, t)

	s.reg.Activate(&c.member, id.UserID)
	for _, room := range s.cfg.DefaultRooms {
		_, _ = s.reg.Join(&c.member, room, math.MaxInt) // no limit, so no error
	}
	c.conn.Release()
	s.cfg.Logger.Debug("client authenticated", "client", id.ID, "user", id.UserID)
	return true
}

// connectedData returns the data of the connected event.
func connectedData(id *Client) json.RawMessage {
	data, _ := wire.EncodeData(struct { // strings always encode
		ID              string `json:"id"`
		UserID          string `json:"userId,omitempty"`
		Time            string `json:"time"`
		ServerPublicKey string `json:"serverPublicKey,omitempty"`
		Salt            string `json:"salt,omitempty"`
	}{id.ID, id.UserID, time.Now().UTC().Format(wire.TimeFormat), id.ServerPublicKey, id.Salt})
	return data
}

// open treats the content of an encrypted event as a message from the client.
func (s *Server) open(c *client, m wire.Message) {
	c.mu.Lock()
	session := c.session
	c.mu.Unlock()
	var inner wire.Message
	err := errors.New("the client is not encrypted")
	if session != nil && session.Open != nil {
		err = s.call("Session.Open", c, func() error {
			text, err := session.Open(m.Data)
			if err != nil {
				return err
			}
			inner, err = wire.DecodeMessage(text)
			return err
		})
	}
	if err == nil && (inner.Event == wire.EventEncrypted || inner.Event == wire.EventAuthenticate) {
		err = fmt.Errorf("%s within an encrypted message", inner.Event)
	}
	if err != nil {
		s.counts.badEncrypted.Add(1)
		s.cfg.Logger.Debug("encrypted message refused", "client", c.member.ID, "error", err)
		s.sendError(c, wire.ErrorEncryptedMessage)
		return
	}
	if inner.Event != wire.EventHeartbeat {
		s.dispatchAuthenticated(c, inner)
	}
}

// sealFailed is called when a message to an encrypted client was dropped.
func (s *Server) sealFailed(err error) {
	s.counts.sealFailures.Add(1)
	s.errorf("message to an encrypted client dropped: it could not be sealed", "error", err)
}

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

// stateFor returns where c stands when a message comes. One that asks to be
// authenticated, as the first, is given more time: from then on the server works on it.
func (c *client) stateFor(asks bool) State {
	c.mu.Lock()
	defer c.mu.Unlock()
	state := c.state
	if asks && state == StateUnauthorized {
		c.state = StateAuthenticating
		if c.entry.timer != nil {
			c.entry.timer.Reset(wire.AuthTimeoutFactor * c.server.cfg.AuthTimeout)
		}
	}
	return state
}

// authenticate lets the application decide on a client. The timer that runs
// since the client asked covers all of it.
func (s *Server) authenticate(ctx context.Context, c *client, m wire.Message) {
	profile := c.profile()
	cred := newCredentials(profile, m.Data)
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
	identity := &profile
	identity.UserID, identity.Metadata = who.UserID, who.Metadata
	session, ok := s.secure(ctx, c, identity, cred)
	if !ok {
		return
	}
	if s.admit(c, identity, session) && s.cfg.OnConnect != nil {
		err := s.call("OnConnect", c, func() error { s.cfg.OnConnect(ctx, identity); return nil })
		s.callbackFailed("OnConnect", c, err)
	}
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
	c.state, c.entry, c.identity, c.session = StateAuthenticated, nil, id, session
	c.conn.Admit()
	c.conn.Hold()
	if session != nil {
		c.conn.Seal(s.sealer(c, id, session))
	}
	t := c.conn.Enqueue(connected)
	c.mu.Unlock()
	s.enqueued(c, t)

	s.reg.Activate(&c.member, id.UserID)
	for _, room := range s.cfg.DefaultRooms {
		_, _ = s.reg.Join(&c.member, room, math.MaxInt) // no limit, so no error
	}
	c.conn.Release()
	if s.debugging() {
		s.cfg.Logger.Debug("client authenticated", "client", id.ID, "user", printable.Text(id.UserID, loglimit.MaxText))
	}
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

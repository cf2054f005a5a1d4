package ignis

import (
	"bytes"
	"context"
	"errors"
	"unicode/utf8"

	"github.com/ignis-go/ignis/wire"
)

// This file decides what a message from a client is, by its event and the client's
// state, and no more. What is done about it is in auth.go, rooms.go, refresh.go and
// messages.go, and called by the client's inbox.

// steps say what handles each system event of an authenticated client. Together with
// wire.SystemEvents it is all that has to be said about an event.
var steps = map[string]step{
	wire.EventJoin:      (*Server).join,
	wire.EventLeave:     (*Server).leave,
	wire.EventRefresh:   (*Server).refresh,
	wire.EventHeartbeat: (*Server).nothing,
}

// dispatch takes one message from a client, on the goroutine that reads from it:
// what the protocol answers itself is answered, the rest becomes a job.
func (s *Server) dispatch(c *session, payload []byte, binary bool) {
	s.counts.received.Add(1)
	c.lastActivity.Store(s.uptime())
	m, ok := s.decode(c, payload, binary)
	if !ok || m.Event == wire.EventHeartbeat && m.ID == "" {
		return
	}
	switch state, early := c.stateFor(m); {
	case state == StateUnauthorized && m.Event == wire.EventAuthenticate:
		m.Data = bytes.Clone(m.Data) // the payload is the transport's
		c.inbox.Push(job{do: (*Server).authenticate, message: m})
	case m.Event == wire.EventAuthenticate:
		s.refuseMessage(c, m, wire.ErrorAuthenticated)
		s.mistake(c)
	case early:
		m.Data = bytes.Clone(m.Data)
		c.inbox.Push(job{do: (*Server).dispatchEarly, message: m})
	case state == StateAuthenticated:
		s.dispatchAuthenticated(c, m)
	case m.Event != wire.EventHeartbeat:
		s.counts.unauthenticated.Add(1)
		s.refuseMessage(c, m, wire.ErrorUnauthenticated)
		s.mistake(c)
	}
}

// decode reads a message, or says what is wrong with it.
func (s *Server) decode(c *session, payload []byte, binary bool) (m wire.Message, ok bool) {
	if binary && !utf8.Valid(payload) {
		payload = []byte(string([]rune(string(payload)))) // with U+FFFD for what is not UTF-8
	}
	m, err := wire.DecodeMessage(payload)
	switch {
	case errors.Is(err, wire.ErrFormat):
		s.counts.malformed.Add(1)
		s.sendError(c, wire.ErrorFormat)
		s.mistake(c)
	case err != nil:
		s.counts.ignored.Add(1)
		s.mistake(c)
		s.cfg.Logger.Debug("message dropped", "client", c.member.ID, "error", err)
	}
	return m, err == nil
}

// dispatchAuthenticated takes a message from an authenticated client, and may keep it.
func (s *Server) dispatchAuthenticated(c *session, m wire.Message) {
	m.Data = bytes.Clone(m.Data)
	sealed := m.Event == wire.EventEncrypted
	if sealed {
		e := c.encryption() // looked at once: Encrypt may set it at any time
		if e.opensItself() {
			c.inbox.Push(job{do: (*Server).dispatchOpened, message: m})
			return
		}
		var ok bool
		if m, ok = s.open(c, e, m); !ok {
			return
		}
	}
	if do := s.stepFor(c, m, sealed); do != nil {
		c.inbox.Push(job{do: do, message: m})
	}
}

// dispatchOpened takes an encrypted message that the application opens, which is a
// callback: so it is in the inbox already, and what is within it is done at once.
func (s *Server) dispatchOpened(ctx context.Context, c *session, m wire.Message) (any, error) {
	inner, ok := s.open(c, c.encryption(), m)
	if !ok {
		return nil, nil //nolint:nilnil // the client has been told
	}
	if do := s.stepFor(c, inner, true); do != nil {
		s.do(ctx, c, do, inner)
	}
	return nil, nil //nolint:nilnil // what was within has been answered
}

// dispatchEarly takes a message that was sent right behind authenticate, when the
// client is authenticated. One that is not has gone or is told so by the end of the
// connection.
func (s *Server) dispatchEarly(ctx context.Context, c *session, m wire.Message) (any, error) {
	if state, _, _ := c.standing(); state != StateAuthenticated {
		return nil, nil //nolint:nilnil // nobody waits for an answer
	}
	if do := s.stepFor(c, m, false); do != nil {
		return do(s, ctx, c, m)
	}
	return nil, nil //nolint:nilnil // there is nothing to say
}

// stepFor returns what is to be done about a message from an authenticated client, nil
// for nothing.
func (s *Server) stepFor(c *session, m wire.Message, sealed bool) step {
	e, system := wire.LookupEvent(m.Event, c.version())
	switch {
	case system && e.From == wire.FromServer:
		s.counts.ignored.Add(1)
		s.cfg.Logger.Debug("message dropped: only servers send this event", "client", c.member.ID, "event", m.Event)
		return c.refusal(m, &Error{Code: wire.CodeInvalid, Message: "Only servers send this event"})
	case !sealed && s.cfg.Encryption == EncryptionRequired && !(system && e.Plain):
		s.counts.badEncrypted.Add(1)
		if !c.wantsAnswer(m) {
			s.sendError(c, wire.ErrorClear)
		}
		return c.refusal(m, &Error{Code: wire.CodeForbidden, Message: wire.ErrorClear})
	case !system:
		return (*Server).handle
	case m.Event == wire.EventHeartbeat && !c.wantsAnswer(m):
		return nil
	}
	return steps[m.Event]
}

// nothing is all that a heartbeat needs, besides an answer if it has an id.
func (s *Server) nothing(context.Context, *session, wire.Message) (any, error) {
	return nil, nil //nolint:nilnil // an answer without data
}

package ignis

import (
	"bytes"
	"context"
	"errors"
	"unicode/utf8"

	"github.com/ignis-go/ignis/wire"
)

// This file decides what a message from a client is, by its event and the client's
// state, and no more. What is done about it is in auth.go, rooms.go and messages.go,
// and called by the client's inbox.

// dispatch takes one message from a client, on the goroutine that reads from it:
// what the protocol answers itself is answered, the rest becomes a job.
func (s *Server) dispatch(c *session, payload []byte, binary bool) {
	s.counts.received.Add(1)
	c.lastActivity.Store(s.uptime())
	m, ok := s.decode(c, payload, binary)
	if !ok || m.Event == wire.EventHeartbeat {
		return
	}
	asks := m.Event == wire.EventAuthenticate
	switch state := c.stateFor(asks); {
	case asks && state == StateUnauthorized:
		m.Data = bytes.Clone(m.Data) // the payload is the transport's
		c.inbox.Push(job{do: (*Server).authenticate, message: m})
	case asks:
		s.sendError(c, wire.ErrorAuthenticated)
		s.mistake(c)
	case state != StateAuthenticated:
		s.counts.unauthenticated.Add(1)
		s.sendError(c, wire.ErrorUnauthenticated)
		s.mistake(c)
	case s.cfg.Encryption == EncryptionRequired && !fromServer(m.Event) && !system(m.Event):
		s.counts.badEncrypted.Add(1)
		s.sendError(c, wire.ErrorClear)
	default:
		m.Data = bytes.Clone(m.Data)
		s.dispatchAuthenticated(c, m)
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

// system reports whether an authenticated client may send event in clear even
// where encryption is required.
func system(event string) bool {
	return event == wire.EventJoin || event == wire.EventLeave || event == wire.EventEncrypted
}

// fromServer reports whether event is one that only servers send.
func fromServer(event string) bool {
	e, ok := wire.LookupEvent(event, 1)
	return ok && e.From == wire.FromServer
}

// dispatchAuthenticated takes a message from an authenticated client, and may keep it.
func (s *Server) dispatchAuthenticated(c *session, m wire.Message) {
	if m.Event == wire.EventEncrypted {
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
	if do := s.stepFor(c, m); do != nil {
		c.inbox.Push(job{do: do, message: m})
	}
}

// dispatchOpened takes an encrypted message that the application opens, which is a
// callback: so it is in the inbox already, and what is within it is done at once.
func (s *Server) dispatchOpened(ctx context.Context, c *session, m wire.Message) {
	inner, ok := s.open(c, c.encryption(), m)
	if !ok {
		return
	}
	if do := s.stepFor(c, inner); do != nil {
		do(s, ctx, c, inner)
	}
}

// stepFor returns what is to be done about a message from an authenticated client,
// nil for nothing.
func (s *Server) stepFor(c *session, m wire.Message) step {
	switch {
	case m.Event == wire.EventHeartbeat:
		return nil
	case m.Event == wire.EventJoin:
		return (*Server).join
	case m.Event == wire.EventLeave:
		return (*Server).leave
	case fromServer(m.Event):
		s.counts.ignored.Add(1)
		s.cfg.Logger.Debug("message dropped: only servers send this event", "client", c.member.ID, "event", m.Event)
		return nil
	}
	return (*Server).handle
}

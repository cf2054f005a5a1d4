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
	wire.EventJoin:      (*session).join,
	wire.EventLeave:     (*session).leave,
	wire.EventRefresh:   (*session).refresh,
	wire.EventHeartbeat: (*session).nothing,
}

// dispatch takes one message from a client, on the goroutine that reads from it:
// what the protocol answers itself is answered, the rest becomes a job.
func (c *session) dispatch(payload []byte, binary bool) {
	s := c.server
	s.counts.received.Add(1)
	c.lastActivity.Store(s.uptime())
	m, ok := c.decode(payload, binary)
	if !ok || m.Event == wire.EventHeartbeat && m.ID == "" {
		return
	}
	switch state, early := c.stateFor(m); {
	case state == StateUnauthorized && m.Event == wire.EventAuthenticate:
		m.Data = bytes.Clone(m.Data) // the payload is the transport's
		c.inbox.Push(job{do: (*session).authenticate, message: m})
	case m.Event == wire.EventAuthenticate:
		c.refuseMessage(m, wire.ErrorAuthenticated)
		c.mistake()
	case early:
		m.Data = bytes.Clone(m.Data)
		c.inbox.Push(job{do: (*session).dispatchEarly, message: m})
	case state == StateAuthenticated:
		c.dispatchAuthenticated(m)
	case m.Event != wire.EventHeartbeat:
		s.counts.unauthenticated.Add(1)
		c.refuseMessage(m, wire.ErrorUnauthenticated)
		c.mistake()
	}
}

// decode reads a message, or says what is wrong with it.
func (c *session) decode(payload []byte, binary bool) (m wire.Message, ok bool) {
	s := c.server
	if binary && !utf8.Valid(payload) {
		payload = []byte(string([]rune(string(payload)))) // with U+FFFD for what is not UTF-8
	}
	m, err := wire.DecodeMessage(payload)
	switch {
	case errors.Is(err, wire.ErrFormat):
		s.counts.malformed.Add(1)
		c.sendError(wire.ErrorFormat)
		c.mistake()
	case err != nil:
		s.counts.ignored.Add(1)
		c.mistake()
		s.cfg.Logger.Debug("message dropped", "client", c.member.ID, "error", err)
	}
	return m, err == nil
}

// dispatchAuthenticated takes a message from an authenticated client, and may keep it.
func (c *session) dispatchAuthenticated(m wire.Message) {
	m.Data = bytes.Clone(m.Data)
	sealed := m.Event == wire.EventEncrypted
	if sealed {
		e := c.encryption() // looked at once: Encrypt may set it at any time
		if e.opensItself() {
			c.inbox.Push(job{do: (*session).dispatchOpened, message: m})
			return
		}
		var ok bool
		if m, ok = c.open(e, m); !ok {
			return
		}
	}
	if do := c.stepFor(m, sealed); do != nil {
		c.inbox.Push(job{do: do, message: m})
	}
}

// dispatchOpened takes an encrypted message that the application opens, which is a
// callback: so it is in the inbox already, and what is within it is done at once.
func (c *session) dispatchOpened(ctx context.Context, m wire.Message) (any, error) {
	inner, ok := c.open(c.encryption(), m)
	if !ok {
		return nil, nil //nolint:nilnil // the client has been told
	}
	if do := c.stepFor(inner, true); do != nil {
		c.do(ctx, do, inner)
	}
	return nil, nil //nolint:nilnil // what was within has been answered
}

// dispatchEarly takes a message that was sent right behind authenticate, when the
// client is authenticated. One that is not has gone or is told so by the end of the
// connection.
func (c *session) dispatchEarly(ctx context.Context, m wire.Message) (any, error) {
	if state, _, _ := c.standing(); state != StateAuthenticated {
		return nil, nil //nolint:nilnil // nobody waits for an answer
	}
	if do := c.stepFor(m, false); do != nil {
		return do(c, ctx, m)
	}
	return nil, nil //nolint:nilnil // there is nothing to say
}

// stepFor returns what is to be done about a message from an authenticated client, nil
// for nothing.
func (c *session) stepFor(m wire.Message, sealed bool) step {
	s := c.server
	e, system := wire.LookupEvent(m.Event, c.version())
	switch {
	case system && e.From == wire.FromServer:
		s.counts.ignored.Add(1)
		s.cfg.Logger.Debug("message dropped: only servers send this event", "client", c.member.ID, "event", m.Event)
		return c.refusal(m, &Error{Code: wire.CodeInvalid, Message: "Only servers send this event"})
	case !sealed && s.cfg.Encryption == EncryptionRequired && !(system && e.Plain):
		s.counts.badEncrypted.Add(1)
		if !c.wantsAnswer(m) {
			c.sendError(wire.ErrorClear)
		}
		return c.refusal(m, &Error{Code: wire.CodeForbidden, Message: wire.ErrorClear})
	case !system:
		return (*session).handle
	case m.Event == wire.EventHeartbeat && !c.wantsAnswer(m):
		return nil
	}
	return steps[m.Event]
}

// nothing is all that a heartbeat needs, besides an answer if it has an id.
func (c *session) nothing(context.Context, wire.Message) (any, error) {
	return nil, nil //nolint:nilnil // an answer without data
}

package ignis

import (
	"bytes"
	"context"
	"errors"
	"unicode/utf8"

	"github.com/ignis-go/ignis/wire"
)

// This file decides how to handle a message from a client, depending on the event and the
// client's state. The handlers are in auth.go, rooms.go, refresh.go and messages.go and
// are called by the client's inbox.

// steps are the handlers of the system events of an authenticated client. An event needs
// only an entry here and one in wire.SystemEvents.
var steps = map[string]step{
	wire.EventJoin:      (*session).join,
	wire.EventLeave:     (*session).leave,
	wire.EventRefresh:   (*session).refresh,
	wire.EventHeartbeat: (*session).heartbeat,
}

// dispatch handles one message, on the goroutine that reads from the client. It answers
// protocol errors itself and pushes everything else to the inbox as a job.
func (c *session) dispatch(payload []byte, binary bool) {
	s := c.server
	s.counts.received.Add(1)
	s.counts.receivedBytes.Add(uint64(len(payload)))
	c.lastActivity.Store(s.uptime())
	m, ok := c.decode(payload, binary)
	if !ok || m.Event == wire.EventHeartbeat && m.ID == "" {
		return
	}
	switch state, early := c.stateFor(m); {
	case state == StateUnauthorized && m.Event == wire.EventAuthenticate:
		m.Data = bytes.Clone(m.Data) // the payload is owned by the transport
		c.inbox.Push(job{do: (*session).authenticate, message: m})
	case m.Event == wire.EventAuthenticate:
		c.refuseMessage(m, wire.ErrorAuthenticated)
		c.mistake()
	case early:
		m.Data = bytes.Clone(m.Data)
		if m.Event == wire.EventEncrypted {
			m.ID = "" // the ID of the inner message counts
		}
		c.inbox.Push(job{do: (*session).dispatchEarly, message: m})
	case state == StateAuthenticated:
		c.dispatchAuthenticated(m)
	case m.Event != wire.EventHeartbeat || c.wantsAnswer(m):
		s.counts.unauthenticated.Add(1)
		c.refuseMessage(m, wire.ErrorUnauthenticated)
		c.mistake()
	}
}

// decode decodes a message. If it is malformed, decode tells the client and reports
// false.
func (c *session) decode(payload []byte, binary bool) (m wire.Message, ok bool) {
	s := c.server
	if binary && !utf8.Valid(payload) {
		payload = []byte(string([]rune(string(payload)))) // replaces invalid UTF-8 with U+FFFD
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
	m.From = wire.Sender{} // clients cannot set the sender
	return m, err == nil
}

// dispatchAuthenticated handles a message from an authenticated client. It copies the
// data.
func (c *session) dispatchAuthenticated(m wire.Message) {
	if m.Event != wire.EventEncrypted {
		m.Data = bytes.Clone(m.Data)
		c.push(m, false)
		return
	}
	e := c.encryption() // read only once, because Encrypt may set it at any time
	if e.opensItself() {
		m.Data = bytes.Clone(m.Data)
		m.ID = "" // the ID of the inner message counts
		c.inbox.Push(job{do: (*session).dispatchOpened, message: m})
		return
	}
	if inner, ok := c.open(e, m); ok {
		inner.Data = bytes.Clone(inner.Data) // without the rest of what was opened
		c.push(inner, true)
	}
}

// push queues the step for a message, if there is one. It keeps the data.
func (c *session) push(m wire.Message, sealed bool) {
	if do := c.stepFor(m, sealed); do != nil {
		c.inbox.Push(job{do: do, message: m})
	}
}

// dispatchOpened handles an encrypted message that Cipher.Open opens. Because that is a
// callback, dispatchOpened runs in the inbox and handles the inner message immediately.
func (c *session) dispatchOpened(ctx context.Context, m wire.Message) (any, error) {
	inner, ok := c.open(c.encryption(), m)
	if !ok {
		return nil, nil //nolint:nilnil // the client has been told
	}
	if do := c.stepFor(inner, true); do != nil {
		c.do(ctx, do, inner)
	}
	return nil, nil //nolint:nilnil // the inner message has been answered
}

// dispatchEarly handles a message that was sent right after authenticate, once the client
// is authenticated. If authentication failed, there is no answer: the connection is
// closed.
func (c *session) dispatchEarly(ctx context.Context, m wire.Message) (any, error) {
	if state, _, _ := c.authState(); state != StateAuthenticated {
		return nil, nil //nolint:nilnil // the connection is being closed
	}
	if m.Event == wire.EventEncrypted { // sealed with a key that both sides already had
		return c.dispatchOpened(ctx, m)
	}
	if do := c.stepFor(m, false); do != nil {
		return do(c, ctx, m)
	}
	return nil, nil //nolint:nilnil // nothing to answer
}

// stepFor returns the handler for a message from an authenticated client, or nil if there
// is nothing to do.
func (c *session) stepFor(m wire.Message, sealed bool) step {
	s := c.server
	e, system := wire.LookupEvent(m.Event, c.version())
	switch {
	case system && e.From == wire.FromServer:
		s.counts.ignored.Add(1)
		s.cfg.Logger.Debug("message dropped: only servers send this event", "client", c.member.ID, "event", m.Event)
		return c.refusal(m, &Error{Code: wire.CodeInvalid, Message: "Only servers send this event"})
	case !sealed && s.cfg.Encryption == EncryptionRequired && !(system && e.AllowUnencrypted):
		s.counts.badEncrypted.Add(1)
		if !c.wantsAnswer(m) {
			c.sendError(wire.ErrorEncryptionRequired)
		}
		return c.refusal(m, &Error{Code: wire.CodeForbidden, Message: wire.ErrorEncryptionRequired})
	case !system:
		return (*session).handle
	case m.Event == wire.EventHeartbeat && !c.wantsAnswer(m):
		return nil
	}
	return steps[m.Event]
}

// heartbeat handles a heartbeat. It only answers a heartbeat that has an ID.
func (c *session) heartbeat(context.Context, wire.Message) (any, error) {
	return nil, nil //nolint:nilnil // an answer without data
}

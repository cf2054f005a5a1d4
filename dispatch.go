package ignis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"unicode/utf8"

	"github.com/ignis-go/ignis/wire"
)

// dispatch takes one message from a client, on the goroutine that reads from
// it. What calls the application becomes a job.
func (s *Server) dispatch(c *client, payload []byte, binary bool) {
	s.counts.received.Add(1)
	c.lastActivity.Store(s.uptime())
	if binary && !utf8.Valid(payload) {
		payload = []byte(string([]rune(string(payload)))) // with U+FFFD for what is not UTF-8
	}
	m, err := wire.DecodeMessage(payload)
	switch {
	case errors.Is(err, wire.ErrFormat):
		s.counts.malformed.Add(1)
		s.sendError(c, wire.ErrorFormat)
		s.mistake(c)
		return
	case err != nil:
		s.counts.ignored.Add(1)
		s.mistake(c)
		s.cfg.Logger.Debug("message dropped", "client", c.member.ID, "error", err)
		return
	case m.Event == wire.EventHeartbeat:
		return
	}
	c.mu.Lock()
	state := c.state
	if m.Event == wire.EventAuthenticate && state == StateUnauthorized {
		c.state = StateAuthenticating
		if c.timer != nil {
			c.timer.Reset(wire.AuthTimeoutFactor * s.cfg.AuthTimeout)
		}
	}
	c.mu.Unlock()

	switch {
	case m.Event == wire.EventAuthenticate && state == StateUnauthorized:
		m.Data = bytes.Clone(m.Data) // the payload is the transport's
		s.push(c, job{jobAuthenticate, m})
	case m.Event == wire.EventAuthenticate:
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

// dispatchAuthenticated takes a message from an authenticated client.
func (s *Server) dispatchAuthenticated(c *client, m wire.Message) {
	if m.Event == wire.EventEncrypted {
		// Looked at once: Encrypt may set it at any time.
		if e := c.encryption(); !e.opensItself() {
			var ok bool
			if m, ok = s.open(c, e, m); !ok {
				return
			}
		}
	}
	if kind, ok := s.kind(c, m); ok {
		s.push(c, job{kind, m})
	}
}

// kind returns what is to be done about a message from an authenticated client,
// if anything.
func (s *Server) kind(c *client, m wire.Message) (jobKind, bool) {
	switch {
	case m.Event == wire.EventHeartbeat:
		return 0, false
	case m.Event == wire.EventEncrypted:
		return jobOpen, true
	case m.Event == wire.EventJoin:
		return jobJoin, true
	case m.Event == wire.EventLeave:
		return jobLeave, true
	case fromServer(m.Event):
		s.counts.ignored.Add(1)
		s.cfg.Logger.Debug("message dropped: only servers send this event", "client", c.member.ID, "event", m.Event)
		return 0, false
	}
	return jobMessage, true
}

// handle gives a message to the application.
func (s *Server) handle(ctx context.Context, c *client, m wire.Message) {
	s.counts.messages.Add(1)
	if s.cfg.OnMessage == nil {
		s.counts.ignored.Add(1)
		return
	}
	err := s.call("OnMessage", c, func() error { return s.cfg.OnMessage(ctx, c.who(), m) })
	s.callbackFailed("OnMessage", c, err)
}

// callDisconnect runs the disconnect callback, the last of a client's.
func (s *Server) callDisconnect(c *client) {
	defer c.dropKeys()
	if s.cfg.OnDisconnect == nil {
		return
	}
	ctx, cancel := s.newContext() // that of the client is over
	defer cancel()
	err := s.call("OnDisconnect", c, func() error {
		s.cfg.OnDisconnect(ctx, c.who(), *c.end)
		return nil
	})
	s.callbackFailed("OnDisconnect", c, err)
}

// dropKeys lets go of the keys of a client that has gone, whoever else holds on to it.
func (c *client) dropKeys() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = nil
}

// panicError is a panic of a callback.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// call calls the application. It turns a panic into an error, which is counted and
// logged. A callback that ends its goroutine (runtime.Goexit, which is what FailNow of
// a test does) is counted and logged, too, but nothing can stop that here. Without a
// client, c is nil.
func (s *Server) call(name string, c *client, f func() error) (err error) {
	s.counts.running.Add(1)
	returned := false
	defer func() {
		s.counts.running.Add(-1)
		if returned {
			return
		}
		s.counts.callbackErrors.Add(1)
		p := recover()
		var who []any
		if c != nil {
			who = []any{"client", c.member.ID}
		}
		if p == nil {
			s.errorf(name+" ended its goroutine", who...)
			return
		}
		s.counts.panics.Add(1)
		s.errorf(name+" panicked", append(who, "panic", p, "stack", string(debug.Stack()))...)
		err = &panicError{p}
	}()
	err = f()
	returned = true
	return err
}

// callbackFailed counts and logs the error of a callback; call has done so with
// panics.
func (s *Server) callbackFailed(name string, c *client, err error) {
	var p *panicError
	if err == nil || errors.As(err, &p) {
		return
	}
	s.counts.callbackErrors.Add(1)
	s.warn(name+" failed", "client", c.member.ID, "error", err)
}

package ignis

import (
	"context"
	"errors"
	"unicode/utf8"

	"github.com/ignis-go/ignis/internal/ws"
	"github.com/ignis-go/ignis/wire"
)

// version returns the version of the protocol that the client speaks.
func (c *session) version() int { return max(int(c.protocol), 1) }

// wantsAnswer reports whether a message is answered, whatever becomes of it: protocol 2,
// "Answers".
func (c *session) wantsAnswer(m wire.Message) bool { return c.protocol >= 2 && m.ID != "" }

// refusal returns a step that refuses a message, nil if nobody waits for an answer.
func (c *session) refusal(m wire.Message, err error) step {
	if !c.wantsAnswer(m) {
		return nil
	}
	return func(*session, context.Context, wire.Message) (any, error) { return nil, err }
}

// refuseMessage tells a client that a message is out of place. Answers come in the order
// of the messages, so they go through the inbox.
func (c *session) refuseMessage(m wire.Message, text string) {
	do := c.refusal(m, &Error{Code: wire.CodeForbidden, Message: text})
	if do == nil {
		c.sendError(text)
		return
	}
	m.Data = nil // the transport's, and not needed
	c.inbox.Push(job{do: do, message: m})
}

// answered is a reply after which something is left to do.
type answered struct {
	reply any
	then  func()
}

// errEnded is the error of a callback that ended its goroutine.
var errEnded = errors.New("the callback ended its goroutine")

// do takes a step and answers the message.
func (c *session) do(ctx context.Context, do step, m wire.Message) {
	if !c.wantsAnswer(m) {
		reply, _ := do(c, ctx, m)
		if a, ok := reply.(answered); ok {
			a.then()
		}
		return
	}
	var reply any
	err := errEnded
	defer func() { // also when the step ends the goroutine
		a, more := reply.(answered)
		if more {
			reply = a.reply
		}
		c.answer(m, reply, err)
		if more {
			a.then()
		}
	}()
	reply, err = do(c, ctx, m)
}

// answer sends the one answer to a message.
func (c *session) answer(m wire.Message, reply any, err error) {
	s := c.server
	a := wire.Message{Event: wire.EventAck, ID: m.ID}
	if err == nil {
		if a.Data, err = wire.EncodeData(reply); err == nil {
			err = wire.CheckSize(a, s.cfg.MaxMessage)
		}
		if err != nil {
			s.counts.callbackErrors.Add(1)
			s.warn("reply not sent", "client", c.member.ID, "error", err)
		}
	}
	if utf8.RuneCountInString(m.ID) > wire.MaxMessageID {
		a.ID, err = "", &Error{Code: wire.CodeInvalid, Message: "The id of the message is too long"}
	}
	if err != nil {
		a.Event, a.Data = wire.EventError, forClient(err).Encode()
	}
	c.sendOwn(frame(a).Own())
}

// errorFrames are the error events of protocol 1, made once: what a client does wrong
// should cost the server less than the client.
type errorFrames map[string]*ws.Message

func newErrorFrames() errorFrames {
	f := make(errorFrames)
	for _, text := range []string{
		wire.ErrorFormat, wire.ErrorUnauthenticated, wire.ErrorAuthenticated, wire.ErrorRejected,
		wire.ErrorAuthentication, wire.ErrorHandshake, wire.ErrorEncryptedMessage, wire.ErrorClear,
	} {
		f[text] = frame(wire.Message{Event: wire.EventError, Data: wire.ErrorData{Message: text}.Encode()}).Own()
	}
	return f
}

// sendError sends an error event with one of the protocol's texts.
func (c *session) sendError(text string) {
	s := c.server
	c.sendOwn(s.errorFrames[text])
}

// sendOwn sends one of the protocol's own messages. Before authentication these are all
// that a client gets, and never sealed.
func (c *session) sendOwn(m *ws.Message) {
	c.mu.Lock() // or it could be queued, not sealed, behind a connected event
	if c.state < StateAuthenticated {
		m = m.Clear()
	}
	t := c.conn.Enqueue(m)
	c.mu.Unlock()
	c.enqueued(t)
}

// mistake counts a message that a client should not have sent before it is
// authenticated, and closes it after too many.
func (c *session) mistake() {
	s := c.server
	over := false
	c.mu.Lock()
	if c.state < StateAuthenticated {
		over = c.entry.mistakes >= s.cfg.AuthMaxMistakes
		c.entry.mistakes++
	}
	c.mu.Unlock()
	if over {
		c.conn.CloseFor(ws.End{
			Cause: ws.CauseStranger, Code: wire.CloseTooManyMessages, Reason: wire.CloseReason(wire.CloseTooManyMessages),
		})
	}
}

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

// wantsAnswer reports whether the client expects an answer to m; see the section "Answers"
// in docs/protocol.md.
func (c *session) wantsAnswer(m wire.Message) bool { return c.protocol >= 2 && m.ID != "" }

// refusal returns a step that answers m with err, or nil if the client expects no answer.
func (c *session) refusal(m wire.Message, err error) step {
	if !c.wantsAnswer(m) {
		return nil
	}
	return func(*session, context.Context, wire.Message) (any, error) { return nil, err }
}

// refuseMessage tells the client that it may not send m now. Answers must be in the order
// of the messages, so they go through the inbox.
func (c *session) refuseMessage(m wire.Message, text string) {
	do := c.refusal(m, &Error{Code: wire.CodeForbidden, Message: text})
	if do == nil {
		c.sendError(text)
		return
	}
	m.Data = nil // owned by the transport, and not needed
	c.inbox.Push(job{do: do, message: m})
}

// answered is a reply with a function to call once it has been sent.
type answered struct {
	reply any
	then  func()
}

// errEnded is the error for a callback that called runtime.Goexit.
var errEnded = errors.New("the callback called runtime.Goexit")

// do runs a step and answers the message.
func (c *session) do(ctx context.Context, do step, m wire.Message) {
	var reply any
	err := errEnded
	defer func() { // also if the step panics or calls runtime.Goexit
		if p := recover(); p != nil {
			err = c.server.panicked("handling a message", c, p)
		}
		a, more := reply.(answered)
		if more {
			reply = a.reply
		}
		if c.wantsAnswer(m) {
			c.answer(m, reply, err)
		}
		if more {
			a.then()
		}
	}()
	if c.wantsAnswer(m) && utf8.RuneCountInString(m.ID) > wire.MaxMessageID {
		c.sendOwn(frame(wire.Message{
			Event: wire.EventError, Data: wire.ErrorData{Message: "The id of the message is too long", Code: wire.CodeInvalid}.Encode(),
		}).Own())
		m.ID = ""
		return
	}
	reply, err = do(c, ctx, m)
}

// answer sends the answer to m. It must be called exactly once for m.
func (c *session) answer(m wire.Message, reply any, err error) {
	a := wire.Message{Event: wire.EventAck, ID: m.ID}
	if err == nil {
		a.Data, err = wire.EncodeData(reply) // cannot call the application: handle has encoded its reply
	}
	if err != nil {
		a.Event, a.Data = wire.EventError, forClient(err).Encode()
	}
	if t := c.sendOwn(frame(a).Own()); t.Large > 0 { // too large to seal
		a.Event, a.Data = wire.EventError, wire.ErrorData{Message: "The reply is too large", Code: wire.CodeTooLarge}.Encode()
		c.sendOwn(frame(a).Own())
	}
}

// errorFrames holds error events without an ID, by text. They are encoded only once, so
// that a mistake costs the server less than the client.
type errorFrames map[string]*ws.Message

func newErrorFrames() errorFrames {
	f := make(errorFrames)
	for _, text := range []string{
		wire.ErrorFormat, wire.ErrorUnauthenticated, wire.ErrorAuthenticated, wire.ErrorRejected,
		wire.ErrorAuthentication, wire.ErrorHandshake, wire.ErrorEncryptedMessage, wire.ErrorEncryptionRequired,
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

// sendOwn sends one of the protocol's own messages. Before authentication a client
// receives no other messages, and they are never sealed.
func (c *session) sendOwn(m *ws.Message) ws.Tally {
	c.mu.Lock() // otherwise it could be queued unsealed after the connected event
	if c.state < StateAuthenticated {
		m = m.Clear()
	}
	t := c.conn.Enqueue(m)
	c.mu.Unlock()
	c.enqueued(t)
	return t
}

// mistake counts a message that a client must not send before it is authenticated, and
// closes the connection after too many.
func (c *session) mistake() {
	s := c.server
	over := false
	c.mu.Lock()
	if c.state < StateAuthenticated {
		over = c.entry.mistakes >= s.tuning.Load().AuthMaxMistakes
		c.entry.mistakes++
	}
	c.mu.Unlock()
	if over {
		c.conn.CloseFor(ws.End{
			Cause: ws.CauseStranger, Code: wire.CloseTooManyMessages, Reason: wire.CloseReason(wire.CloseTooManyMessages),
		})
	}
}

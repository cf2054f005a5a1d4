package ignis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ignis-go/ignis/wire"
)

// encodeReply returns a reply as JSON, or an error if it is invalid or too large.
func (s *Server) encodeReply(reply any) (json.RawMessage, error) {
	data, err := wire.EncodeData(reply)
	if err == nil {
		err = wire.CheckSize(wire.Message{Event: wire.EventAck, Data: data}, s.cfg.MaxMessage)
	}
	if err != nil {
		return nil, fmt.Errorf("reply: %w", err)
	}
	return data, nil
}

// handle passes a message to OnMessage.
func (c *session) handle(ctx context.Context, m wire.Message) (any, error) {
	if c.server.cfg.Tracer != nil {
		return c.traced(ctx, SpanHandle, (*session).doHandle, m)
	}
	return c.doHandle(ctx, m)
}

// doHandle is handle without a span.
func (c *session) doHandle(ctx context.Context, m wire.Message) (reply any, err error) {
	s := c.server
	number := s.counts.messages.Add(1)
	if s.cfg.OnMessage == nil {
		s.counts.ignored.Add(1)
		return nil, &Error{Code: wire.CodeUnknownEvent, Message: "Unknown event"}
	}
	if c.version() < 2 {
		m.Room = "" // not part of protocol 1
	}
	if f := s.cfg.Hooks.MessageHandled; f != nil {
		began := time.Now()
		defer func() { hook(s, "MessageHandled", f, MessageHandledInfo{c.who(), m.Event, err, time.Since(began)}) }()
	}
	calls := 0
	if s.cfg.Hooks.CallbackReturned != nil {
		calls = s.counts.samples.take(number, c.lastActivity.Load())
	}
	err = s.timedFor(calls, CallbackOnMessage, c, func() (err error) {
		reply, err = s.cfg.OnMessage(ctx, c.who(), m)
		if err == nil && c.wantsAnswer(m) {
			reply, err = s.encodeReply(reply) // within call, because it may call a MarshalJSON of the application
		}
		return err
	})
	cause := err
	e, refused := errors.AsType[*Error](err)
	if bad, ok := errors.AsType[*wire.DataError](err); ok && !refused {
		e, refused = &Error{Code: wire.CodeInvalid, Message: bad.Reason()}, true
		err = e
	}
	if refused && e != nil {
		s.counts.refusedMessages.Add(1)
		s.cfg.Logger.Debug("message refused by the application", "client", c.member.ID, "error", cause)
	} else if !c.abandoned(ctx, "OnMessage", err) {
		c.callbackFailed("OnMessage", err)
	}
	return reply, err
}

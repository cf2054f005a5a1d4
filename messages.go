package ignis

import (
	"context"
	"errors"
	"time"

	"github.com/ignis-go/ignis/wire"
)

// handle passes a message to OnMessage.
func (c *session) handle(ctx context.Context, m wire.Message) (reply any, err error) {
	s := c.server
	s.counts.messages.Add(1)
	if s.cfg.OnMessage == nil {
		s.counts.ignored.Add(1)
		return nil, &Error{Code: wire.CodeUnknownEvent, Message: "Unknown event"}
	}
	m.From = wire.Sender{} // clients cannot set the sender
	if c.version() < 2 {
		m.Room = "" // not part of protocol 1
	}
	began := time.Now()
	if f := s.cfg.Hooks.Handled; f != nil {
		defer func() { hook(s, "Handled", f, HandledInfo{c.who(), m.Event, err, time.Since(began)}) }()
	}
	err = s.call("OnMessage", c, func() (err error) {
		reply, err = s.cfg.OnMessage(ctx, c.who(), m)
		return err
	})
	if _, refused := errors.AsType[*Error](err); refused {
		s.counts.refusedMessages.Add(1)
		s.cfg.Logger.Debug("message refused by the application", "client", c.member.ID, "error", err)
	} else {
		c.callbackFailed("OnMessage", err)
	}
	return reply, err
}

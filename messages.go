package ignis

import (
	"context"
	"errors"

	"github.com/ignis-go/ignis/wire"
)

// handle gives a message to the application.
func (s *Server) handle(ctx context.Context, c *session, m wire.Message) (reply any, err error) {
	s.counts.messages.Add(1)
	if s.cfg.OnMessage == nil {
		s.counts.ignored.Add(1)
		return nil, &Error{Code: wire.CodeUnknownEvent, Message: "Unknown event"}
	}
	m.From = wire.Sender{} // a client cannot say who it is
	if c.version() < 2 {
		m.Room = "" // which its protocol does not have
	}
	err = s.call("OnMessage", c, func() (err error) {
		reply, err = s.cfg.OnMessage(ctx, c.who(), m)
		return err
	})
	if _, refused := errors.AsType[*Error](err); refused {
		s.counts.refusedMessages.Add(1)
		s.cfg.Logger.Debug("message refused by the application", "client", c.member.ID, "error", err)
	} else {
		s.callbackFailed("OnMessage", c, err)
	}
	return reply, err
}

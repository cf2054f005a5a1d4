package ignis

import (
	"context"

	"github.com/ignis-go/ignis/wire"
)

// handle gives a message to the application.
func (s *Server) handle(ctx context.Context, c *session, m wire.Message) {
	s.counts.messages.Add(1)
	if s.cfg.OnMessage == nil {
		s.counts.ignored.Add(1)
		return
	}
	err := s.call("OnMessage", c, func() error { return s.cfg.OnMessage(ctx, c.who(), m) })
	s.callbackFailed("OnMessage", c, err)
}

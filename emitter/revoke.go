package emitter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ignis-go/ignis/wire"
)

// CommandPublisher is an optional interface of a [Publisher], for [Emitter.Revoke]. The
// Publisher of package redisbus implements it.
type CommandPublisher interface {
	// SendCommands sends commands to all servers, stores those that have a time until then,
	// and returns when the bus has accepted them. After an error, it is safe to send them
	// again.
	SendCommands(ctx context.Context, commands ...wire.EncodedCommand) error
}

// Revoke revokes access on all servers: it closes the clients that r concerns with 4006, and
// authentications and refreshes with a revoked token are refused until r.Until. Servers that
// start or reconnect later know of it as well. If Revoke returns an error, the servers may or
// may not know of the revocation, and it is safe to call Revoke again. An invalid revocation
// is an error that wraps [ErrMessage].
func (e *Emitter) Revoke(ctx context.Context, r wire.Revocation) error {
	p, ok := e.publisher.(CommandPublisher)
	if !ok {
		return errors.New("emitter: the Publisher cannot revoke access: it does not implement CommandPublisher")
	}
	if err := r.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrMessage, err)
	}
	if !r.Until.After(time.Now()) {
		return fmt.Errorf("%w: revocation: Until has passed", ErrMessage)
	}
	if err := p.SendCommands(ctx, r.Encode()); err != nil {
		return fmt.Errorf("emitter: revocation not confirmed: %w", err)
	}
	return nil
}

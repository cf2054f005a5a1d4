package emitter

import (
	"context"
	"fmt"
	"time"

	"github.com/ignis-go/ignis/wire"
)

// Revoke revokes access on all servers: it closes the clients that r concerns with 4006, and
// authentications and refreshes with a revoked token are refused until r.Until. Servers that
// start or reconnect later know of it as well. If Revoke returns an error, the servers may or
// may not know of the revocation, and it is safe to call Revoke again. An invalid revocation
// is an error that wraps [ErrMessage].
func (e *Emitter) Revoke(ctx context.Context, r wire.Revocation) error {
	if err := r.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrMessage, err)
	}
	if !r.Until.After(time.Now()) {
		return fmt.Errorf("%w: revocation: Until has passed", ErrMessage)
	}
	return e.command(ctx, r.Encode())
}

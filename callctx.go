package ignis

import (
	"context"
	"time"
)

// callContext is what a client's callbacks get: it ends when the client goes. It
// is the client itself, because most clients sit idle, most callbacks never ask
// for more than Err, and a context of its own for each would take a tenth of the
// memory that a client needs.
type callContext client

var _ context.Context = (*callContext)(nil)

// real returns a context that can be waited for, made when that is first asked
// for. The contexts that callbacks derive hang on it.
func (x *callContext) real() context.Context {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ctx == nil {
		x.ctx, x.cancel = x.server.newContext()
		if x.gone {
			x.cancel()
		}
	}
	return x.ctx
}

// endLocked ends the context.
func (x *callContext) endLocked() {
	x.gone = true
	if x.cancel != nil {
		x.cancel()
	}
}

func (x *callContext) Deadline() (time.Time, bool) { return time.Time{}, false }

func (x *callContext) Done() <-chan struct{} { return x.real().Done() }

func (x *callContext) Err() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.ctx != nil:
		return x.ctx.Err()
	case x.gone:
		return context.Canceled
	}
	return nil
}

func (x *callContext) Value(key any) any {
	if x.accepted != nil && x.accepted.context != nil {
		if v := x.accepted.context.Value(key); v != nil {
			return v
		}
	}
	return x.real().Value(key)
}

func (x *callContext) String() string { return "context of client " + x.member.ID }

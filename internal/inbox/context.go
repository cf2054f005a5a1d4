package inbox

import (
	"context"
	"time"
)

// innerContext is an inbox as a context, because most clients sit idle, most jobs
// never ask for more than Err, and a context of its own for each would take a tenth
// of the memory that a client needs.
type innerContext[J Job, O Owner[J]] Inbox[J, O]

// Context returns the context of the inbox's jobs, which ends with Close and with
// the context that Group.NewContext returns.
func (in *Inbox[J, O]) Context() context.Context { return (*innerContext[J, O])(in) }

// Carry makes the contexts of the inbox find the values of ctx, before those of
// Group.NewContext. They do not end with ctx.
func (in *Inbox[J, O]) Carry(ctx context.Context) {
	// WithoutCancel also hides from package context what it would otherwise mistake
	// for the parent of the contexts that jobs derive.
	ctx = context.WithoutCancel(ctx)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.makeRare().values = ctx
}

// NewContext returns a context like Context, which does not end with Close. The last
// job uses it instead.
func (in *Inbox[J, O]) NewContext() (context.Context, context.CancelFunc) {
	ctx, cancel := in.owner.InboxGroup().NewContext()
	if values := (*innerContext[J, O])(in).values(); values != nil {
		ctx = valuesContext{ctx, values}
	}
	return ctx, cancel
}

// real returns a context that can be waited for, made when that is first asked
// for. The contexts that jobs derive hang on it.
func (x *innerContext[J, O]) real() context.Context {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := (*Inbox[J, O])(x).makeRare()
	if r.ctx == nil {
		r.ctx, r.cancel = x.owner.InboxGroup().NewContext()
		if r.closed {
			r.cancel()
		}
	}
	return r.ctx
}

func (x *innerContext[J, O]) values() context.Context {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.rare == nil {
		return nil
	}
	return x.rare.values
}

func (x *innerContext[J, O]) Deadline() (time.Time, bool) { return time.Time{}, false }

func (x *innerContext[J, O]) Done() <-chan struct{} { return x.real().Done() }

func (x *innerContext[J, O]) Err() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch r := x.rare; {
	case r == nil:
		return nil
	case r.ctx != nil:
		return r.ctx.Err()
	case r.closed:
		return context.Canceled
	}
	return nil
}

func (x *innerContext[J, O]) Value(key any) any {
	if values := x.values(); values != nil {
		if v := values.Value(key); v != nil {
			return v
		}
	}
	return x.real().Value(key)
}

func (x *innerContext[J, O]) String() string { return "context of " + x.owner.String() }

// valuesContext is a context with the values of another before its own.
type valuesContext struct {
	context.Context
	values context.Context
}

func (x valuesContext) Value(key any) any {
	if v := x.values.Value(key); v != nil {
		return v
	}
	return x.Context.Value(key)
}

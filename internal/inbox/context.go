package inbox

import (
	"context"
	"time"
)

// innerContext is an inbox that acts as a context. Most clients are idle and most jobs use
// only Err, so a separate context, which takes a tenth of the memory of a client, is created
// only when it is needed.
type innerContext[J Job, O Owner[J]] Inbox[J, O]

// Context returns the context of the inbox's jobs. It ends with Close or Cancel, and with the
// context that Group.NewContext returns.
func (in *Inbox[J, O]) Context() context.Context { return (*innerContext[J, O])(in) }

// Carry adds the values of ctx to the contexts of the inbox, in place of those of an earlier
// call. They take precedence over the values of Group.NewContext. The contexts do not end
// with ctx.
func (in *Inbox[J, O]) Carry(ctx context.Context) {
	// WithoutCancel also hides ctx from package context, which would otherwise find it
	// through Value and use it as the parent of contexts that jobs derive.
	ctx = context.WithoutCancel(ctx)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.makeRare().values = ctx
}

// NewContext returns a context like Context, except that it ends neither with Close nor with Cancel. It is
// meant for the last job.
func (in *Inbox[J, O]) NewContext() (context.Context, context.CancelFunc) {
	ctx, cancel := in.owner.InboxGroup().NewContext()
	if values := (*innerContext[J, O])(in).values(); values != nil {
		ctx = valuesContext{ctx, values}
	}
	return ctx, cancel
}

// real returns a context of package context, which is created on first use. It is the parent
// of the contexts that jobs derive.
func (x *innerContext[J, O]) real() context.Context {
	x.mu.Lock()
	defer x.mu.Unlock()
	r := (*Inbox[J, O])(x).makeRare()
	if r.ctx == nil {
		r.ctx, r.cancel = x.owner.InboxGroup().NewContext()
		if r.ended {
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
	case r.ended:
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

// valuesContext is a context with additional values, which take precedence.
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

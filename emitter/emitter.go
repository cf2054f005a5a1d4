package emitter

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/ignis-go/ignis/wire"
)

// ErrMessage is wrapped by errors for a message that is invalid, for example because its
// event is empty or reserved, its address is invalid, its data cannot be encoded, or it is
// too large. Nothing was sent.
var ErrMessage = errors.New("emitter: invalid message")

// Publisher publishes envelopes on a bus. Package redisbus implements it over Redis.
// Package bustest tests other implementations, and has one for tests.
type Publisher interface {
	// Publish publishes each envelope on its channel, in order, and returns when the bus
	// has accepted or refused all of them, or when ctx is done. If ctx is already done, it
	// sends nothing. It must not modify or keep the envelopes. Multiple goroutines may
	// call it concurrently.
	//
	// The result is nil if the bus has accepted all envelopes. Otherwise it has one entry
	// for each envelope, in order: nil if the bus has accepted the envelope, or an error.
	// The error wraps [wire.ErrNotSent] only if the envelope was definitely not sent, and
	// ctx's error if that is the reason.
	Publish(ctx context.Context, envelopes ...wire.Publication) []error
}

// Config configures an Emitter. The zero value is ready to use.
type Config struct {
	// MaxMessage is the maximum size in bytes of a message, including the event. A larger
	// message is an error, because Redis would disconnect every server that should receive
	// it. 0: 1 MiB.
	MaxMessage int
	// Traceparent returns what identifies the span of a distributed trace in ctx, such as
	// Inject of an otelignis.Tracer; see [wire.ValidTraceparent]. It is called with the context
	// of Send or SendAll, and the envelopes carry its result, so that servers continue the
	// trace. An invalid result is ignored. Nil: envelopes carry no traceparent.
	Traceparent func(ctx context.Context) string
}

// Emitter publishes messages for clients. Its methods are safe for concurrent use.
// Messages sent by one goroutine arrive in the order of the calls.
//
// An Emitter starts no goroutines, owns no connection and never sends a message twice. Its
// errors wrap those of the Publisher, such as redisbus.ErrUnavailable. An error that wraps
// [wire.ErrNotSent] means that the message was definitely not sent and can be sent again.
// After any other error of the Publisher, including ctx's error, the message may have
// arrived or may still arrive.
type Emitter struct {
	publisher Publisher
	limit     int // bytes of a message
	trace     func(ctx context.Context) string
}

// New returns an Emitter that sends through p. The Emitter does not close p. The caller
// must close it, once no call is in progress.
func New(p Publisher, c Config) (*Emitter, error) {
	if p == nil {
		return nil, errors.New("emitter: New requires a Publisher")
	}
	if c.MaxMessage < 0 {
		return nil, errors.New("emitter: Config.MaxMessage must not be negative")
	}
	return &Emitter{publisher: p, limit: cmp.Or(c.MaxMessage, wire.DefaultMaxMessage), trace: c.Traceparent}, nil
}

// traceparent returns the traceparent for envelopes, or "" if there is none.
func (e *Emitter) traceparent(ctx context.Context) string {
	if e.trace == nil {
		return ""
	}
	if s := e.trace(ctx); wire.ValidTraceparent(s) {
		return s
	}
	return ""
}

// Send sends an event to clients on any server. Its parameters are those of the Send
// method of a server. The data may be any value that can be encoded as JSON. A
// [json.RawMessage] is sent unchanged, and nil sends an event without data. The options
// are [wire.Except], [wire.Key] and [wire.From].
//
// The error wraps [ErrMessage] if the message is invalid, in which case nothing was sent.
// For other errors see [Emitter].
func (e *Emitter) Send(ctx context.Context, to wire.Address, event string, data any, options ...wire.SendOption) error {
	o := wire.CombineOptions(options...)
	m := Message{To: to, Event: event, Data: data, Key: o.Key, From: o.From}
	if to.Excludes() {
		m.Exclude = o.Exclude
	}
	p, err := m.encode(e.limit, e.traceparent(ctx))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMessage, err)
	}
	if errs := e.publish(ctx, p); errs != nil {
		return errs[0]
	}
	return nil
}

// SendAll sends messages in order. It passes all of them to the Publisher in one call,
// which takes fewer round trips than calling Send for each. All messages are checked
// first. If one of them is invalid, nothing is sent, and the error wraps [ErrMessage]. If
// the Publisher fails to send some of them, the error is a [*BatchError] that contains an
// error for each. Calling SendAll without messages is a no-op.
func (e *Emitter) SendAll(ctx context.Context, messages ...Message) error {
	if len(messages) == 0 {
		return nil
	}
	publications, traceparent := make([]wire.Publication, len(messages)), e.traceparent(ctx)
	for i := range messages {
		p, err := messages[i].encode(e.limit, traceparent)
		if err != nil {
			return fmt.Errorf("%w: message %d of %d: %w", ErrMessage, i+1, len(messages), err)
		}
		publications[i] = p
	}
	if errs := e.publish(ctx, publications...); errs != nil {
		return &BatchError{Errors: errs}
	}
	return nil
}

// publish returns nil, or an entry for each publication, at least one of which is an
// error.
func (e *Emitter) publish(ctx context.Context, publications ...wire.Publication) []error {
	answers := e.publisher.Publish(ctx, publications...)
	failed := errors.Join(answers...)
	if failed == nil {
		return nil
	}
	errs := make([]error, len(publications))
	if len(answers) != len(publications) { // it is unknown which results belong to which
		failed = fmt.Errorf("emitter: not confirmed: the Publisher returned %d results for %d envelopes: %v",
			len(answers), len(publications), failed)
		for i := range errs {
			errs[i] = failed
		}
		return errs
	}
	for i, err := range answers {
		switch {
		case err == nil:
		case errors.Is(err, wire.ErrNotSent):
			errs[i] = fmt.Errorf("emitter: %w", err)
		default:
			errs[i] = fmt.Errorf("emitter: not confirmed: %w", err)
		}
	}
	return errs
}

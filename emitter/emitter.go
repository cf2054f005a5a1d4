package emitter

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/ignis-go/ignis/wire"
)

// ErrMessage is wrapped by errors about a message that cannot be sent as it is: it has
// no event, its address names nobody, its data is not JSON or it is too large. Nothing
// was sent then.
var ErrMessage = errors.New("emitter: bad message")

// Publisher is what an Emitter needs of a bus. Package redisbus has the one over Redis;
// package bustest has a suite that any other must pass, and one for tests.
type Publisher interface {
	// Publish publishes each envelope on its channel, in order, and returns when the
	// bus has taken or refused them all, or when ctx ends. If ctx has ended before the
	// call, it sends nothing. It neither changes nor keeps the envelopes. It may be
	// called by several goroutines at once.
	//
	// The result is nil if the bus has taken all of them. Otherwise it has one entry for
	// each, in order: nil if the bus has taken it, and an error if not. The error wraps
	// [wire.ErrNotSent] only if the envelope was certainly not sent, and the context's
	// error if that is the reason.
	Publish(ctx context.Context, envelopes ...wire.Publication) []error
}

// Config configures an Emitter. The zero value is ready to use.
type Config struct {
	// MaxMessage is the size in bytes of the largest message, event and data together.
	// A larger one is an error: Redis would disconnect every server that is to get it.
	// 0: 1 MiB.
	MaxMessage int
}

// Emitter publishes messages for clients. Its methods are safe for concurrent use;
// messages sent by one goroutine arrive in the order of the calls.
//
// An Emitter has no goroutines and no connection of its own, and never sends a message
// twice. An error that wraps [wire.ErrNotSent] says that the message was certainly not
// sent and may be tried again. After any other error of the Publisher, which may wrap
// the context's, the message may have arrived, or may arrive late. The Publisher's own
// errors are wrapped, too, such as redisbus.ErrUnavailable.
type Emitter struct {
	publisher Publisher
	limit     int // bytes of a message
}

// New returns an Emitter that sends through p. It does not close p: that is up to the
// caller, once no call is in progress.
func New(p Publisher, c Config) (*Emitter, error) {
	if p == nil {
		return nil, errors.New("emitter: the Publisher is nil")
	}
	if c.MaxMessage < 0 {
		return nil, errors.New("emitter: Config.MaxMessage is negative")
	}
	return &Emitter{publisher: p, limit: cmp.Or(c.MaxMessage, wire.DefaultMaxMessage)}, nil
}

// Send sends an event to clients, wherever they are. Its parameters mean what they mean
// for the Send of a server: the data may be anything that encodes as JSON; a
// [json.RawMessage] is sent as it is, and nil sends an event without data. The options
// are [wire.Except], [wire.Key] and [wire.From].
//
// The error wraps ErrMessage if nothing was sent because the message is wrong. For
// other errors see [Emitter].
func (e *Emitter) Send(ctx context.Context, to wire.Address, event string, data any, options ...wire.SendOption) error {
	o := wire.CombineOptions(options...)
	m := Message{To: to, Event: event, Data: data, Key: o.Key, From: o.From}
	if to.Excludes() {
		m.Exclude = o.Exclude
	}
	p, err := m.encode(e.limit)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMessage, err)
	}
	if errs := e.publish(ctx, p); errs != nil {
		return errs[0]
	}
	return nil
}

// SendAll sends many messages, in order, with less waiting than as many calls of Send:
// the Publisher gets them together. All are checked before the first is sent, so with
// an error that wraps ErrMessage nothing was sent. If some could not be sent, the error
// is a *BatchError that says which. Without messages it does nothing.
func (e *Emitter) SendAll(ctx context.Context, messages ...Message) error {
	if len(messages) == 0 {
		return nil
	}
	publications := make([]wire.Publication, len(messages))
	for i := range messages {
		p, err := messages[i].encode(e.limit)
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
	if len(answers) != len(publications) { // nobody can tell which are which
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

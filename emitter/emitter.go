package emitter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

var (
	// ErrClosed is returned by calls after Close, and by those that Close
	// interrupts.
	ErrClosed = errors.New("emitter: closed")
	// ErrMessage is wrapped by errors about a message that cannot be sent as it
	// is: no event, no target, data that is no JSON. Nothing was sent then.
	ErrMessage = errors.New("emitter: bad message")
)

// DefaultName is an Emitter's name if its Config has none.
const DefaultName = "emitter"

// Config says how to connect. URL or Redis is needed.
type Config struct {
	// URL names the Redis, in the forms that redisbus.Config takes: one Redis,
	// Sentinels or a Cluster. Pub/sub ignores its database: where several applications
	// share a Redis, set Redis.Prefix to that of the servers.
	URL string
	// Redis takes the place of URL, for a program that needs more than that or
	// that has a Redis client's options already. Its queue and flush bounds do
	// not apply; Name and Logger below come first.
	Redis *redisbus.Config
	// Name is how the log and Redis' CLIENT LIST name this emitter. It is not
	// what servers see: to them every emitter is wire.EmitterID. Empty:
	// DefaultName.
	Name string
	// MaxMessage is the size in bytes of the largest message, event and data
	// together. A larger one is an error: Redis would cut off every server that is to
	// get it. 0: 1 MiB.
	MaxMessage int
	// Logger gets lost connections. Nil: slog.Default().
	Logger *slog.Logger
}

// Emitter publishes messages for clients. Its methods are safe for concurrent
// use; messages sent by one goroutine arrive in the order of the calls.
//
// A lost connection fails the call that meets it; the next call connects again.
// The Emitter has no work of its own in the background and never repeats a
// message. An error that wraps redisbus.ErrNotSent says that the message was certainly
// not sent and may be tried again. After another that wraps redisbus.ErrUnavailable, or
// the context's, that is not known: it may have arrived, or may arrive late.
type Emitter struct {
	publisher *redisbus.Publisher
	name      string
	limit     int // bytes of a message
}

// Dial connects to the Redis at a URL, in the forms that redisbus.Config
// describes, with the defaults of a Config. It waits at most 30 seconds for
// Redis to become ready.
func Dial(ctx context.Context, url string) (*Emitter, error) {
	return New(ctx, Config{URL: url})
}

// New connects to Redis as c says. It waits until Redis is ready, at most until
// ctx ends or the StartTimeout of c.Redis (30 seconds) is over.
func New(ctx context.Context, c Config) (*Emitter, error) {
	redis := redisbus.Config{URL: c.URL}
	if c.Redis != nil {
		if c.URL != "" {
			return nil, errors.New("emitter: URL and Redis are both set; want one of them")
		}
		redis = *c.Redis
	}
	if c.Name != "" {
		redis.Name = c.Name
	}
	if redis.Name == "" {
		redis.Name = DefaultName
	}
	if c.Logger != nil {
		redis.Logger = c.Logger
	}
	if c.MaxMessage < 0 {
		return nil, errors.New("emitter: MaxMessage is negative")
	}
	p, err := redisbus.Dial(ctx, redis)
	if err != nil {
		return nil, fmt.Errorf("emitter: %w", err)
	}
	return &Emitter{publisher: p, name: redis.Name, limit: cmp.Or(c.MaxMessage, wire.DefaultMaxMessage)}, nil
}

// Name returns the name that the log shows.
func (e *Emitter) Name() string { return e.name }

// Send sends an event to clients, wherever they are. For data see [Message]. The error
// wraps ErrMessage if nothing was sent because the message is wrong.
func (e *Emitter) Send(ctx context.Context, to wire.Address, event string, data any) error {
	err := e.SendAll(ctx, Message{To: to, Event: event, Data: data})
	var b *BatchError
	if errors.As(err, &b) {
		return b.Errors[0]
	}
	return err
}

// SendAll sends the messages in order, in one round trip for each 512 of them or
// mebibyte. All are checked before the first is sent: with an error that wraps
// ErrMessage nothing was sent. When some could not be sent the error is a
// *BatchError that tells which. No messages: nothing happens.
func (e *Emitter) SendAll(ctx context.Context, messages ...Message) error {
	items := make([]redisbus.Item, len(messages))
	for i := range messages {
		item, err := messages[i].encode(e.limit)
		if err != nil {
			if len(messages) > 1 {
				return fmt.Errorf("%w: message %d of %d: %w", ErrMessage, i+1, len(messages), err)
			}
			return fmt.Errorf("%w: %w", ErrMessage, err)
		}
		items[i] = item
	}
	errs := e.publisher.Publish(ctx, items)
	if errs == nil {
		return nil
	}
	for i, err := range errs {
		switch {
		case errors.Is(err, redisbus.ErrClosed):
			errs[i] = ErrClosed
		case errors.Is(err, redisbus.ErrNotSent):
			errs[i] = fmt.Errorf("emitter: %w", err)
		case err != nil:
			errs[i] = fmt.Errorf("emitter: not confirmed: %w", err)
		}
	}
	return &BatchError{Errors: errs}
}

// Close releases the connection. It may be called more than once. Calls in
// progress fail with ErrClosed.
func (e *Emitter) Close() error { return e.publisher.Close() }

package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/ignis-go/ignis"
)

// Config configures a [Handler]. Server and Keys are required.
type Config struct {
	// Server is the server that the API is for.
	Server *ignis.Server
	// Keys are the API keys. Their IDs must differ. [Handler.SetKeys] replaces them.
	Keys []Key

	// Prefix is the path below which the API is mounted, such as /api. Empty: the paths
	// begin with /v1.
	Prefix string

	// Store remembers idempotency keys for all instances; a redisbus.Bus is one. Nil: this
	// instance remembers them in memory, at most 64 MiB, so they have no effect on others.
	Store Store
	// IdempotencyTTL is the time for which an idempotency key is remembered. It must be at
	// least 4 s longer than CommandTimeout. 0: 10 minutes.
	IdempotencyTTL time.Duration
	// MaxIdempotencyKeys is the maximum number of requests with an idempotency key that this
	// instance accepts with an API key within IdempotencyTTL. Further ones are answered with
	// 503. An idempotency key needs about 300 bytes in the Store. 0: 262,144.
	MaxIdempotencyKeys int

	// MaxBody is the maximum size of the body of a request to publish, in bytes. For other
	// requests it is at most 64 KiB. 0: 2 MiB.
	MaxBody int
	// MaxBatch is the maximum number of messages in a request. A message counts once for
	// each of its targets. 0: 1000.
	MaxBatch int
	// MaxPage is the maximum number of entries in a page of a list. 0: 1000.
	MaxPage int
	// MaxConcurrent is the maximum number of requests that are served concurrently. Further
	// requests are answered with 503. Requests whose bodies have not arrived yet do not
	// count; there may be four times as many. 0: 256.
	MaxConcurrent int
	// MaxBuffered is the maximum size of all bodies that are in memory at the same time, in
	// bytes. Further requests are answered with 503. A body whose size is not known counts as
	// the largest allowed one. 0: 64 MiB. It is at least MaxBody.
	MaxBuffered int
	// MaxFailures is the number of requests with a wrong key that are accepted from an
	// address (a network of 64 bits for IPv6) in a minute. Further requests from the address
	// are answered with 429 until one to two minutes have passed, if they use the same key
	// ID, or if their key ID is unknown. 0: 20. Negative: no limit.
	MaxFailures int
	// BodyTimeout is the time in which a body must arrive. It replaces the ReadTimeout of the
	// http.Server. The WriteTimeout of the http.Server begins with the request, so it must be
	// longer than BodyTimeout and CommandTimeout together, or answers are lost. 0: 10 s.
	BodyTimeout time.Duration
	// CommandTimeout is the time for which a command, such as a revocation, waits until the
	// bus has accepted it. 0: 5 s.
	CommandTimeout time.Duration

	// RemoteAddr returns the address that a request comes from, for MaxFailures and the
	// log. Behind a proxy, use [ignis.Proxies].RemoteAddr. Nil: the RemoteAddr of the
	// request.
	RemoteAddr func(r *http.Request) string

	// Software is the product and version that /v1/state shows. Empty: none.
	Software string
	// NoDocs turns off the OpenAPI document and the page to try the API. They need no key.
	NoDocs bool

	// Tracer makes a request with the header traceparent a part of the trace that the header
	// identifies. Usually it is the Tracer of the server. The header is ignored if it is
	// malformed, or if the key is wrong. Nil: it is always ignored.
	Tracer ignis.Tracer

	// OnRequest is called when a request of an operation has been answered, for metrics. It
	// must return immediately and may be called concurrently. Nil: it is not called.
	OnRequest func(RequestInfo)
	// Logger receives the log, which contains neither keys nor messages. Nil:
	// slog.Default().
	Logger *slog.Logger
}

// RequestInfo describes a request that was answered.
type RequestInfo struct {
	// Operation is the operation's ID in the OpenAPI document.
	Operation string
	// KeyID is the ID of the key, or empty if the request had no valid key.
	KeyID    string
	Status   int
	Duration time.Duration
	// Messages is the number of messages that were published. A message counts once for
	// each of its targets.
	Messages int
	// Replayed reports whether the answer is that of an earlier request with the same
	// idempotency key.
	Replayed bool
}

// Store remembers idempotency keys. Its methods may be called concurrently. Keys have at most
// 128 bytes, and values at most 129 KiB. The Bus of package redisbus is a Store.
type Store interface {
	// Claim stores value for ttl unless the key is taken. It returns nil if it has stored
	// value, and the value that is stored otherwise. Of several concurrent calls with the
	// same key, on all instances, only one stores its value.
	Claim(ctx context.Context, key string, value []byte, ttl time.Duration) (existing []byte, err error)
	// Replace replaces the value of a key that the caller has claimed. The key is taken for
	// ttl from now on.
	Replace(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// Release releases a key that the caller has claimed.
	Release(ctx context.Context, key string) error
}

// withDefaults returns c with defaults for all zero values, and the keys by ID.
func (c Config) withDefaults() (Config, map[string]*key, error) {
	fail := func(err error) (Config, map[string]*key, error) { return c, nil, fmt.Errorf("httpapi: %w", err) }
	if c.Server == nil {
		return fail(errors.New("Config.Server is required"))
	}
	if len(c.Keys) == 0 {
		return fail(errors.New("Config.Keys is required: make a key with NewKey"))
	}
	if c.Prefix != "" && (!strings.HasPrefix(c.Prefix, "/") || strings.HasSuffix(c.Prefix, "/")) {
		return fail(fmt.Errorf("Config.Prefix is %q: want a path such as /api, or nothing", c.Prefix))
	}
	keys, err := newKeys(c.Keys)
	if err != nil {
		return fail(err)
	}
	for _, f := range []struct {
		name string
		v    *int
		def  int
	}{
		{"MaxIdempotencyKeys", &c.MaxIdempotencyKeys, 1 << 18},
		{"MaxBody", &c.MaxBody, 2 << 20},
		{"MaxBatch", &c.MaxBatch, 1000},
		{"MaxPage", &c.MaxPage, 1000},
		{"MaxConcurrent", &c.MaxConcurrent, 256},
		{"MaxBuffered", &c.MaxBuffered, 64 << 20},
	} {
		if *f.v < 0 {
			return fail(fmt.Errorf("the limit Config.%s must not be negative", f.name))
		}
		*f.v = cmp.Or(*f.v, f.def)
	}
	for _, f := range []struct {
		name string
		v    *time.Duration
		def  time.Duration
	}{
		{"IdempotencyTTL", &c.IdempotencyTTL, 10 * time.Minute},
		{"BodyTimeout", &c.BodyTimeout, 10 * time.Second},
		{"CommandTimeout", &c.CommandTimeout, 5 * time.Second},
	} {
		if *f.v < 0 {
			return fail(fmt.Errorf("the limit Config.%s must not be negative", f.name))
		}
		*f.v = cmp.Or(*f.v, f.def)
	}
	c.MaxBuffered = max(c.MaxBuffered, c.MaxBody)
	c.MaxFailures = cmp.Or(c.MaxFailures, 20)
	if least := c.longest(); c.IdempotencyTTL < least {
		return fail(fmt.Errorf("Config.IdempotencyTTL is %v: want at least %v (CommandTimeout and the time for the Store), or a request could be executed again while it is in progress", c.IdempotencyTTL, least))
	}
	if c.RemoteAddr == nil {
		c.RemoteAddr = func(r *http.Request) string { return r.RemoteAddr }
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, keys, nil
}

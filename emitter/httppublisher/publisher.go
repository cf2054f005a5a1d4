package httppublisher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/wire"
)

// Config configures a Publisher. URL and Key are required.
type Config struct {
	// URL is the URL of the API, without /v1, such as https://rt.example.com/api. With http,
	// the key and the messages are not encrypted.
	URL string
	// Key is the API key.
	Key string
	// Client sends the requests. Nil: one with a timeout of 30 s for each request, which does
	// not follow redirects.
	Client *http.Client
	// Attempts is the number of times that a request is sent if no answer arrives or the server
	// is temporarily unable to serve it. Each request has an idempotency key, so that the
	// server executes it only once; for several servers behind one URL, this requires that
	// they share an httpapi.Config.Store. 1: requests are not repeated and have no idempotency
	// key, which saves the server two round trips to Redis. 0: 3.
	Attempts int
	// Pause is the time between two attempts, unless the server asks for a longer one. If it
	// asks for more than 30 s, the request is not sent again. 0: 200 ms.
	Pause time.Duration
	// MaxBatch is the maximum number of messages in a request. It must not exceed MaxBatch of
	// the servers. 0: 500.
	MaxBatch int
	// MaxBody is the maximum size of a request in bytes, unless a single message exceeds it.
	// 0: 1 MiB.
	MaxBody int
}

// Publisher is an [emitter.Publisher] and [emitter.CommandPublisher] over the HTTP API. Its
// methods may be called concurrently. It works in the background only through the idle
// connections of its http.Client.
type Publisher struct {
	cfg  Config
	base string
}

var (
	_ emitter.Publisher        = (*Publisher)(nil)
	_ emitter.CommandPublisher = (*Publisher)(nil)
)

// New returns a publisher, or an error if c is invalid. It does not connect.
func New(c Config) (*Publisher, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return nil, errors.New("httppublisher: Config.URL: want the URL of the API, such as https://rt.example.com/api")
	case c.Key == "":
		return nil, errors.New("httppublisher: Config.Key is required")
	case strings.ContainsFunc(c.Key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("httppublisher: Config.Key contains characters that no key has, such as a line break")
	case c.Attempts < 0 || c.Pause < 0 || c.MaxBatch < 0 || c.MaxBody < 0:
		return nil, errors.New("httppublisher: Config.Attempts, Pause, MaxBatch and MaxBody must not be negative")
	}
	c.Attempts = cmp.Or(c.Attempts, 3)
	c.Pause = cmp.Or(c.Pause, 200*time.Millisecond)
	c.MaxBatch = cmp.Or(c.MaxBatch, 500)
	c.MaxBody = cmp.Or(c.MaxBody, 1<<20)
	if c.Client == nil {
		c.Client = &http.Client{
			Timeout: 30 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse // the key is for this host only
			},
		}
	}
	return &Publisher{cfg: c, base: strings.TrimSuffix(c.URL, "/")}, nil
}

// Publish publishes the envelopes in order, in requests of at most MaxBatch messages and MaxBody
// bytes. A request has the traceparent of its first envelope as a header. The result is that of
// [emitter.Publisher]. An error that wraps an [*Error] is an answer of the server. An error does
// not wrap [wire.ErrNotSent] if the message may have reached the clients of some servers.
func (p *Publisher) Publish(ctx context.Context, envelopes ...wire.Publication) []error {
	errs := make([]error, len(envelopes))
	failed := false
	fail := func(i int, err error) {
		if err != nil {
			errs[i], failed = err, true
		}
	}
	b := batch{body: []byte(`{"messages":[`)}
	send := func() (err error) {
		if len(b.indexes) == 0 {
			return nil
		}
		results, err := p.sendBatch(ctx, append(b.body, `]}`...), b.traceparent, len(b.indexes))
		for n, i := range b.indexes {
			fail(i, results[n])
		}
		b.reset()
		return err
	}
	for i := range envelopes {
		message, traceparent, err := convert(envelopes[i].Envelope)
		if err != nil {
			fail(i, fmt.Errorf("%w: %w", wire.ErrNotSent, err))
			continue
		}
		if len(b.indexes) >= p.cfg.MaxBatch || len(b.indexes) > 0 && len(b.body)+len(message) > p.cfg.MaxBody {
			if err := send(); err != nil {
				// The rest could overtake messages whose request is still in flight.
				for j := i; j < len(envelopes); j++ {
					fail(j, fmt.Errorf("%w, an earlier message failed: %w", wire.ErrNotSent, err))
				}
				return errs
			}
		}
		b.add(i, message, traceparent)
	}
	_ = send() // the results contain the error
	if !failed {
		return nil
	}
	return errs
}

// batch is the body of a request that is not complete.
type batch struct {
	body        []byte
	indexes     []int  // of the messages
	traceparent string // of the first message
}

func (b *batch) add(i int, message []byte, traceparent string) {
	if len(b.indexes) > 0 {
		b.body = append(b.body, ',')
	} else {
		b.traceparent = traceparent
	}
	b.body = append(b.body, message...)
	b.indexes = append(b.indexes, i)
}

func (b *batch) reset() {
	b.body = append(b.body[:0], `{"messages":[`...)
	b.indexes = b.indexes[:0]
}

// sendBatch sends a batch of n messages and returns a result for each, and an error if later
// messages must not be sent.
func (p *Publisher) sendBatch(ctx context.Context, body []byte, traceparent string, n int) (results []error, err error) {
	results = make([]error, n)
	err = p.post(ctx, request{path: "/v1/publish/batch", body: body, traceparent: traceparent})
	refused, ok := errors.AsType[*Error](err)
	if ok && refused.is("bus-unavailable") && len(refused.messages) == n {
		for i, m := range refused.messages {
			switch {
			case m.HandedToBus:
			case m.LocalRecipients == 0:
				results[i] = fmt.Errorf("%w: %w", wire.ErrNotSent, err)
			default:
				results[i] = fmt.Errorf("sent only to the %d clients of one server: %w", m.LocalRecipients, err)
			}
		}
		return results, err
	}
	for i := range results {
		results[i] = err
	}
	return results, err
}

package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/ignis-go/ignis/internal/loglimit"
)

// Client asks and tells the endpoint of an application. Its methods are safe for
// concurrent use.
type Client struct {
	cfg       Config
	transport *http.Transport
	keys      atomic.Pointer[keys]
	limit     *loglimit.Limiter // open while Run runs
	ran       atomic.Bool

	authenticate, rooms, messages, events *endpoint

	queue queue
}

// endpoint is the receiver of one kind of request. The kinds do not share their limits, so
// that messages that hang do not keep clients from being authenticated.
type endpoint struct {
	kind    string
	url     *url.URL
	timeout time.Duration
	slots   chan struct{} // one element for each question under way
	circuit circuit
	counts  counters
}

// New returns a Client, or an error if the configuration is invalid. Questions can be asked
// at once. Events are delivered while Run runs.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	ks, err := parseSecrets(cfg.Secrets)
	if err != nil {
		return nil, fmt.Errorf("webhook: Config.%w", err)
	}
	c := &Client{cfg: cfg, transport: cfg.newTransport(), limit: loglimit.New(cfg.Logger)}
	c.cfg.Secrets = nil
	c.keys.Store(&ks)
	c.authenticate = c.newEndpoint(typeAuthenticate, cfg.AuthenticateURL)
	c.rooms = c.newEndpoint(typeJoin, cfg.RoomsURL)
	c.messages = c.newEndpoint(typeMessage, cfg.MessagesURL)
	c.events = c.newEndpoint(typeEvents, cfg.EventsURL)
	c.events.timeout = cfg.EventTimeout
	c.queue.init(cfg)
	return c, nil
}

func (c *Client) newEndpoint(kind, address string) *endpoint {
	u, _ := url.Parse(address) // withDefaults has parsed it
	return &endpoint{
		kind: kind, url: u, timeout: c.cfg.Timeout,
		slots:   make(chan struct{}, c.cfg.MaxConcurrent),
		circuit: circuit{failures: c.cfg.CircuitFailures, pause: c.cfg.CircuitPause},
	}
}

// Rotate replaces the secrets that sign requests, beginning with the next request. It
// returns an error, and changes nothing, if they are invalid.
func (c *Client) Rotate(secrets []string) error {
	ks, err := parseSecrets(secrets)
	if err != nil {
		return fmt.Errorf("webhook: Rotate: %w", err)
	}
	c.keys.Store(&ks)
	return nil
}

// Run delivers events until ctx ends. It then goes on for up to DrainTimeout, counts and
// logs what it could not deliver, and returns nil. Let ctx end after the server has shut
// down, because until then clients disconnect. Run returns an error only if it has been
// called before.
func (c *Client) Run(ctx context.Context) error {
	if !c.ran.CompareAndSwap(false, true) {
		return errors.New("webhook: Run was called before")
	}
	c.limit.Open()
	defer c.limit.Close()
	defer c.transport.CloseIdleConnections()
	c.deliverAll(ctx)
	if lost := c.queue.close(); lost > 0 {
		c.limit.Log(slog.LevelError, "webhook: events lost", "cause", string(LostShutdown), "events", lost)
	}
	return nil
}

// enter takes a slot for a question. If none is free, it waits for one until ctx ends, or
// fails immediately.
func (e *endpoint) enter(ctx context.Context, wait bool) bool {
	select {
	case e.slots <- struct{}{}:
		return true
	default:
	}
	if !wait {
		return false
	}
	select {
	case e.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (e *endpoint) leave() { <-e.slots }

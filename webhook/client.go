package webhook

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/ignis-go/ignis/internal/loglimit"
)

// Client sends requests to the endpoint of an application. Its methods are safe for
// concurrent use.
type Client struct {
	cfg       Config
	transport *http.Transport
	keys      atomic.Pointer[keys]
	limit     *loglimit.Limiter // open during Run
	ran       atomic.Bool

	authenticate, rooms, messages, events *endpoint

	queue queue
}

// endpoint is the receiver of one kind of request. Each kind has its own limits, so that
// messages that hang do not prevent clients from being authenticated.
type endpoint struct {
	kind    string
	url     *url.URL
	timeout time.Duration
	// maxWaiting is the maximum number of questions that wait for a slot.
	maxWaiting int
	slots      chan struct{} // one element for each question in flight
	circuit    circuit
	counts     counters
}

// New returns a Client, or an error if the configuration is invalid. Events are queued until
// Run is called; everything else works immediately.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	ks, err := parseSecrets("Config.Secrets", cfg.Secrets)
	if err != nil {
		return nil, err
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
		kind: kind, url: u, timeout: c.cfg.Timeout, maxWaiting: c.cfg.MaxWaiting,
		slots:   make(chan struct{}, c.cfg.MaxConcurrent),
		circuit: circuit{failures: c.cfg.CircuitFailures, pause: c.cfg.CircuitPause},
	}
}

// Rotate replaces the secrets with which requests are signed. If they are invalid, Rotate
// returns an error and changes nothing.
func (c *Client) Rotate(secrets []string) error {
	ks, err := parseSecrets("the argument of Rotate", secrets)
	if err != nil {
		return err
	}
	c.keys.Store(&ks)
	return nil
}

// Run delivers events until ctx ends, and then for up to DrainTimeout those that are left.
// It counts and logs the events that it could not deliver, and returns nil. End ctx after
// the server's Run has returned, so that the events of clients that disconnect during the
// shutdown are delivered. Run returns an error only if it was called before.
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

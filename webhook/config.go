package webhook

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"time"

	"github.com/ignis-go/ignis"
)

// Config configures a [Client]. URL and Secrets are required. The zero value of every
// other field selects the default that its comment states.
type Config struct {
	// URL is the address of the endpoint. It begins with https:// or http://. Since
	// credentials are sent to it, use https unless you trust the network in between.
	// Requests use HTTP/1.1 and neither follow redirects nor use the proxies that
	// environment variables name. Required, unless the four URLs below are set.
	URL string
	// AuthenticateURL, RoomsURL, MessagesURL and EventsURL replace URL for one kind of
	// request each. Empty: URL.
	AuthenticateURL, RoomsURL, MessagesURL, EventsURL string
	// Secrets are the secrets with which requests are signed. A secret is whsec_ followed
	// by 24 to 64 bytes in base64; see [NewSecret]. If there are several, each request
	// carries one signature per secret, so that a secret can be replaced without an
	// interruption; see also [Client.Rotate]. Required.
	Secrets []string

	// Headers lists the headers of a client's HTTP request that Authenticate sends to the
	// endpoint, such as Cookie. They are available only if Accept calls
	// [Client.WithHeaders]. Empty: none.
	Headers []string
	// Info returns the field info of a client in requests, encoded as JSON. It must not
	// block. Nil: the info with which the endpoint answered Authenticate, if any.
	Info func(c *ignis.Client) any
	// Source identifies this instance in the field source of requests. Empty: a random
	// text.
	Source string

	// Timeout is the maximum time from asking a question to the end of the answer,
	// including the time that the question waits for its turn. It should be less than
	// three times [ignis.Config].AuthTimeout, after which the client is closed. 0: 5 s.
	Timeout time.Duration
	// MaxConcurrent is the maximum number of questions of one kind that are in flight at
	// the same time. Others wait for their turn within Timeout. 0: 64.
	MaxConcurrent int
	// MaxWaiting is the maximum number of questions of one kind that wait for their turn.
	// Further ones fail immediately. 0: 1,000.
	MaxWaiting int
	// MaxAnswer is the maximum size in bytes of the body of an answer. A larger answer is
	// a failure, and so is one with a header of more than 16 KiB. 0: 256 KiB.
	MaxAnswer int
	// MaxMetadata is the maximum size in bytes of the fields info and grants together in
	// an answer about a client. They stay in memory while the client is connected. An
	// answer with larger ones is a failure. 0: 16 KiB.
	MaxMetadata int

	// CircuitFailures is the number of consecutive failures of one kind of request after
	// which its circuit opens. Failures are timeouts, connections that fail, and statuses
	// of 500 and more. 0: 10.
	CircuitFailures int
	// CircuitPause is the time for which a circuit stays open before a single request
	// tests the endpoint. It doubles with each test that fails, up to twelve times
	// CircuitPause, and varies randomly by a quarter. 0: 5 s.
	CircuitPause time.Duration

	// QueueEvents is the maximum number of events that are waiting or being sent. Further
	// events are lost, and counted in Stats.Lost. 0: 10,000.
	QueueEvents int
	// QueueBytes is the maximum size in bytes of the same events. 0: 16 MiB.
	QueueBytes int
	// BatchEvents is the maximum number of events in a request. A request with more than
	// one event has at most 256 KiB. 0: 100.
	BatchEvents int
	// EventConcurrency is the maximum number of requests with events that are in flight
	// at the same time. The events of one client are never in two of them. 0: 4.
	EventConcurrency int
	// EventTimeout is the maximum time for a request with events. 0: 15 s.
	EventTimeout time.Duration
	// EventMaxAge is the maximum age of an event. Older ones are lost, and counted in
	// Stats.Lost. 0: 10 min.
	EventMaxAge time.Duration
	// DrainTimeout is the time for which Run still delivers events after its context has
	// ended. 0: 5 s.
	DrainTimeout time.Duration

	// TLS configures https connections, for example for a private certificate authority
	// or a client certificate. Nil: the defaults of crypto/tls.
	TLS *tls.Config
	// NetDial connects to the endpoint, for example through a Unix socket. It must return
	// when its context ends. Nil: a net.Dialer.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Tracer records requests as spans, and adds headers such as traceparent to them, so that
	// the endpoint can continue the trace. Usually it is the Tracer of the server. The headers
	// are not signed. Nil: nothing is recorded or added.
	Tracer ignis.Tracer

	// Requested is called when a request has been answered or has failed, for metrics. It is
	// called concurrently, must return immediately and must not panic. Nil: nothing is
	// called.
	Requested func(RequestInfo)

	// Logger receives the log, which contains no secrets, credentials or payloads. Lines
	// of the same cause are logged at most once in ten seconds, with the number of lines
	// left out. Nil: slog.Default().
	Logger *slog.Logger
}

// withDefaults returns c with defaults for all zero values, or an error if c is invalid.
func (c Config) withDefaults() (Config, error) {
	for _, u := range []struct {
		name string
		v    *string
	}{
		{"AuthenticateURL", &c.AuthenticateURL},
		{"RoomsURL", &c.RoomsURL},
		{"MessagesURL", &c.MessagesURL},
		{"EventsURL", &c.EventsURL},
	} {
		name := u.name
		if *u.v == "" {
			*u.v, name = c.URL, "URL"
		}
		if err := checkURL(name, *u.v); err != nil {
			return c, err
		}
	}
	c.Headers = slices.Clone(c.Headers)
	for i, name := range c.Headers {
		if !validHeader(name) {
			return c, fmt.Errorf("webhook: Config.Headers[%d] is %.100q, which is not a valid name of a header", i, name)
		}
		c.Headers[i] = textproto.CanonicalMIMEHeaderKey(name)
	}
	if c.Source == "" {
		c.Source = rand.Text()
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.NetDial == nil {
		c.NetDial = (&net.Dialer{}).DialContext
	}
	err := cmp.Or(
		limit("MaxConcurrent", &c.MaxConcurrent, 64),
		limit("MaxWaiting", &c.MaxWaiting, 1000),
		limit("MaxAnswer", &c.MaxAnswer, 256<<10),
		limit("MaxMetadata", &c.MaxMetadata, 16<<10),
		limit("CircuitFailures", &c.CircuitFailures, 10),
		limit("QueueEvents", &c.QueueEvents, 10_000),
		limit("QueueBytes", &c.QueueBytes, 16<<20),
		limit("BatchEvents", &c.BatchEvents, 100),
		limit("EventConcurrency", &c.EventConcurrency, 4),
		limit("Timeout", &c.Timeout, 5*time.Second),
		limit("CircuitPause", &c.CircuitPause, 5*time.Second),
		limit("EventTimeout", &c.EventTimeout, 15*time.Second),
		limit("EventMaxAge", &c.EventMaxAge, 10*time.Minute),
		limit("DrainTimeout", &c.DrainTimeout, 5*time.Second),
	)
	return c, err
}

// limit replaces 0 in a field of Config by its default. A negative value is an error.
func limit[T int | time.Duration](name string, v *T, def T) error {
	if *v < 0 {
		return fmt.Errorf("webhook: Config.%s must not be negative", name)
	}
	*v = cmp.Or(*v, def)
	return nil
}

// checkURL returns an error unless text is the URL of an endpoint. The error does not
// contain the URL, whose query may be secret.
func checkURL(name, text string) error {
	if text == "" {
		return errors.New("webhook: Config.URL is required: set it to the address of the application's endpoint")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return fmt.Errorf("webhook: Config.%s is not a valid URL", name)
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("webhook: Config.%s must begin with https:// or http://", name)
	case u.Hostname() == "":
		return fmt.Errorf("webhook: Config.%s has no host", name)
	case u.User != nil:
		return fmt.Errorf("webhook: Config.%s contains a user or a password, which would not be sent: remove it, requests are signed instead", name)
	case u.Fragment != "":
		return fmt.Errorf("webhook: Config.%s has a fragment (#), which would not be sent: remove it", name)
	}
	return nil
}

// validHeader reports whether name is a valid name of a header (RFC 9110, section 5.6.2).
func validHeader(name string) bool {
	for _, b := range []byte(name) {
		if b <= ' ' || b >= 0x7f || slices.Contains([]byte(`"(),/:;<=>?@[\]{}`), b) {
			return false
		}
	}
	return name != ""
}

// newTransport returns the transport for all requests. It never sends a request twice: it
// uses another connection only if nothing was written to the first one.
func (c Config) newTransport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	config := c.TLS.Clone()
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	conns := 3*c.MaxConcurrent + c.EventConcurrency
	timeout := max(c.Timeout, c.EventTimeout)
	return &http.Transport{
		Proxy: nil, // environment variables must not redirect credentials
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			// net/http goes on dialing after the request has been canceled.
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			return c.NetDial(ctx, network, addr)
		},
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    timeout,
		Protocols:              protocols,
		DisableCompression:     true, // MaxAnswer limits what is received
		MaxIdleConns:           conns,
		MaxIdleConnsPerHost:    conns,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeader,
	}
}

const (
	// idleTimeout is the time for which an idle connection is kept. Node.js closes idle
	// connections after 5 s, and a request sent at that moment would fail.
	idleTimeout = 4 * time.Second
	// maxHeader is the maximum size of the header of an answer, in bytes.
	maxHeader = 16 << 10
)

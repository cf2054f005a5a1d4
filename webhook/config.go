package webhook

import (
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
	// URL is the address of the endpoint, http or https. Credentials are sent to it, so
	// use https unless the network between them is trusted. Proxies in the environment
	// are ignored, redirects are not followed, and HTTP/1.1 is spoken. Required, unless
	// the four URLs below are set.
	URL string
	// AuthenticateURL, RoomsURL, MessagesURL and EventsURL replace URL for one kind of
	// request. Empty: URL.
	AuthenticateURL, RoomsURL, MessagesURL, EventsURL string
	// Secrets sign the requests, each of them a signature of its own. Two of them, an old
	// and a new one, let the endpoint be changed at any time; see also [Client.Rotate]. A
	// secret is whsec_ followed by 24 to 64 bytes in base64; see [NewSecret]. Required.
	Secrets []string

	// Headers lists the headers of a client's HTTP request that Authenticate sends to the
	// endpoint, such as Cookie; see [Client.WithHeaders]. Empty: none.
	Headers []string
	// Info returns what requests say about a client as client.info, encoded as JSON. It
	// must return immediately. Nil: what the endpoint answered as info when it
	// authenticated the client, or nothing.
	Info func(c *ignis.Client) any
	// Source identifies this instance in requests as source. Empty: a random text.
	Source string

	// Timeout is the time in which the endpoint must answer a question, including the
	// time to connect. For Authenticate it should be less than three times
	// [ignis.Config].AuthTimeout. 0: 5 s.
	Timeout time.Duration
	// MaxConcurrent is the number of questions of one kind that wait for an answer at the
	// same time. Beyond it, Authenticate fails immediately, and ValidateRooms and
	// OnMessage wait for their turn, for Timeout at most. 0: 64.
	MaxConcurrent int
	// MaxAnswer is the maximum size of an answer in bytes, without its header, which may
	// have 16 KiB. A larger answer is a failure. 0: 256 KiB.
	MaxAnswer int

	// CircuitFailures is the number of consecutive failures of one kind of request that
	// opens its circuit. Failures are timeouts, broken connections and statuses from 500
	// on. 0: 10.
	CircuitFailures int
	// CircuitPause is the time for which a circuit stays open before a single request
	// tests the endpoint. It doubles with each test that fails, up to twelve times
	// CircuitPause, and varies by a quarter. 0: 5 s.
	CircuitPause time.Duration

	// QueueEvents and QueueBytes limit the events that wait until they are delivered.
	// Further events are lost, and counted in Stats.Lost. 0: 10,000 events and 16 MiB.
	QueueEvents, QueueBytes int
	// BatchEvents is the maximum number of events in one request, which has about 256 KiB
	// at most. 0: 100.
	BatchEvents int
	// EventConcurrency is the number of requests with events that are sent at the same
	// time. 0: 4.
	EventConcurrency int
	// EventTimeout is the time in which the endpoint must answer a request with events.
	// 0: 15 s.
	EventTimeout time.Duration
	// EventMaxAge is the age at which an event that could not be delivered is given up.
	// 0: 10 min.
	EventMaxAge time.Duration
	// DrainTimeout is the time for which Run goes on delivering when its context has
	// ended. 0: 5 s.
	DrainTimeout time.Duration

	// TLS configures https connections, for example for a private certificate authority
	// or a client certificate. Nil: the defaults of crypto/tls.
	TLS *tls.Config
	// NetDial connects to the endpoint, for example through a Unix socket. It must return
	// when its context ends. Nil: a net.Dialer.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Logger receives the log, which never contains credentials, payloads or secrets.
	// Lines that can repeat at will are logged once per cause in ten seconds. Nil:
	// slog.Default().
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
			return c, fmt.Errorf("webhook: Config.Headers[%d] is %.100q, which cannot be the name of a header", i, name)
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
	for _, f := range []struct {
		name string
		v    *int
		def  int
	}{
		{"MaxConcurrent", &c.MaxConcurrent, 64},
		{"MaxAnswer", &c.MaxAnswer, 256 << 10},
		{"CircuitFailures", &c.CircuitFailures, 10},
		{"QueueEvents", &c.QueueEvents, 10_000},
		{"QueueBytes", &c.QueueBytes, 16 << 20},
		{"BatchEvents", &c.BatchEvents, 100},
		{"EventConcurrency", &c.EventConcurrency, 4},
	} {
		if *f.v < 0 {
			return c, fmt.Errorf("webhook: Config.%s is negative", f.name)
		}
		if *f.v == 0 {
			*f.v = f.def
		}
	}
	return c.withTimes()
}

// withTimes is the part of withDefaults for durations.
func (c Config) withTimes() (Config, error) {
	for _, f := range []struct {
		name string
		v    *time.Duration
		def  time.Duration
	}{
		{"Timeout", &c.Timeout, 5 * time.Second},
		{"CircuitPause", &c.CircuitPause, 5 * time.Second},
		{"EventTimeout", &c.EventTimeout, 15 * time.Second},
		{"EventMaxAge", &c.EventMaxAge, 10 * time.Minute},
		{"DrainTimeout", &c.DrainTimeout, 5 * time.Second},
	} {
		if *f.v < 0 {
			return c, fmt.Errorf("webhook: Config.%s is negative", f.name)
		}
		if *f.v == 0 {
			*f.v = f.def
		}
	}
	return c, nil
}

// checkURL returns an error unless text is the URL of an endpoint. The error does not
// contain the URL, whose query may be secret.
func checkURL(name, text string) error {
	if text == "" {
		return errors.New("webhook: Config.URL is required: it is the address of the application's endpoint")
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
		return fmt.Errorf("webhook: Config.%s contains a user or a password, which would not be sent: requests are authenticated by their signature", name)
	case u.Fragment != "":
		return fmt.Errorf("webhook: Config.%s has a fragment (#), which would not be sent", name)
	}
	return nil
}

// validHeader reports whether name can be the name of a header (RFC 9110, section 5.6.2).
func validHeader(name string) bool {
	for _, b := range []byte(name) {
		if b <= ' ' || b >= 0x7f || slices.Contains([]byte(`"(),/:;<=>?@[\]{}`), b) {
			return false
		}
	}
	return name != ""
}

// newTransport returns the transport for all requests. A request is sent once: net/http
// repeats one only if the connection was closed before any byte of it was written.
func (c Config) newTransport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	config := c.TLS.Clone()
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	most := 3*c.MaxConcurrent + c.EventConcurrency
	timeout := max(c.Timeout, c.EventTimeout)
	return &http.Transport{
		Proxy: nil, // the environment must not redirect credentials
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			// A dial outlives its request, so it needs a limit of its own.
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			return c.NetDial(ctx, network, addr)
		},
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    timeout,
		Protocols:              protocols,
		DisableCompression:     true, // the size of an answer is limited as it is sent
		MaxIdleConns:           most,
		MaxIdleConnsPerHost:    most,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeader,
	}
}

const (
	// idleTimeout is how long a connection is kept for the next request. Node.js closes
	// its side after 5 s, and a request that crosses with that would fail.
	idleTimeout = 4 * time.Second
	// maxHeader is the maximum size of the header of an answer.
	maxHeader = 16 << 10
)

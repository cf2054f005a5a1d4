package client

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/seal"
	"github.com/ignis-go/ignis/wire"
)

// Defaults of [Config].
const (
	DefaultMaxMessage   = 4 << 20 // bytes
	DefaultDialTimeout  = 30 * time.Second
	DefaultWriteTimeout = 10 * time.Second
)

// maxHandshake bounds what is read from a server up to the end of its HTTP
// response, TLS included, in bytes.
const maxHandshake = 256 << 10

// Config says how to connect. The zero value works for a server that asks for
// no credentials.
type Config struct {
	// Credentials is sent as the data of the authenticate event, as JSON;
	// what it must hold is between the application and its server, and often
	// is {"type":…,"token":…}. Nil: the event carries no data.
	Credentials any

	// Encrypt agrees on a key with the server, and what both sides send after
	// authentication is sealed with it: see package seal. It does not replace TLS,
	// without which nobody knows with whom the key was agreed. Credentials must be an
	// object then, or nil. A server that does not encrypt makes [Dial] fail with
	// [ErrNotEncrypted].
	Encrypt bool
	// EncryptionInfo is what the server derives keys for. "": [seal.Info].
	EncryptionInfo string

	// HeartbeatInterval is how often the server is told that this client
	// lives. 0: 30 s; negative: never, then a server drops the client after
	// its heartbeat timeout. A WebSocket ping goes along, and a server that is
	// silent for three intervals while the client listens counts as lost.
	// At most 24 h.
	HeartbeatInterval time.Duration

	// DialTimeout bounds all of [Dial], authentication included.
	// 0: [DefaultDialTimeout].
	DialTimeout time.Duration

	// WriteTimeout is how long 32 KiB, or a message that is smaller, may take to
	// be written until the connection counts as lost.
	// 0: [DefaultWriteTimeout].
	WriteTimeout time.Duration

	// MaxMessage is the size of the largest message taken from the server, in
	// bytes as it arrives, where a sealed message is a third larger than what is in
	// it. A larger one ends the connection with an error that wraps
	// [wire.ErrTooLarge], unless OnTooLarge is set. 0: [DefaultMaxMessage].
	MaxMessage int
	// OnTooLarge, if it is set, is called with the size of each message over
	// MaxMessage. That message is skipped, and the connection goes on. Nothing is
	// read until the call returns; it must not close the connection or wait for one
	// of its messages.
	OnTooLarge func(size int64)

	// HTTPHeader is added to the upgrade request. It may hold secrets.
	HTTPHeader http.Header

	// TLSConfig is for wss URLs; nil: the system's roots.
	TLSConfig *tls.Config

	// NetDial opens the TCP connection, for proxies and tests. Nil: a
	// [net.Dialer]'s.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// withDefaults returns a copy with defaults in place of zeros.
func (c Config) withDefaults() (Config, error) {
	switch {
	case c.HeartbeatInterval > 24*time.Hour:
		return c, errors.New("Config.HeartbeatInterval must be at most 24 h")
	case c.MaxMessage < 0:
		return c, errors.New("Config.MaxMessage must not be negative")
	case c.DialTimeout < 0:
		return c, errors.New("Config.DialTimeout must not be negative")
	case c.WriteTimeout < 0:
		return c, errors.New("Config.WriteTimeout must not be negative")
	}
	if c.MaxMessage == 0 {
		c.MaxMessage = DefaultMaxMessage
	}
	if c.HeartbeatInterval == 0 {
		c.HeartbeatInterval = wire.DefaultHeartbeatInterval
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = DefaultDialTimeout
	}
	if c.WriteTimeout == 0 {
		c.WriteTimeout = DefaultWriteTimeout
	}
	if c.NetDial == nil {
		c.NetDial = (&net.Dialer{}).DialContext
	}
	return c, nil
}

// Connected is the data of the connected event: what the server calls this
// client.
type Connected struct {
	ID     string    `json:"id"`     // of this client; a UUID
	UserID string    `json:"userId"` // empty for an anonymous user
	Time   time.Time `json:"time"`   // the server's clock

	// ServerPublicKey and Salt are what the key of an encrypted client was made of.
	ServerPublicKey string `json:"serverPublicKey"`
	Salt            string `json:"salt"`

	// Data is all of it as JSON text.
	Data json.RawMessage `json:"-"`
}

// Dial connects to the server at a ws or wss URL, sends the credentials, and
// returns once the server has accepted them. ctx is for dialing alone; its end
// afterwards does not touch the connection.
//
// errors.Is tells [ErrAuthentication] (the server does not accept this client),
// [ErrNotEncrypted], [ErrProtocol] (the URL's host does not speak the protocol),
// [ErrUnavailable], [ErrLost], and
// ctx's error or [context.DeadlineExceeded] when it took too long. No error
// holds the credentials, or the query or password of the URL.
func Dial(ctx context.Context, rawURL string, cfg Config) (*Conn, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	target, err := checkURL(rawURL)
	if err != nil {
		return nil, err
	}
	credentials, err := wire.EncodeData(cfg.Credentials)
	if err != nil {
		return nil, fmt.Errorf("Config.Credentials: %w", err)
	}
	var private *ecdh.PrivateKey
	if cfg.Encrypt {
		if private, err = seal.NewPrivateKey(); err != nil {
			return nil, err
		}
		if credentials, err = withPublicKey(credentials, seal.PublicKey(private)); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.DialTimeout,
		fmt.Errorf("not connected within %v: %w", cfg.DialTimeout, context.DeadlineExceeded))
	defer cancel()
	fail := func(err error) (*Conn, error) {
		if ctx.Err() != nil && !errors.Is(err, ErrAuthentication) {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("dial %s://%s%s: %w", target.Scheme, target.Host, target.EscapedPath(), err)
	}
	conn, rest, err := upgrade(ctx, target, cfg)
	if err != nil {
		return fail(err)
	}
	c := newConn(conn, rest, cfg, private)
	if err := c.authenticate(ctx, credentials); err != nil {
		c.abort()
		return fail(err)
	}
	return c, nil
}

// checkURL parses rawURL. Its errors show nothing of it but the scheme: there
// may be a token in the query, or a password.
func checkURL(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	switch {
	case err != nil:
		return nil, errors.New("dial: malformed URL; give one like ws://host:port/path")
	case u.Scheme != "ws" && u.Scheme != "wss":
		return nil, fmt.Errorf("dial: URL with scheme %q; give one like ws://host:port/path, or wss", u.Scheme)
	case u.Host == "":
		return nil, errors.New("dial: URL without a host; give one like ws://host:port/path")
	case u.User != nil:
		return nil, errors.New("dial: URL with a user name; send an Authorization header with Config.HTTPHeader")
	}
	u.Fragment = ""
	return u, nil
}

// upgrade connects and makes a WebSocket of the connection. rest holds bytes
// that came right after the response.
func upgrade(ctx context.Context, u *url.URL, cfg Config) (conn net.Conn, rest []byte, err error) {
	var limited *limitedConn
	d := ws.Dialer{
		TLSConfig: cfg.TLSConfig,
		NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := cfg.NetDial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			limited = &limitedConn{Conn: conn, left: maxHandshake}
			return limited, nil
		},
	}
	var refused *HandshakeError
	d.OnStatusError = func(status int, _ []byte, response io.Reader) {
		refused = &HandshakeError{Status: status}
		refused.readRefusal(limited, response, u)
	}
	if cfg.HTTPHeader != nil {
		d.Header = ws.HandshakeHeaderHTTP(cfg.HTTPHeader)
	}
	conn, br, _, err := d.Dial(ctx, u.String())
	if err != nil {
		if refused != nil {
			err = refused
		}
		return nil, nil, upgradeError(err)
	}
	if br != nil {
		early, _ := br.Peek(br.Buffered())
		rest = bytes.Clone(early)
		ws.PutReader(br)
	}
	limited.left = -1
	return conn, rest, nil
}

// upgradeError says in the words of this package what went wrong.
func upgradeError(err error) error {
	for _, known := range []error{
		ws.ErrHandshakeBadProtocol, ws.ErrHandshakeBadUpgrade, ws.ErrHandshakeBadConnection,
		ws.ErrHandshakeBadSecAccept, ws.ErrHandshakeBadExtensions, ws.ErrHandshakeBadSubProtocol,
		ws.ErrMalformedResponse,
	} {
		if errors.Is(err, known) {
			return fmt.Errorf("%w: not a WebSocket server: %w", ErrProtocol, err)
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w during the upgrade", ErrLost)
	}
	return err
}

// limitedConn fails once more than left bytes were read, so that a response
// without end takes no memory without end. A negative left lifts that.
type limitedConn struct {
	net.Conn
	left int
}

func (l *limitedConn) Read(p []byte) (int, error) {
	if l.left == 0 {
		return 0, fmt.Errorf("%w: handshake of more than %d bytes", ErrProtocol, maxHandshake)
	}
	if l.left < 0 {
		return l.Conn.Read(p)
	}
	n, err := l.Conn.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

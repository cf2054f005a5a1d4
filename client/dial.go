package client

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/seal"
	"github.com/ignis-go/ignis/wire"
)

// maxHandshake is the maximum number of bytes read from a server up to the end of its
// HTTP response, including TLS.
const maxHandshake = 256 << 10

// Dial connects to the server at a ws or wss URL, sends the credentials, and returns
// once the server has accepted them. ctx applies only to dialing; canceling it later
// does not affect the connection.
//
// Use errors.Is to test for [ErrAuthentication] (the server does not accept this
// client), [ErrNotEncrypted], [ErrProtocol] (the server does not follow the protocol),
// [ErrUnavailable], [ErrLost], ctx's error, and [context.DeadlineExceeded] if dialing took
// too long. If the server says why it does not accept the client, the error also wraps an
// [*Error] with the server's code and text. No error contains the credentials, or the query or password of the URL.
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
	var (
		private   *ecdh.PrivateKey
		publicKey string
	)
	if cfg.Encrypt {
		if private, err = seal.NewPrivateKey(); err != nil {
			return nil, err
		}
		publicKey = seal.PublicKey(private)
	}
	data, err := authentication(credentials, publicKey, cfg.Software)
	if err != nil {
		return nil, err
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
	if err := c.authenticate(ctx, data); err != nil {
		c.abort()
		return fail(err)
	}
	return c, nil
}

// checkURL parses rawURL. Its errors reveal only the scheme, because the query may
// contain a token, and the URL a password.
func checkURL(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	switch {
	case err != nil:
		return nil, errors.New("dial: malformed URL: want ws://host:port/path")
	case u.Scheme != "ws" && u.Scheme != "wss":
		return nil, fmt.Errorf("dial: URL with scheme %q: want ws or wss, as in ws://host:port/path", u.Scheme)
	case u.Host == "":
		return nil, errors.New("dial: URL without a host: want ws://host:port/path")
	case u.User != nil:
		return nil, errors.New("dial: URL with a user name: send an Authorization header with Config.HTTPHeader instead")
	}
	u.Fragment = ""
	return u, nil
}

// upgrade connects and performs the WebSocket handshake. It also returns the bytes that
// arrived together with the response.
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

// upgradeError translates a handshake error into an error of this package.
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

// limitedConn fails once more than left bytes have been read, so that an endless
// response cannot use unlimited memory. A negative left means no limit.
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

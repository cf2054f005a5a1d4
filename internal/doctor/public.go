package doctor

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6455 requires it
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/internal/printable"
	"github.com/ignis-go/ignis/wire"
)

// publicChecks examines the way from a client to the server.
type publicChecks struct {
	c      *Config
	url    *url.URL
	chain  []*x509.Certificate // nil without TLS
	answer http.Header         // of the upgrade
	addrs  []string
}

// CheckPublicURL returns an error unless text is the address of a WebSocket.
func CheckPublicURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "ws" && u.Scheme != "wss" || u.Hostname() == "" || u.User != nil {
		return errors.New("expected an address such as wss://example.com/ws, without a user and a password")
	}
	return nil
}

func (c *Config) publicGroup() group {
	u, err := url.Parse(c.PublicURL)
	if c.PublicURL == "" || err != nil {
		return group{name: "public", checks: []check{{name: "public.resolve", run: func(context.Context) []Finding {
			return []Finding{skip("--public-url names no address of clients, so the way to the server is not examined")}
		}}}}
	}
	p := &publicChecks{c: c, url: u}
	return group{name: "public", checks: []check{
		{name: "public.resolve", run: p.checkResolve, required: true},
		{name: "public.tls", run: p.checkTLS, required: true},
		{name: "public.certificate", run: p.checkCertificate},
		{name: "public.upgrade", run: p.checkUpgrade, required: true},
		{name: "public.origin", run: p.checkOrigin},
		{name: "public.proxy", run: p.checkProxy},
		{name: "public.idle", run: p.checkIdle, extra: c.Idle},
	}}
}

func (p *publicChecks) secure() bool { return p.url.Scheme == "wss" }

// address returns host:port.
func (p *publicChecks) address() string {
	port := p.url.Port()
	if port == "" {
		port = map[string]string{"ws": "80", "wss": "443"}[p.url.Scheme]
	}
	return net.JoinHostPort(p.url.Hostname(), port)
}

func (p *publicChecks) checkResolve(ctx context.Context) []Finding {
	addrs, err := net.DefaultResolver.LookupHost(ctx, p.url.Hostname())
	if err != nil {
		return []Finding{fail("create a record for the name in DNS, or correct --public-url", "%s cannot be resolved: %v", p.url.Hostname(), err)}
	}
	p.addrs = addrs
	return []Finding{ok("%s is at %s", p.url.Hostname(), strings.Join(addrs, ", "))}
}

// tlsConfig returns the configuration of a client's connections.
func (p *publicChecks) tlsConfig() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: p.c.Roots, ServerName: p.url.Hostname(), NextProtos: []string{"http/1.1"}}
}

func (p *publicChecks) checkTLS(ctx context.Context) []Finding {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.address())
	if err != nil {
		return []Finding{fail("start the server and the proxy, and open the port in the firewall", "%s cannot be reached: %v", p.address(), err)}
	}
	defer conn.Close()
	if !p.secure() {
		return []Finding{warn("use wss:// for clients on other machines", "the public URL does not use TLS: everyone in between can read tokens and messages")}
	}
	chain, err := handshake(ctx, conn, p.tlsConfig())
	if err != nil {
		return []Finding{fail(adviceTLS(err), "the TLS handshake with %s fails: %v", p.address(), err)}
	}
	p.chain = chain
	return []Finding{ok("%s has a certificate that clients trust", p.address())}
}

func (p *publicChecks) checkCertificate(context.Context) []Finding {
	if p.chain == nil {
		return []Finding{skip("the public URL does not use TLS")}
	}
	return []Finding{judgeExpiry(p.chain, time.Now())}
}

// adviceTLS returns what to do about a TLS handshake that failed.
func adviceTLS(err error) string {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &unknown):
		return "use a certificate of an authority that clients trust, and send its intermediate certificates along"
	case errors.As(err, &name):
		return "request a certificate for the host of the public URL"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the certificate"
	}
	return "let the proxy or the server use TLS on this port, or use ws:// in --public-url"
}

// open sends the handshake of a WebSocket. It returns the connection if the server accepts it.
func (p *publicChecks) open(ctx context.Context, origin string) (*http.Response, error) {
	transport := &http.Transport{
		TLSClientConfig: p.tlsConfig(), DisableKeepAlives: true, DisableCompression: true,
		TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{}, // no HTTP/2
		MaxResponseHeaderBytes: 64 << 10,
	}
	target := *p.url
	target.Scheme = map[string]string{"ws": "http", "wss": "https"}[p.url.Scheme]
	target.Fragment = ""
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return nil, errors.New("the URL is malformed")
	}
	key := base64.StdEncoding.EncodeToString([]byte(rand.Text())[:16])
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-Websocket-Version": "13", "Sec-Websocket-Key": key, "Origin": origin,
	} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return nil, printable.HTTPError(err)
	}
	if response.StatusCode == http.StatusSwitchingProtocols && response.Header.Get("Sec-Websocket-Accept") != accept(key) {
		_ = response.Body.Close()
		return nil, errors.New("the answer to the handshake is not that of a WebSocket server (Sec-WebSocket-Accept)")
	}
	return response, nil
}

// accept returns the answer to the key of a handshake.
func accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // see above
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (p *publicChecks) checkUpgrade(ctx context.Context) []Finding {
	began := time.Now()
	response, err := p.open(ctx, "")
	if err != nil {
		return []Finding{fail("let the proxy pass on the upgrade; docs/proxies.md has configurations", "the handshake fails: %v", err)}
	}
	defer response.Body.Close()
	p.answer = response.Header
	if response.StatusCode != http.StatusSwitchingProtocols {
		return []Finding{refusal(response, p.c.App.Path)}
	}
	took := time.Since(began).Round(10 * time.Microsecond)
	conn, isConn := response.Body.(io.ReadWriteCloser)
	if !isConn {
		return []Finding{fail("report this as a fault of ignis", "the connection cannot be written to")}
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := p.greet(conn); err != nil {
		return []Finding{fail(fmt.Sprintf("let the proxy pass %s on to Ignis (the setting path is %s)", p.url.EscapedPath(), p.c.App.Path), "a WebSocket server answers, but it is not Ignis: %v", err)}
	}
	return []Finding{ok("Ignis accepts connections at the public URL after %v", took)}
}

// refusal returns the finding for an answer that is not an upgrade.
func refusal(response *http.Response, path string) Finding {
	advice := "look at the log of the proxy and of the server"
	switch s := response.StatusCode; {
	case s == http.StatusNotFound:
		advice = fmt.Sprintf("the server's path is %s: correct the path of the public URL, or the proxy", path)
	case s == http.StatusBadRequest, s == http.StatusUpgradeRequired:
		advice = "let the proxy pass on Upgrade and Connection, with HTTP/1.1"
	case s == http.StatusForbidden, s == http.StatusUnauthorized:
		advice = "let the proxy accept the request without credentials; clients authenticate after the upgrade"
	case s == http.StatusServiceUnavailable, s == http.StatusBadGateway, s == http.StatusGatewayTimeout:
		advice = "start the server, and find out with /readyz why it is not ready"
	case s == http.StatusTooManyRequests:
		advice = "the address of this machine, or of the proxy if none is trusted, exceeds a limit per address"
	case s >= 300 && s < 400:
		advice = "use the address to which the proxy redirects; WebSocket clients do not follow redirects"
	}
	return fail(advice, "the answer to the handshake is %s", response.Status)
}

// maxGreeting is the maximum size of the first message of the server in bytes.
const maxGreeting = 4 << 10

// greet finds out whether the server is Ignis: it answers a message before authentication
// with a certain error.
func (p *publicChecks) greet(conn io.ReadWriter) error {
	question := wire.AppendMessage(nil, wire.Message{Event: redisName})
	if err := ws.WriteFrame(conn, ws.MaskFrame(ws.NewTextFrame(question))); err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	for {
		h, err := ws.ReadHeader(in)
		if err != nil {
			return fmt.Errorf("it closed the connection: %w", err)
		}
		if h.Length > maxGreeting {
			return fmt.Errorf("it sent a message of %d bytes", h.Length)
		}
		text := make([]byte, h.Length)
		if _, err := io.ReadFull(in, text); err != nil {
			return fmt.Errorf("it closed the connection: %w", err)
		}
		if h.OpCode != ws.OpText {
			if h.OpCode == ws.OpPing {
				continue
			}
			return errors.New("it closed the connection")
		}
		m, err := wire.DecodeMessage(text)
		if err != nil || m.Event != wire.EventError {
			return errors.New("it did not answer with an error event")
		}
		return ws.WriteFrame(conn, ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))))
	}
}

// checkOrigin connects like a page on the host of the public URL.
func (p *publicChecks) checkOrigin(ctx context.Context) []Finding {
	origin := map[string]string{"ws": "http", "wss": "https"}[p.url.Scheme] + "://" + p.url.Host
	response, err := p.open(ctx, origin)
	if err != nil {
		return []Finding{fail("look at the log of the proxy and of the server", "the handshake with Origin %s fails: %v", origin, err)}
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusSwitchingProtocols:
		return []Finding{ok("pages of %s may connect", origin)}
	case http.StatusForbidden:
		return []Finding{warn("let the proxy pass on Host with its port, or list the origin in allowed_origins", "pages of %s are refused: the server sees another Host than browsers", origin)}
	}
	return []Finding{refusal(response, p.c.App.Path)}
}

package webhook_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/logtest"
	"github.com/ignis-go/ignis/webhook"
	"github.com/ignis-go/ignis/wire"
)

// raw runs a server on a real socket that answers each connection with respond, after it has
// read the head of a request. It returns the server's URL.
func raw(t *testing.T, respond func(c *net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(patience))
			var head []byte
			for b := make([]byte, 4096); !bytes.Contains(head, []byte("\r\n\r\n{")); {
				n, err := c.Read(b)
				if head = append(head, b[:n]...); err != nil {
					break
				}
			}
			respond(c.(*net.TCPConn))
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-served })
	return "http://" + l.Addr().String() + "/?key=" + private
}

// writes responds with the text.
func writes(text string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		_, _ = io.WriteString(c, text)
		_ = c.CloseWrite()
		_, _ = io.Copy(io.Discard, c)
	}
}

// Servers that fail. Each failure is counted by its cause, and opens the circuit if the server
// as a whole is at fault.
func TestFailures(t *testing.T) {
	head := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	huge := 10 << 20
	for name, row := range map[string]struct {
		respond func(c *net.TCPConn)
		cause   webhook.Cause
		opens   bool
	}{
		"accepts": {writes(head + "Content-Length: 14\r\n\r\n" + `{"user":"ann"}`), "", false},
		"hangs":   {func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) }, webhook.CauseTimeout, true},
		"hangs in body": {func(c *net.TCPConn) {
			_, _ = io.WriteString(c, head+"Content-Length: 9\r\n\r\n{")
			_, _ = io.Copy(io.Discard, c)
		}, webhook.CauseTimeout, true},
		"closes": {func(*net.TCPConn) {}, webhook.CauseConnection, true},
		"resets": {func(c *net.TCPConn) { _ = c.SetLinger(0) }, webhook.CauseConnection, true},
		"resets in body": {func(c *net.TCPConn) {
			_, _ = io.WriteString(c, head+"Content-Length: 1000\r\n\r\n{\"user\":\"ann\"")
			_ = c.SetLinger(0)
		}, webhook.CauseConnection, true},
		"truncated":           {writes(head + "Content-Length: 15\r\n\r\n" + `{"user":"ann"}`), webhook.CauseConnection, true},
		"truncated chunk":     {writes(head + "Transfer-Encoding: chunked\r\n\r\ne\r\n" + `{"user":"ann"}`), webhook.CauseConnection, true},
		"not HTTP":            {writes("SSH-2.0-OpenSSH_9.2\r\n"), webhook.CauseConnection, true},
		"echoes the line":     {writes("POST /?key=" + private + " HTTP/1.1\r\n\r\n"), webhook.CauseConnection, true},
		"echoes the body":     {writes("HTTP/1.1 200 OK\r\n\"credentials\":{\"type\":\"Bearer\",\"token\":\"" + private + "\",\"<b>\":1}\r\n\r\n"), webhook.CauseConnection, true},
		"half a header":       {writes("HTTP/1.1 200 OK\r\nContent-Le"), webhook.CauseConnection, true},
		"a huge header":       {writes("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 20<<10) + "\r\nContent-Length: 0\r\n\r\n"), webhook.CauseConnection, true},
		"an announced body":   {writes(head + fmt.Sprintf("Content-Length: %d\r\n\r\n", huge) + strings.Repeat(" ", huge)), webhook.CauseTooLarge, false},
		"a huge body":         {writes(head + "\r\n" + strings.Repeat(" ", huge)), webhook.CauseTooLarge, false},
		"a byte too much":     {writes(head + "\r\n" + strings.Repeat(" ", 256<<10-13) + `{"user":"ann"}`), webhook.CauseTooLarge, false},
		"as much as possible": {writes(head + "\r\n" + strings.Repeat(" ", 256<<10-14) + `{"user":"ann"}`), "", false},
		"compressed":          {writes(head + "Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"), webhook.CauseMalformed, false},
		"500":                 {writes("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), webhook.CauseStatus, true},
		"a redirect":          {writes("HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"), webhook.CauseStatus, false},
	} {
		t.Run(name, func(t *testing.T) {
			log := &logtest.Log{}
			timeout := patience
			if row.cause == webhook.CauseTimeout {
				timeout = 50 * time.Millisecond // the test waits for it
			}
			address := raw(t, row.respond)
			c := running(t, webhook.Config{URL: address, Timeout: timeout, CircuitFailures: 1, Logger: log.Logger()})
			id, err := c.Authenticate(t.Context(), creds())
			s := c.Stats().Authenticate
			if row.cause == "" {
				if err != nil || id.UserID != "ann" || s.Accepted != 1 {
					t.Errorf("got %v, %v", id, err)
				}
				return
			}
			unusable(t, err, "webhook: authenticate: "+string(row.cause), "")
			if s.Failed[row.cause] != 1 || (s.Circuit == webhook.CircuitOpen) != row.opens || s.InFlight != 0 {
				t.Errorf("%v; counted %+v", err, s)
			}
			if log.Has(private) {
				t.Errorf("logged %v", log)
			}
		})
	}
}

// running returns a client that runs until the test ends.
func running(t *testing.T, cfg webhook.Config) *webhook.Client {
	t.Helper()
	if cfg.Secrets == nil {
		cfg.Secrets = []string{secret}
	}
	c, err := webhook.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	(&app{t: t}).run(c)
	return c
}

// An address on which no server listens.
func TestNoServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	c := running(t, webhook.Config{URL: "http://" + address, CircuitFailures: 1, Logger: nothing})
	_, err = c.Authenticate(t.Context(), creds())
	unusable(t, err, "webhook: authenticate: connection failed: ", address)
	if s := c.Stats().Authenticate; s.Failed[webhook.CauseConnection] != 1 || s.Circuit != webhook.CircuitOpen {
		t.Errorf("counted %+v", s)
	}
}

// The certificate of an https endpoint is verified. A private authority can be configured.
func TestTLS(t *testing.T) {
	v := newVerifier(t, webhook.VerifierConfig{})
	s := httptest.NewUnstartedServer(v.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"user":"ann"}`)
	})))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelWarn)
	s.StartTLS()
	t.Cleanup(s.Close)
	c := running(t, webhook.Config{URL: s.URL, Logger: nothing})
	_, err := c.Authenticate(t.Context(), creds())
	unusable(t, err, "webhook: authenticate: connection failed: ", "certificate")
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	c = running(t, webhook.Config{URL: s.URL, Logger: nothing, TLS: &tls.Config{RootCAs: pool}})
	if _, err := c.Authenticate(t.Context(), creds()); err != nil {
		t.Error(err)
	}
}

// A redirect to another server is not followed, because that server must not receive the
// credentials. Proxies are not used either.
func TestNothingElseIsAsked(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another server was asked") }))
	t.Cleanup(other.Close)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}))
	t.Cleanup(s.Close)
	c := running(t, webhook.Config{URL: s.URL, Logger: nothing})
	_, err := c.Authenticate(t.Context(), creds())
	unusable(t, err, "webhook: authenticate: unexpected status: 307", "redirects are not followed")
	if webhook.UsesProxies(c) {
		t.Error("it may use a proxy")
	}
}

// A dial that hangs does not delay the answer to the client. It has its own time limit.
func TestDialHangs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := newApp(t, hangs)
		dials := make(chan error, 1)
		c := a.newClient(webhook.Config{NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			dials <- ctx.Err()
			return nil, ctx.Err()
		}})
		_, err := c.Authenticate(t.Context(), creds())
		unusable(t, err, "webhook: authenticate: timeout", "")
		if e, _ := errors.AsType[*ignis.Error](err); e == nil || e.Code != wire.CodeTimeout {
			t.Errorf("the client is told %+v", e)
		}
		<-dials
	})
}

package doctor

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/auth/jwtauth"
	"github.com/ignis-go/ignis/internal/certtest"
	"github.com/ignis-go/ignis/internal/listen"
	"github.com/ignis-go/ignis/internal/redistest"
)

// startServer starts a server whose tokens are signed with testSecret. It returns its handler.
func startServer(t *testing.T, change ...func(*ignis.Config)) http.Handler {
	t.Helper()
	v, err := jwtauth.New(jwtauth.Config{Secret: []byte(testSecret), Issuers: []string{"i"}, Audiences: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	cfg := ignis.Config{Authenticate: v.Authenticate, ValidateRooms: v.ValidateRooms, Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&cfg)
	}
	srv, err := ignis.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- srv.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	redistest.Wait(t, "the server to be ready", func() bool { return srv.Health().Ready })
	mux := http.NewServeMux()
	mux.Handle("/ws", srv)
	return mux
}

// front serves a handler, and returns its address as that of a WebSocket.
func front(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	s.Start()
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http") + "/ws"
}

// publicFindings examines a public URL.
func publicFindings(t *testing.T, url string, change ...func(*Config)) []Finding {
	t.Helper()
	c := valid()
	c.PublicURL = url
	c.App.Tokens.Issuers, c.App.Tokens.Audiences = []string{"i"}, []string{"a"}
	for _, f := range change {
		f(&c)
	}
	if err := CheckPublicURL(url); err != nil {
		t.Fatal(err)
	}
	return examine(t, c, (*Config).publicGroup)
}

func TestPublicURL(t *testing.T) {
	t.Parallel()
	found := publicFindings(t, front(t, startServer(t)), func(c *Config) { c.Idle = 100 * time.Millisecond })
	want(t, found, "public.resolve", "ok: 127.0.0.1")
	want(t, found, "public.tls", "warn: use wss://")
	want(t, found, "public.certificate", "skip: does not use TLS")
	want(t, found, "public.upgrade", "ok: Ignis accepts")
	want(t, found, "public.origin", "ok: pages of http://127.0.0.1:")
	want(t, found, "public.proxy", "ok: no sign of a proxy")
	want(t, found, "public.idle", "ok: stayed connected for 100ms; it received 0 messages")
}

func TestNoPublicURL(t *testing.T) {
	c := valid()
	want(t, examine(t, c, (*Config).publicGroup), "public.resolve", "skip: ")
	for _, text := range []string{"", "h", "http://h/ws", "wss://", "wss://u:s3cr3t@h/ws", "wss://%zz"} {
		if err := CheckPublicURL(text); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestPublicTLS(t *testing.T) {
	t.Parallel()
	ca := certtest.NewAuthority(t, "root")
	s := httptest.NewUnstartedServer(startServer(t))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, certtest.Options{Name: "a", Expires: time.Now().Add(30*time.Hour - time.Minute)}).Certificate(t)}}
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	s.StartTLS()
	defer s.Close()
	address := "wss" + strings.TrimPrefix(s.URL, "https") + "/ws"
	trust := func(c *Config) { c.Roots = ca.Pool() }

	found := publicFindings(t, address, trust)
	want(t, found, "public.tls", "ok: clients trust")
	want(t, found, "public.certificate", "fail: in 29 hours") // which does not prevent the other checks
	want(t, found, "public.upgrade", "ok: ")
	want(t, found, "public.proxy", "warn: the server itself does not use TLS")
	want(t, found, "public.idle", "skip: --idle 90s")
	found = publicFindings(t, address)
	want(t, found, "public.tls", "fail: authority that clients trust")
	want(t, found, "public.upgrade", "skip: public.tls failed")
	want(t, publicFindings(t, address, trust, func(c *Config) { c.PublicURL = elsewhere(t, address) }), "public.tls", "fail: for the host of the public URL")
	want(t, publicFindings(t, front(t, http.NotFoundHandler()), func(c *Config) { c.PublicURL = strings.Replace(c.PublicURL, "ws:", "wss:", 1) }), "public.tls", "fail: use ws://")

	secure := func(c *Config) {
		c.App.Listen.Addresses = []listen.Address{{Network: listen.TCP, Name: ":1", TLS: true}}
	}
	want(t, publicFindings(t, address, trust, secure), "public.proxy", "ok: no sign")
	want(t, publicFindings(t, address, trust, func(c *Config) {
		c.App.Proxies = ignis.Proxies{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Header: "Forwarded"}
	}), "public.proxy", "ok: Forwarded")
}

// elsewhere returns an address with another host that leads to the same server.
func elsewhere(t *testing.T, address string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skip("this system has only one loopback address")
	}
	return relayTo(t, l, address, false)
}

func TestPublicURLThatIsWrong(t *testing.T) {
	t.Parallel()
	good := front(t, startServer(t))
	want(t, publicFindings(t, good+"x"), "public.upgrade", "fail: path is /ws")
	want(t, publicFindings(t, "ws://ignis-doctor.invalid/ws"), "public.resolve", "fail: DNS")
	want(t, publicFindings(t, "ws://127.0.0.1:1/ws"), "public.tls", "fail: cannot be reached")
	for description, h := range map[string]http.HandlerFunc{
		"fail: with /readyz":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"fail: Upgrade and Conn": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUpgradeRequired) },
		"fail: do not follow": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://h/?s3cr3t", http.StatusFound)
		},
		"fail: is 200 OK":          func(http.ResponseWriter, *http.Request) {},
		"fail: limit per address":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"fail: authenticate after": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"fail: Sec-WebSocket-Accept": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Connection", "Upgrade")
			w.WriteHeader(http.StatusSwitchingProtocols)
		},
	} {
		want(t, publicFindings(t, front(t, h)), "public.upgrade", description)
	}
}

// raw upgrades each request and sends text, and then what comes back.
func raw(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "+accept(r.Header.Get("Sec-WebSocket-Key"))+"\r\n\r\n"+text)
		_, _ = io.Copy(conn, conn)
	}
}

func TestOtherWebSocketServers(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"an echo": "", "a message": "\x81\x02{}", "a close frame": "\x88\x00", "a huge message": "\x81\x7f\x00\x00\x00\x10\x00\x00\x00\x00", "an event": "\x81\x10" + `{"event":"hello"`,
	} {
		t.Run(name, func(t *testing.T) {
			want(t, publicFindings(t, front(t, raw(text))), "public.upgrade", "fail: it is not Ignis")
		})
	}
}

// rewriting is a proxy that does not pass on Host, and adds headers.
func rewriting(t *testing.T, address string) string {
	t.Helper()
	target, err := url.Parse(strings.Replace(strings.TrimSuffix(address, "/ws"), "ws", "http", 1))
	if err != nil {
		t.Fatal(err)
	}
	return front(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Via", "1.1 test")
		(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}).ServeHTTP(w, r)
	}))
}

func TestProxyThatChangesHost(t *testing.T) {
	t.Parallel()
	found := publicFindings(t, rewriting(t, front(t, startServer(t))))
	want(t, found, "public.upgrade", "ok: ")
	want(t, found, "public.origin", "warn: pass on Host")
	want(t, found, "public.proxy", "warn: Via: 1.1 test")
}

// relayTo is a TCP proxy in front of the server at address. If it is impatient, it closes a
// connection of a client once it has been authenticated.
func relayTo(t *testing.T, l net.Listener, address string, impatient bool) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	host := u.Host
	var running sync.WaitGroup
	running.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { relay(in, host, impatient) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		running.Wait()
	})
	u.Host = l.Addr().String()
	return u.String()
}

func relay(in net.Conn, host string, impatient bool) {
	defer in.Close()
	out, err := net.Dial("tcp", host)
	if err != nil {
		return
	}
	var up sync.WaitGroup
	up.Go(func() {
		_, _ = io.Copy(out, in)
		_ = out.Close()
	})
	defer up.Wait()
	defer in.Close()
	b := make([]byte, 4096)
	for seen := ""; ; {
		n, err := out.Read(b)
		if err != nil {
			return
		}
		if _, err := in.Write(b[:n]); err != nil {
			return
		}
		if seen += string(b[:n]); impatient && strings.Contains(seen, `"connected"`) {
			return
		}
	}
}

func TestProxyThatCutsIdleConnections(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	through := relayTo(t, l, front(t, startServer(t)), true)
	idle := func(c *Config) { c.Idle, c.App.Server.IdleTimeout = time.Minute, time.Minute }
	found := publicFindings(t, through, idle)
	want(t, found, "public.upgrade", "ok: ")
	want(t, found, "public.idle", "fail: was cut after")
	want(t, publicFindings(t, through, idle, func(c *Config) { c.App.Server.IdleTimeout = -1 }), "public.idle", "fail: set limits.idle_timeout")
}

func TestIdleWithEncryption(t *testing.T) {
	t.Parallel()
	address := front(t, startServer(t, func(c *ignis.Config) { c.Encryption = ignis.EncryptionRequired }))
	found := publicFindings(t, address, func(c *Config) { c.Idle, c.App.Server.Encryption = time.Millisecond, ignis.EncryptionRequired })
	want(t, found, "public.upgrade", "ok: ")
	want(t, found, "public.idle", "ok: ")
}

func TestIdleNeedsToken(t *testing.T) {
	t.Parallel()
	address := front(t, startServer(t))
	idle := func(c *Config) { c.Idle = time.Millisecond }
	want(t, publicFindings(t, address, idle, func(c *Config) { c.App.JWTSecret = nil }), "public.idle", "skip: --token-file")
	want(t, publicFindings(t, address, idle, func(c *Config) { c.App.Webhook.Authenticate = true }), "public.idle", "skip: --token-file")
	want(t, publicFindings(t, address, idle, func(c *Config) { c.Token = "s3cr3t" }), "public.idle", "fail: correct the token")
	signed, err := (&Config{App: valid().App, Timeout: time.Minute}).sign([]byte(testSecret))
	if err != nil {
		t.Fatal(err)
	}
	want(t, publicFindings(t, address, idle, func(c *Config) { c.Token = signed }), "public.idle", "fail: correct the token") // no audience
}

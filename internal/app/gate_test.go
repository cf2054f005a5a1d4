package app

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/ignis-go/ignis/internal/loglimit"
)

// testGate returns a gate with n places, and room for any number of waiting connections.
func testGate(n int) gate {
	return gate{make(chan struct{}, n), &waitingRoom{max: 1 << 20, log: loglimit.New(slog.New(slog.DiscardHandler))}}
}

// A connection whose header is being parsed keeps the next one waiting until it reads
// again, writes or is closed.
func TestGate(t *testing.T) {
	for name, use := range map[string]func(net.Conn){
		"read":  func(c net.Conn) { go func() { _, _ = c.Read(make([]byte, 1)) }() },
		"write": func(c net.Conn) { go func() { _, _ = c.Write([]byte("x")) }() },
		"close": func(c net.Conn) { _ = c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := testGate(1)
				first, second := pass(t, g), pass(t, g)
				synctest.Wait()
				if !first.passed() || second.passed() {
					t.Fatal("want exactly one of them inside the gate")
				}
				use(first.conn)
				synctest.Wait()
				if !second.passed() {
					t.Error("the second still waits")
				}
			})
		})
	}
}

// A connection leaves the gate if its handler started while net/http was reading ahead.
func TestGateReadAheadWhileHandling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(1)
		g.places <- struct{}{}
		p := pass(t, g)
		p.conn.(*gatedConn).handling.Store(true)
		<-g.places
		synctest.Wait()
		if !p.passed() || len(g.places) != 0 {
			t.Errorf("passed: %v, inside the gate: %d", p.passed(), len(g.places))
		}
	})
}

// passing is a connection that has received a byte and waits for the gate.
type passing struct {
	conn net.Conn
	done chan struct{}
}

func pass(t *testing.T, g gate) passing {
	near, far := net.Pipe()
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	p := passing{&gatedConn{Conn: near, outer: near, gate: g}, make(chan struct{})}
	go func() { _, _ = far.Write([]byte("x")) }()
	go func() {
		_, _ = p.conn.Read(make([]byte, 1))
		close(p.done)
	}()
	synctest.Wait()
	return p
}

func (p passing) passed() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Running handlers, reads of request bodies, and peers that stop in the middle of a header
// do not delay other connections.
func TestGateLimitsOnlyParsing(t *testing.T) {
	g := testGate(1)
	hold, held := make(chan struct{}), make(chan struct{}, 10)
	hs := httptest.NewUnstartedServer(g.open(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hold":
			_, _ = io.CopyN(io.Discard, r.Body, 1)
			held <- struct{}{}
			<-hold
		case "/hijack":
			nc, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer nc.Close()
			if _, ok := nc.(*net.TCPConn); !ok {
				t.Errorf("the handler got a %T", nc)
			}
		}
	})))
	hs.Listener, hs.Config.ConnContext = g.listen(hs.Listener), g.attach
	hs.Start()
	t.Cleanup(hs.Close) // after the peers have closed
	defer close(hold)
	dial := func(request string) net.Conn {
		t.Helper()
		nc, err := net.Dial("tcp", hs.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = nc.Close() })
		if _, err := io.WriteString(nc, request); err != nil {
			t.Fatal(err)
		}
		return nc
	}
	dial("GET / HTTP/1.1\r\nHost: half")
	ahead := dial("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")
	<-held
	_, _ = io.WriteString(ahead, "G") // net/http reads it while the handler runs
	body := dial("POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
	_, _ = io.WriteString(body, "body")
	<-held
	_, _ = io.ReadAll(dial("GET /hijack HTTP/1.1\r\nHost: x\r\n\r\nG"))
	answer, err := io.ReadAll(dial("GET /plain HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
	if err != nil || len(answer) == 0 {
		t.Errorf("got %q, %v", answer, err)
	}
}

// The gate has a place for each processor that the program uses.
func TestPlacesOfGate(t *testing.T) {
	before := runtime.GOMAXPROCS(3)
	defer runtime.GOMAXPROCS(before)
	for range 2 {
		if n := cap(newGate(nil).places); n != 3 {
			t.Errorf("%d places for 3 processors", n)
		}
	}
}

// Connections that are not behind the gate are served as usual.
func TestNoGate(t *testing.T) {
	g := testGate(1)
	hs := httptest.NewUnstartedServer(g.open(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })))
	hs.Config.ConnContext = g.attach
	hs.Start()
	defer hs.Close()
	if code, body := get(t, hs.URL); code != http.StatusOK || body != "hello" {
		t.Errorf("%d %s", code, body)
	}
}

// A handler sees the TLS state of a connection behind the gate.
func TestGateKeepsTLSState(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.TLS = nil
	c := &gatedConn{Conn: tls.Server(near, &tls.Config{}), outer: near} //nolint:gosec // no handshake takes place
	if c.describe(r); r.TLS == nil {
		t.Error("the request has no TLS state")
	}
}

package app

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"

	"github.com/ignis-go/ignis/internal/listen"
)

// gate limits how many connections parse the header of a request at the same time. Without
// it, hundreds of headers that arrive together make hundreds of goroutines runnable, and
// each client message waits until all of them have had their turn.
type gate chan struct{}

func newGate() gate { return make(gate, runtime.GOMAXPROCS(0)) }

// listen returns l with its connections behind the gate.
func (g gate) listen(l net.Listener) net.Listener { return gatedListener{l, g} }

// attach is the ConnContext function for an HTTP server whose handler was returned by open.
func (g gate) attach(ctx context.Context, c net.Conn) context.Context {
	if c, ok := c.(*gatedConn); ok {
		return context.WithValue(ctx, gateKey{}, c)
	}
	return ctx
}

type gateKey struct{}

// open returns a handler that leaves the gate and calls h. Connections that h hijacks are
// not behind the gate.
func (g gate) open(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(gateKey{}).(*gatedConn)
		if !ok {
			h.ServeHTTP(w, r)
			return
		}
		c.handling.Store(true)
		defer c.handling.Store(false)
		c.leave()
		c.describe(r)
		h.ServeHTTP(ungated{w}, r)
	})
}

type gatedListener struct {
	net.Listener
	gate gate
}

func (l gatedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &gatedConn{Conn: listen.Inner(c), outer: c, gate: l.gate}, nil
}

// gatedConn holds a place in the gate from the time a read has returned data until the
// connection is used again or the request is handled.
type gatedConn struct {
	net.Conn          // without the wrapper of the PROXY protocol, which is in the way of polling
	outer    net.Conn // knows the address
	gate     gate
	within   atomic.Bool
	handling atomic.Bool
}

func (c *gatedConn) Read(b []byte) (int, error) {
	c.leave()
	n, err := c.Conn.Read(b)
	if n > 0 && !c.handling.Load() {
		c.gate <- struct{}{}
		c.within.Store(true)
		if c.handling.Load() { // net/http reads ahead while the handler runs
			c.leave()
		}
	}
	return n, err
}

func (c *gatedConn) Write(b []byte) (int, error) {
	c.leave()
	return c.Conn.Write(b)
}

func (c *gatedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// RemoteAddr returns the address of the client.
func (c *gatedConn) RemoteAddr() net.Addr { return c.outer.RemoteAddr() }

// describe adds to a request what net/http cannot see, because the connection is wrapped:
// the state of TLS, with the client's certificate. It removes headers that name the client
// from a request that only seems to come from a proxy.
func (c *gatedConn) describe(r *http.Request) {
	if t, ok := c.Conn.(*tls.Conn); ok {
		state := t.ConnectionState()
		r.TLS = &state
	}
	if listen.Anonymous(c.outer) {
		r.Header.Del("X-Forwarded-For")
		r.Header.Del("Forwarded")
	}
}

func (c *gatedConn) leave() {
	if c.within.CompareAndSwap(true, false) {
		<-c.gate
	}
}

// ungated is a ResponseWriter whose hijacked connections are not behind the gate.
type ungated struct{ http.ResponseWriter }

// Unwrap supports [http.ResponseController].
func (w ungated) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack implements [http.Hijacker].
func (w ungated) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if c, ok := nc.(*gatedConn); ok {
		nc = c.Conn
	}
	return nc, rw, err
}

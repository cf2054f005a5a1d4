package app

import (
	"bufio"
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/ignis-go/ignis/internal/listen"
)

// gate limits how many connections parse the header of a request at the same time. Without
// it, hundreds of headers that arrive together make hundreds of goroutines runnable, and
// each client message waits until all of them have had their turn. It also limits how many
// connections wait for the rest of a header.
type gate struct {
	places  chan struct{}
	waiting *waitingRoom
}

func newGate(w *waitingRoom) gate { return gate{make(chan struct{}, runtime.GOMAXPROCS(0)), w} }

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
		c.handle(true)
		defer c.handle(false)
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
	gated := &gatedConn{Conn: listen.Inner(c), outer: c, gate: l.gate}
	l.gate.waiting.enter(gated)
	return gated, nil
}

// gatedConn holds a place in the gate from the time a read has returned data until the
// connection is used again or the request is handled.
type gatedConn struct {
	net.Conn          // without the wrapper for the PROXY protocol, so that it can be polled
	outer    net.Conn // with the wrapper, which has the client's address
	gate     gate
	within   atomic.Bool
	handling atomic.Bool
	reading  atomic.Bool
	taken    atomic.Bool // hijacked

	// Used by the goroutine that reads while no handler runs.
	heard  bool // part of a request has arrived
	served bool // there was a request before

	// Guarded by waitingRoom.mu.
	waiting *list.Element // nil while a handler runs, and at the end
	since   time.Time     // when it began to wait
}

func (c *gatedConn) Read(b []byte) (int, error) {
	c.leave()
	c.reading.Store(true)
	n, err := c.Conn.Read(b)
	c.reading.Store(false)
	if c.handling.Load() {
		return n, err
	}
	if n > 0 {
		c.heard = true
		c.gate.places <- struct{}{}
		c.within.Store(true)
		if c.handling.Load() { // net/http reads ahead while the handler runs
			c.leave()
		}
	} else if errors.Is(err, os.ErrDeadlineExceeded) && (c.heard || !c.served) {
		c.gate.waiting.late(c)
	}
	return n, err
}

// handle records that a handler begins or ends.
func (c *gatedConn) handle(begins bool) {
	if begins {
		c.handling.Store(true)
		c.gate.waiting.leave(c)
		return
	}
	c.heard, c.served = false, true // first, because net/http may still be reading ahead
	c.handling.Store(false)
	if !c.taken.Load() {
		c.gate.waiting.enter(c)
	}
}

func (c *gatedConn) Write(b []byte) (int, error) {
	c.leave()
	return c.Conn.Write(b)
}

func (c *gatedConn) Close() error {
	c.leave()
	c.gate.waiting.leave(c)
	return c.Conn.Close()
}

// RemoteAddr returns the address of the client.
func (c *gatedConn) RemoteAddr() net.Addr { return c.outer.RemoteAddr() }

// describe sets the TLS state of a request, which net/http does not know because the
// connection is wrapped. If the request seems to come from a proxy only because of a PROXY
// header without an address, describe removes the headers that name the client.
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
		<-c.gate.places
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
		c.taken.Store(true)
		nc = c.Conn
	}
	return nc, rw, err
}

package main

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
)

// gate bounds how many connections parse the header of a request at once. Hundreds of
// headers that arrive together would otherwise be hundreds of goroutines that are
// ready to run, and each message of a client would wait until all have had their turn.
type gate chan struct{}

func newGate() gate { return make(gate, runtime.GOMAXPROCS(0)) }

// listen returns l with the gate before each of its connections.
func (g gate) listen(l net.Listener) net.Listener { return gatedListener{l, g} }

// attach is the ConnContext of the server whose handler is wrapped by open.
func (g gate) attach(ctx context.Context, c net.Conn) context.Context {
	if c, ok := c.(*gatedConn); ok {
		return context.WithValue(ctx, gateKey{}, c)
	}
	return ctx
}

type gateKey struct{}

// open returns h, which runs outside the gate, and whose hijacked connections no
// longer have one.
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
	return &gatedConn{Conn: c, gate: l.gate}, nil
}

// gatedConn is within the gate from a read that brought something until it is used
// again, or the request is handled.
type gatedConn struct {
	net.Conn
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
		if c.handling.Load() { // net/http reads ahead while it calls the handler
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

func (c *gatedConn) leave() {
	if c.within.CompareAndSwap(true, false) {
		<-c.gate
	}
}

// ungated gives away connections without the gate.
type ungated struct{ http.ResponseWriter }

// Unwrap is for [http.ResponseController].
func (w ungated) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack implements [http.Hijacker].
func (w ungated) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if c, ok := nc.(*gatedConn); ok {
		nc = c.Conn
	}
	return nc, rw, err
}

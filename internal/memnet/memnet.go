// Package memnet provides a listener for connections within a process, for tests.
package memnet

import (
	"context"
	"net"
	"sync"
)

// Listener accepts the connections that are passed to it. The methods may be called
// concurrently.
type Listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Listen returns an open listener.
func Listen() *Listener {
	return &Listener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Dial connects to l, and returns the client's end when Accept has returned the other one.
func (l *Listener) Dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	if err := l.Add(ctx, server); err != nil {
		_, _ = client.Close(), server.Close()
		return nil, err
	}
	return client, nil
}

// Add makes Accept return nc, and waits for that. It returns [net.ErrClosed] if l is closed,
// and the error of ctx if ctx is done before.
func (l *Listener) Add(ctx context.Context, nc net.Conn) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case l.conns <- nc:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.closed:
		return net.ErrClosed
	}
}

// Accept returns the next connection, or [net.ErrClosed] if l is closed.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conns:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close makes Accept, Add and Dial return errors. It does not close connections.
func (l *Listener) Close() error { l.once.Do(func() { close(l.closed) }); return nil }

// Addr returns an address that cannot be dialed.
func (l *Listener) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "memory"} }

package ignistest

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
)

// host is the name that clients connect to. The top-level domain test is reserved.
const host = "ignis.test"

// listener accepts connections from the same process.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	dialed atomic.Uint32
}

func newListener() *listener {
	return &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *listener) dial(ctx context.Context) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, l.dialError(err)
	}
	client, server := net.Pipe()
	// Use the range of ephemeral ports. Applications parse the addresses and distinguish
	// clients by them.
	port := 49152 + int((l.dialed.Add(1)-1)%16384)
	err := net.ErrClosed
	select {
	case l.conns <- conn{server, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: port}}:
		return client, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-l.closed:
	}
	_, _ = client.Close(), server.Close()
	return nil, l.dialError(err)
}

func (l *listener) dialError(err error) error {
	return &net.OpError{Op: "dial", Net: "memory", Addr: l.Addr(), Err: err}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error { l.once.Do(func() { close(l.closed) }); return nil }

// Addr returns an address that is reserved for documentation (RFC 5737), like those of clients.
func (l *listener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 80} }

// conn is the server's end of a connection.
type conn struct {
	net.Conn
	remote net.Addr
}

func (c conn) RemoteAddr() net.Addr { return c.remote }

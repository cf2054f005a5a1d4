package ignistest

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/ignis-go/ignis/internal/memnet"
)

// host is the name that clients connect to. The top-level domain test is reserved.
const host = "ignis.test"

// listener accepts connections from the same process. They have addresses that are reserved
// for documentation (RFC 5737), because applications parse addresses and distinguish clients
// by them.
type listener struct {
	*memnet.Listener
	dialed atomic.Uint32
}

func newListener() *listener { return &listener{Listener: memnet.Listen()} }

func (l *listener) dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	port := 49152 + int((l.dialed.Add(1)-1)%16384) // in the range of ephemeral ports
	if err := l.Add(ctx, conn{server, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: port}}); err != nil {
		_, _ = client.Close(), server.Close()
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: l.Addr(), Err: err}
	}
	return client, nil
}

// Addr returns the address of the server.
func (l *listener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 80} }

// conn is the server's end of a connection.
type conn struct {
	net.Conn
	remote net.Addr
}

func (c conn) RemoteAddr() net.Addr { return c.remote }

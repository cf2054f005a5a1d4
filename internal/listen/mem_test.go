package listen

import (
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/ignis-go/ignis/internal/logtest"
)

// mem is a listener whose connections are in memory, for tests in fake time.
type mem struct {
	*Listener
	*Listeners
	book    *logtest.Log
	t       *testing.T
	dialed  chan net.Conn
	closing sync.Once
	peers   []net.Conn
}

// newMem returns listeners whose only listener accepts what dial connects.
func newMem(t *testing.T, c Config) *mem {
	t.Helper()
	c, book := logged(c)
	l, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	n := &mem{Listeners: l, book: book, t: t, dialed: make(chan net.Conn)}
	n.Listener = &Listener{
		Listener: memListener{n, make(chan struct{})}, address: l.cfg.Addresses[0], all: l,
		prepared: make(chan prepared), closed: make(chan struct{}),
	}
	l.list = []*Listener{n.Listener}
	n.Listener.running.Go(n.Listener.welcome)
	return n
}

func (n *mem) close() {
	n.Listeners.Close()
	for _, p := range n.peers {
		_ = p.Close()
	}
}

// Accept returns the next connection that is prepared.
func (n *mem) Accept() (net.Conn, error) { return n.Listener.Accept() }

// dial returns the peer's side of a connection, once it is accepted.
func (n *mem) dial() net.Conn {
	n.t.Helper()
	near, far := net.Pipe()
	n.peers = append(n.peers, far)
	n.dialed <- memConn{near}
	return far
}

// memListener accepts connections of a mem.
type memListener struct {
	n      *mem
	closed chan struct{}
}

func (l memListener) Accept() (net.Conn, error) {
	select {
	case nc := <-l.n.dialed:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l memListener) Close() error {
	l.n.closing.Do(func() { close(l.closed) })
	return nil
}

func (memListener) Addr() net.Addr { return memAddr }

// memConn has the address of a peer of a mem.
type memConn struct{ net.Conn }

func (memConn) RemoteAddr() net.Addr { return memAddr }

var memAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}

func anyMemPeer() Proxies {
	return Proxies{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
}

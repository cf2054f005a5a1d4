package observe

import (
	"net"
	"sync"
)

// limitedListener limits the number of open connections. Accept waits while there are too many,
// and the kernel keeps further ones until then.
type limitedListener struct {
	net.Listener
	places  chan struct{}
	closed  chan struct{}
	closing sync.Once
}

func newLimitedListener(l net.Listener) *limitedListener {
	return &limitedListener{Listener: l, places: make(chan struct{}, maxConns), closed: make(chan struct{})}
}

// Accept waits for a place and returns the next connection.
func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &limitedConn{Conn: c, leave: sync.OnceFunc(func() { <-l.places })}, nil
}

// Close stops listening. Connections that Accept has returned stay open.
func (l *limitedListener) Close() error {
	l.closing.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// limitedConn gives its place to another connection when it is closed.
type limitedConn struct {
	net.Conn
	leave func()
}

func (c *limitedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

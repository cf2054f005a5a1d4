package redisbus

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"

	"github.com/redis/rueidis"
)

var (
	errSealed = errors.New("the connection is gone")
	// errHungUp is what is known when the Redis client closes a connection by itself.
	errHungUp = errors.New("the Redis client closed the connection: it got no answer in time, or one that it does not understand")
)

// conns are the network connections of one link. They make three promises that
// the Redis client does not: it cannot open another one by itself once the link
// is complete, the first that ends ends the link, and all can be cut at once,
// whatever the client is waiting for.
type conns struct {
	mu     sync.Mutex
	open   []net.Conn
	sealed error         // not nil: no further connection, and why
	cutBy  error         // not nil: cut was called, and why
	gone   chan struct{} // closed when the first connection has ended
	cause  error         // why it did
}

func newConns() *conns { return &conns{gone: make(chan struct{})} }

// dial is the Redis client's dial function.
func (c *conns) dial(
	ctx context.Context, o *rueidis.ClientOption, addr string, d *net.Dialer, t *tls.Config,
) (net.Conn, error) {
	c.mu.Lock()
	err := c.sealed
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	conn, err := open(ctx, o, addr, d, t)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sealed != nil {
		_ = conn.Close()
		return nil, c.sealed
	}
	w := &watched{Conn: conn, owner: c}
	c.open = append(c.open, w)
	return w, nil
}

func open(ctx context.Context, o *rueidis.ClientOption, addr string, d *net.Dialer, t *tls.Config) (net.Conn, error) {
	switch {
	case o.DialCtxFn != nil:
		return o.DialCtxFn(ctx, addr, d, t)
	case o.DialFn != nil:
		return o.DialFn(addr, d, t)
	case t != nil:
		return (&tls.Dialer{NetDialer: d, Config: t}).DialContext(ctx, "tcp", addr)
	default:
		return d.DialContext(ctx, "tcp", addr)
	}
}

// seal forbids further connections: from now on losing one ends the link.
func (c *conns) seal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sealed == nil {
		c.sealed = errSealed
	}
}

// cut closes all connections, also those that are being opened.
func (c *conns) cut(cause error) {
	c.mu.Lock()
	c.sealed, c.cutBy = cause, cause
	list := c.open
	c.open = nil
	c.mu.Unlock()
	for _, conn := range list {
		_ = conn.Close()
	}
}

// ended notes that a connection is gone. The first one counts.
func (c *conns) ended(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil {
		c.cause = err
		close(c.gone)
	}
}

// closing notes that a connection is being closed: by cut, or else by the client.
func (c *conns) closing() {
	c.mu.Lock()
	cause := c.cutBy
	c.mu.Unlock()
	if cause == nil {
		cause = errHungUp
	}
	c.ended(cause)
}

// err returns why the first connection ended.
func (c *conns) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// watched is a connection that tells its owner when it ends.
type watched struct {
	net.Conn
	owner *conns
}

// Read is where a connection's end shows itself first: the client always reads.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	var timeout net.Error
	if err != nil && !(errors.As(err, &timeout) && timeout.Timeout()) {
		w.owner.ended(err)
	}
	return n, err
}

// Close closes the transport below TLS too: saying good-bye could block.
func (w *watched) Close() error {
	w.owner.closing()
	if t, ok := w.Conn.(*tls.Conn); ok {
		return t.NetConn().Close()
	}
	return w.Conn.Close()
}

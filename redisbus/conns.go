package redisbus

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/redisconn"
)

var (
	errSealed = errors.New("the connection is gone")
	// errHungUp is the cause if the Redis client closes a connection by itself.
	errHungUp = errors.New("the Redis client closed the connection: it received no reply in time, or one that it does not understand")
)

// conns holds the network connections of one link. It guarantees three things that the
// Redis client does not: the client cannot open another connection once the link is
// complete, the first connection that ends also ends the link, and all connections can be
// closed immediately, whatever the client is waiting for.
type conns struct {
	written atomic.Int64 // upper bound of the number of bytes that were written

	mu     sync.Mutex
	open   []net.Conn
	sealed error         // why no further connections are allowed; nil if they are
	cutBy  error         // why cut was called; nil if it was not
	gone   chan struct{} // closed when the first connection has ended
	cause  error         // why that connection ended
}

func newConns() *conns { return &conns{gone: make(chan struct{})} }

// dial is the Redis client's dial function.
func (c *conns) dial(
	ctx context.Context, o *rueidis.ClientOption, addr string, d *net.Dialer, t *tls.Config, limit int,
) (net.Conn, error) {
	c.mu.Lock()
	err := c.sealed
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	conn, err := redisconn.Open(ctx, o, addr, d, t, limit)
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

// seal forbids further connections: from now on, losing one ends the link.
func (c *conns) seal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sealed == nil {
		c.sealed = errSealed
	}
}

// cut closes all connections, including those being opened.
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

// ended records the end of a connection. Only the first one counts.
func (c *conns) ended(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil {
		c.cause = err
		close(c.gone)
	}
}

// closing records that cut or the client is closing a connection.
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

// because returns the *redisconn.Error with which a connection was closed, if any, and
// otherwise err, the client's error.
func (c *conns) because(err error) error {
	var refused *redisconn.Error
	if cause := c.err(); err != nil && errors.As(cause, &refused) {
		return cause
	}
	return err
}

// watched is a connection that informs its owner when it ends.
type watched struct {
	net.Conn
	owner *conns
}

// Read usually notices the end of the connection first, because the client is always
// reading.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.failed(err)
	return n, err
}

// Write may notice the end first, or be the first to report an error of Read.
func (w *watched) Write(p []byte) (int, error) {
	w.owner.written.Add(int64(len(p))) // before the write, so that written is an upper bound
	n, err := w.Conn.Write(p)
	w.failed(err)
	return n, err
}

func (w *watched) failed(err error) {
	var timeout net.Error
	if err != nil && !(errors.As(err, &timeout) && timeout.Timeout()) {
		w.owner.ended(err)
	}
}

// Close closes the transport.
func (w *watched) Close() error {
	w.owner.closing()
	return w.Conn.Close()
}

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
	// errHungUp is what is known when the Redis client closes a connection by itself.
	errHungUp = errors.New("the Redis client closed the connection: it got no answer in time, or one that it does not understand")
)

// conns are the network connections of one link. They make three promises that
// the Redis client does not: it cannot open another one by itself once the link
// is complete, the first that ends ends the link, and all can be cut at once,
// whatever the client is waiting for.
type conns struct {
	written atomic.Int64 // how many bytes the connections were given to write, at least

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

// because returns what was wrong with Redis' bytes, if a connection was ended for that, in
// place of what the client then says.
func (c *conns) because(err error) error {
	var refused *redisconn.Error
	if cause := c.err(); err != nil && errors.As(cause, &refused) {
		return cause
	}
	return err
}

// watched is a connection that tells its owner when it ends.
type watched struct {
	net.Conn
	owner *conns
}

// Read is where a connection's end shows itself first: the client always reads.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.failed(err)
	return n, err
}

// Write may be the first to meet the end, or a read's error that is not told yet.
func (w *watched) Write(p []byte) (int, error) {
	w.owner.written.Add(int64(len(p))) // before: whatever comes of it
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

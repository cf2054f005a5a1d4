package redisconn

import (
	"crypto/tls"
	"net"
	"sync"
)

// DefaultLimit is the default limit of a Conn, in bytes: 32 MiB, the size of the output
// buffer at which Redis disconnects a subscriber by default.
const DefaultLimit = 32 << 20

// Error is the reason why a connection was closed: the server sent data that is not valid in
// the protocol, or not a valid reply to the command.
type Error struct{ reason string }

func (e *Error) Error() string { return "redis: " + e.reason }

// Conn is a connection to a Redis server whose replies are checked. One goroutine may
// read and another one write, as the Redis client does.
type Conn struct {
	net.Conn

	mu      sync.Mutex
	written commandParser
	waiting queue
	reply   replyParser
	session session
	refused *Error // why the connection was closed; nil if it was not
}

// Wrap returns a Conn that checks the replies read from conn. A reply or message may have
// at most limit bytes. If limit is not positive, it is DefaultLimit.
func Wrap(conn net.Conn, limit int) *Conn {
	if limit <= 0 {
		limit = DefaultLimit
	}
	return &Conn{Conn: conn, reply: replyParser{limit: limit}}
}

// Read returns the data that passed the check. If the data after it did not, the
// error is an *Error.
func (c *Conn) Read(b []byte) (int, error) {
	if err := c.Refused(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(b)
	if n == 0 {
		return 0, c.because(err)
	}
	c.mu.Lock()
	good, refused := c.check(b[:n])
	c.refused = refused
	c.mu.Unlock()
	if refused != nil {
		_ = c.Close()
		return good, refused
	}
	return n, err
}

// Write records the commands in b and then sends them. In the opposite order, a reply might
// arrive before its command is recorded.
func (c *Conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	refused := c.refused
	if refused == nil {
		refused = c.follow(b)
		c.refused = refused
	}
	c.mu.Unlock()
	if refused != nil {
		return 0, refused
	}
	n, err := c.Conn.Write(b)
	return n, c.because(err)
}

// Refused returns the *Error with which the connection was closed, or nil.
func (c *Conn) Refused() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == nil { // a nil *Error would be a non-nil error
		return nil
	}
	return c.refused
}

// because returns the reason why this package closed the connection, if it did, in place of
// err, which says only that the connection is closed.
func (c *Conn) because(err error) error {
	if err == nil {
		return nil
	}
	if refused := c.Refused(); refused != nil {
		return refused
	}
	return err
}

// Close closes the transport below TLS, because sending a TLS close alert could
// block.
func (c *Conn) Close() error {
	if t, ok := c.Conn.(*tls.Conn); ok {
		return t.NetConn().Close()
	}
	return c.Conn.Close()
}

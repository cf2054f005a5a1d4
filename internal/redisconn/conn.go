package redisconn

import (
	"crypto/tls"
	"net"
	"sync"
)

// DefaultLimit is the limit of a Conn that is made with none: 32 MiB, which is where Redis,
// as it comes, cuts a subscriber that a message is too large for.
const DefaultLimit = 32 << 20

// Error says why a connection was ended: what the server sent was not the protocol, or not
// an answer to what it was asked.
type Error struct{ reason string }

func (e *Error) Error() string { return "redis: " + e.reason }

// Conn is a connection to a Redis whose replies are checked. One goroutine reads and one
// writes, as with the Redis client.
type Conn struct {
	net.Conn

	mu      sync.Mutex
	written commandParser
	waiting queue
	reply   replyParser
	session session
	refused *Error // not nil: the connection has ended, and why
}

// Wrap returns conn with its replies checked. One reply or message may have limit bytes;
// zero: DefaultLimit.
func Wrap(conn net.Conn, limit int) *Conn {
	if limit <= 0 {
		limit = DefaultLimit
	}
	return &Conn{Conn: conn, reply: replyParser{limit: limit}}
}

// Read returns what has been found good. Its error is an *Error if the rest was not.
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

// Write notes which commands the client sends before it sends them: an answer may come at
// once.
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

// Refused returns why the connection was ended here, as an *Error; nil: it was not.
func (c *Conn) Refused() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == nil { // a nil *Error is not a nil error
		return nil
	}
	return c.refused
}

// because returns the reason for which the connection was ended here, if it was, in place
// of what a closed connection says.
func (c *Conn) because(err error) error {
	if err == nil {
		return nil
	}
	if refused := c.Refused(); refused != nil {
		return refused
	}
	return err
}

// Close closes the transport below TLS: saying good-bye could block.
func (c *Conn) Close() error {
	if t, ok := c.Conn.(*tls.Conn); ok {
		return t.NetConn().Close()
	}
	return c.Conn.Close()
}

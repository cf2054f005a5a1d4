package sdktest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gobwas/ws"
)

// handshakeTime limits reading an upgrade request and writing its answer.
const handshakeTime = 5 * time.Second

// server accepts the connections of one case.
type server struct {
	listener net.Listener
	done     chan struct{} // closed when accepting has ended
}

// startServer listens on a loopback address and passes connections to arrived.
func startServer(arrived func(net.Conn)) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the client: %w", err)
	}
	s := &server{listener: l, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				arrived(c)
			}
		}
	}()
	return s, nil
}

func (s *server) url() string { return "ws://" + s.listener.Addr().String() + "/ws" }

// close stops accepting.
func (s *server) close() {
	_ = s.listener.Close()
	<-s.done
}

// arrive waits for the next TCP connection of the client, and answers nothing.
func (p *play) arrive() *conn { return p.arriveWithin(p.patience) }

func (p *play) arriveWithin(limit time.Duration) *conn {
	var c *conn
	p.until(limit, "the client to connect", func() bool {
		if len(p.arrived) == 0 {
			return false
		}
		c, p.arrived = p.arrived[0], p.arrived[1:]
		return true
	})
	return c
}

// noArrival checks that the client does not connect for a time.
func (p *play) noArrival(d time.Duration) {
	p.never(d, fmt.Sprintf("no new connection within %v", d), func() string {
		if len(p.arrived) == 0 {
			return ""
		}
		return "a connection"
	})
}

// upgrade answers the WebSocket handshake and starts reading.
func (c *conn) upgrade() {
	if err := c.tryUpgrade(); err != nil {
		c.p.fail("a WebSocket handshake", err.Error())
	}
}

// tryUpgrade is upgrade for a connection that the client may have given up.
func (c *conn) tryUpgrade() error {
	_ = c.nc.SetDeadline(time.Now().Add(handshakeTime))
	if _, err := ws.Upgrade(c.nc); err != nil {
		return err
	}
	_ = c.nc.SetDeadline(time.Time{})
	c.p.tracef("server: connection %d opened", c.number)
	c.readers.Go(c.read)
	return nil
}

// ignore reads a connection to its end and answers nothing, not even the handshake.
func (c *conn) ignore() {
	c.readers.Go(func() {
		_, _ = io.Copy(io.Discard, c.nc) // the end is what matters
		c.p.note(func() { c.over, c.closeCode = true, 1006 })
	})
}

// refuse answers the WebSocket handshake with an HTTP status.
func (c *conn) refuse(status int) {
	_ = c.nc.SetDeadline(time.Now().Add(handshakeTime))
	if _, err := http.ReadRequest(bufio.NewReader(c.nc)); err != nil {
		c.p.fail("a WebSocket handshake", err.Error())
	}
	_, _ = fmt.Fprintf(c.nc, "HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status, http.StatusText(status))
	c.p.tracef("server: connection %d refused with %d", c.number, status)
	_ = c.nc.Close()
}

package sdktest

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// handshakeTime limits reading an upgrade request and writing its answer.
const handshakeTime = 5 * time.Second

// maxRequest is the maximum size in bytes of an upgrade request.
const maxRequest = 16 << 10

// server accepts the connections of one case.
type server struct {
	listener net.Listener
	// path is different in each case, because a client of another program may still try
	// to reach one that had the same port before.
	path string
	wg   sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	reading map[net.Conn]bool // whose request has not been read yet
}

// startServer listens on a loopback address. It calls arrived with connections whose
// upgrade request has been read, and with the time at which they were accepted.
func startServer(arrived func(nc net.Conn, request []byte, at time.Time)) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the client: %w", err)
	}
	s := &server{listener: l, path: "/ws/" + rand.Text(), reading: make(map[net.Conn]bool)}
	s.wg.Go(func() {
		for {
			nc, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil && s.track(nc) {
				at := time.Now()
				s.wg.Go(func() { s.admit(nc, at, arrived) })
			}
		}
	})
	return s, nil
}

func (s *server) url() string { return "ws://" + s.listener.Addr().String() + s.path }

// track remembers a connection until its request has been read.
func (s *server) track(nc net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = nc.Close()
		return false
	}
	s.reading[nc] = true
	return true
}

// admit reads the request of a connection and passes it on, if it is for this server.
func (s *server) admit(nc net.Conn, at time.Time, arrived func(net.Conn, []byte, time.Time)) {
	request, err := readRequest(nc)
	s.mu.Lock()
	delete(s.reading, nc)
	closed := s.closed
	s.mu.Unlock()
	if err != nil || closed || !bytes.HasPrefix(request, []byte("GET "+s.path+" ")) {
		_ = nc.Close()
		return
	}
	arrived(nc, request, at)
}

// readRequest reads up to the end of the header. A client sends nothing after it before
// it has received the response.
func readRequest(nc net.Conn) (request []byte, err error) {
	if err := nc.SetReadDeadline(time.Now().Add(handshakeTime)); err != nil {
		return nil, err
	}
	buf := make([]byte, 4<<10)
	for !bytes.HasSuffix(request, []byte("\r\n\r\n")) {
		n, err := nc.Read(buf)
		if request = append(request, buf[:n]...); err != nil {
			return nil, err
		}
		if len(request) > maxRequest {
			return nil, fmt.Errorf("a request of more than %d bytes", maxRequest)
		}
	}
	return request, nc.SetReadDeadline(time.Time{})
}

// close stops accepting.
func (s *server) close() {
	_ = s.listener.Close()
	s.mu.Lock()
	s.closed = true
	for nc := range s.reading {
		_ = nc.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// arrive waits for the next connection of the client, and answers nothing.
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
	handshake := struct {
		io.Reader
		io.Writer
	}{bytes.NewReader(c.header), c.nc}
	if _, err := ws.Upgrade(handshake); err != nil {
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
	_, _ = fmt.Fprintf(c.nc, "HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status, http.StatusText(status))
	c.p.tracef("server: connection %d refused with %d", c.number, status)
	_ = c.nc.Close()
}

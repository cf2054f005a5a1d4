package ws

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

var (
	errEOF     = io.EOF
	errStopped = errors.New("connection is ending")
)

// Serve reads until the connection begins to end, and calls message with each
// message from the peer; the payload is message's only during the call. It
// answers pings. The early bytes are those that came with the upgrade. After
// Serve the caller calls Finish.
func (c *Conn) Serve(early []byte, message func(payload []byte, binary bool)) End {
	take := func(op ws.OpCode, payload []byte) error {
		if !c.open() {
			if op == ws.OpClose {
				c.sawClose()
			}
			return errStopped
		}
		switch op {
		case ws.OpText, ws.OpBinary:
			message(payload, op == ws.OpBinary)
		case ws.OpPing:
			c.pong(payload)
		case ws.OpClose:
			return c.peerClosed(payload)
		}
		return nil
	}
	err := c.in.feed(early, take)
	if err == nil {
		err = c.read(func(b []byte) error {
			c.lastRead.Store(time.Now().UnixNano())
			return c.in.feed(b, take)
		})
	}
	var v *violation
	if errors.As(err, &v) {
		c.garbled = true
		c.closeWith(End{CauseViolation, v.code, v.text})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == phaseOpen {
		c.abortLocked(CauseLost)
	}
	return c.end
}

func (c *Conn) open() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase == phaseOpen
}

func (c *Conn) sawClose() {
	c.mu.Lock()
	c.peerDone = true
	c.mu.Unlock()
}

// peerClosed answers the peer's close frame.
func (c *Conn) peerClosed(payload []byte) error {
	code, reason, err := closeStatus(payload)
	if err != nil {
		return err
	}
	c.sawClose()
	c.closeWith(End{CausePeerClosed, code, reason})
	return errStopped
}

// read calls f with what the peer sends until that fails or the stream ends,
// and returns why.
func (c *Conn) read(f func([]byte) error) error {
	if c.raw != nil {
		return readSocket(c.raw, f)
	}
	buf := make([]byte, 2048) // TLS: the connection holds its own as well
	for {
		n, err := c.nc.Read(buf)
		if n > 0 {
			if err := f(buf[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

const readBufferSize = 16 << 10

var readBuffers = sync.Pool{New: func() any { return new([readBufferSize]byte) }}

// Finish completes the close handshake, at most as long as CloseTimeout, and
// closes the connection. Without it a close right after a message could
// destroy that message on its way. Serve must have returned.
func (c *Conn) Finish() {
	timeout := time.NewTimer(c.opts.CloseTimeout)
	defer timeout.Stop()
	c.mu.Lock()
	closing, flushed, answered := c.phase == phaseClosing, c.flushed, c.peerDone
	if closing {
		_ = c.nc.SetDeadline(time.Now().Add(c.opts.CloseTimeout))
	}
	c.mu.Unlock()
	if closing {
		if !answered && !c.garbled {
			answered = c.awaitClose()
		}
		select {
		case <-flushed:
		case <-timeout.C:
		}
		if c.garbled {
			c.linger()
		}
	}
	c.mu.Lock()
	written := c.phase == phaseClosing && isClosed(flushed)
	lost := c.end.Cause == CauseLost
	c.phase = phaseDead
	c.discardLocked()
	c.mu.Unlock()
	c.closeSocket(written || lost, answered)
}

// awaitClose reads until the peer's close frame or the end of the stream has
// come, and reports whether it has.
func (c *Conn) awaitClose() bool {
	take := func(op ws.OpCode, _ []byte) error {
		if op == ws.OpClose {
			return errStopped
		}
		return nil
	}
	err := c.in.feed(nil, take) // it may have come with what Serve read last
	if err == nil {
		err = c.read(func(b []byte) error { return c.in.feed(b, take) })
	}
	var v *violation
	c.garbled = errors.As(err, &v)
	return errors.Is(err, errStopped) || errors.Is(err, errEOF)
}

// linger tells a peer that broke the protocol that nothing more will come, and
// throws away what it sends until it closes as well. Closing while its bytes are
// unread would reset the connection, and the reset could destroy the close frame
// that tells it why.
func (c *Conn) linger() {
	if half, ok := c.socket().(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	_ = c.read(func([]byte) error { return nil })
}

// closeSocket closes the connection: in order, or by a reset where the peer would
// not read. Answered says whether the peer has ended its side.
func (c *Conn) closeSocket(inOrder, answered bool) {
	socket := c.socket()
	if tcp, ok := socket.(interface{ SetLinger(int) error }); ok && !inOrder {
		// Otherwise the kernel goes on for minutes to offer what it has to a peer
		// that does not take it, and megabytes stay allocated.
		_ = tcp.SetLinger(0)
	}
	if socket != c.nc && !answered {
		_ = socket.Close() // or TLS would wait for room for its goodbye
	}
	_ = c.nc.Close()
}

// socket returns what is under TLS, if that is used, else the connection.
func (c *Conn) socket() net.Conn {
	if t, ok := c.nc.(interface{ NetConn() net.Conn }); ok {
		return t.NetConn()
	}
	return c.nc
}

func isClosed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

package client

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/wire"
)

// silentIntervals is the number of heartbeat intervals without data after which a server
// counts as lost. A ping in each interval requests an answer.
const silentIntervals = 3

// writePiece is the number of bytes that must be written within the write timeout.
const writePiece = 32 << 10

// read is the reading goroutine. It delivers messages to Receive, and reports why the
// connection ends to [Conn.end].
func (c *Conn) read(rest []byte) {
	defer close(c.readDone)
	// The writer closes the socket, at the latest after the close timeout.
	var src io.Reader = c.conn
	if c.cfg.HeartbeatInterval > 0 {
		src = &timeoutReader{conn: c.conn, limit: silentIntervals * c.cfg.HeartbeatInterval}
	}
	r := bufio.NewReader(io.MultiReader(bytes.NewReader(rest), src))
	err := c.readMessages(newFrameReader(r, c.cfg.MaxMessage, c.tooLong()))
	var (
		closed *CloseError
		fault  *failure
	)
	switch {
	case errors.As(err, &closed):
		c.end(c.closedBy(closed), closed.Code, "")
	case errors.As(err, &fault):
		c.end(fault.err, fault.code, "")
	default:
		c.end(lost(err), 0, "")
	}
	c.in.close()
	// Closing a socket with unread data resets it, and the server might not see the
	// close frame. So wait for the end of the stream, discarding everything, unless
	// the server has answered our close frame.
	if answered := closed != nil && errors.Is(c.err, ErrClosed); c.bye != nil && !answered {
		_, _ = io.Copy(io.Discard, r)
	}
}

// readMessages queues messages until the stream ends. Once the connection is over, it
// discards them while it waits for the server's close frame.
func (c *Conn) readMessages(f *frameReader) error {
	for {
		op, payload, err := f.next()
		if err != nil {
			return err
		}
		switch op {
		case ws.OpPing:
			select { // only the latest ping needs an answer (RFC 6455, section 5.5.3)
			case <-c.pongs:
			default:
			}
			c.pongs <- payload
		case ws.OpPong:
		case ws.OpClose:
			closed, err := parseClose(payload)
			if err != nil {
				return err
			}
			return closed
		default:
			if err := c.queue(payload); err != nil {
				return err
			}
		}
	}
}

// tooLong returns the callback for the sizes of messages over the limit, or nil if
// such a message ends the connection.
func (c *Conn) tooLong() func(size int64) {
	if c.cfg.OnTooLarge == nil {
		return nil
	}
	return func(size int64) {
		select {
		case <-c.over: // discarded, like other messages
		default:
			c.cfg.OnTooLarge(size)
		}
	}
}

// queue decodes a message and delivers it: to the request that waits for it, or
// otherwise to Receive once there is room.
func (c *Conn) queue(text []byte) error {
	select {
	case <-c.over:
		return nil
	default:
	}
	m, err := decode(text)
	switch {
	case err != nil:
	case c.key != nil:
		m, err = c.open(m)
	case !c.greeted && m.Event == wire.EventConnected:
		err = c.greet(m)
	}
	switch {
	case err != nil:
		return err
	case c.requests.take(m):
	case m.Event == wire.EventExpiring && c.connected.Protocol >= 2 && c.cfg.Refresh != nil:
		c.expiring()
	default:
		if m.Event == wire.EventDraining && c.connected.Protocol >= 2 {
			c.draining(m)
		}
		c.in.put(m, len(text), c.over)
	}
	return nil
}

func decode(text []byte) (wire.Message, error) {
	m, err := wire.DecodeMessage(text)
	switch {
	case errors.Is(err, wire.ErrFormat):
		return m, protocolError(ws.StatusInvalidFramePayloadData, "message: %w", err)
	case err != nil:
		return m, protocolError(ws.StatusProtocolError, "message: %w", err)
	}
	return m, nil
}

// write is the writing goroutine. Only it writes to the socket, and it also closes
// the socket.
func (c *Conn) write() {
	defer func() { _ = c.conn.Close() }()
	if err := c.writeFrames(); err != nil {
		c.werr = lost(err)
		close(c.deaf)
		// What the server has already sent may say why: allow time to read it.
		c.linger(time.Now().Add(closeTimeout), c.over)
		c.end(c.werr, 0, "")
		return
	}
	if c.bye == nil {
		return
	}
	if _, err := c.conn.Write(c.bye); err == nil {
		c.linger(c.cutoff, c.hurry)
	}
}

// linger waits until everything that the server sends has been read, but not beyond the
// given time or after stop is closed.
func (c *Conn) linger(until time.Time, stop <-chan struct{}) {
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-c.readDone:
	case <-t.C:
	case <-stop:
	}
}

// writeFrames writes frames until the connection is over or a write fails. It returns nil
// in the first case.
func (c *Conn) writeFrames() error {
	var (
		ticker *time.Ticker
		beat   <-chan time.Time
	)
	if c.cfg.HeartbeatInterval > 0 {
		ticker = time.NewTicker(c.cfg.HeartbeatInterval)
		defer ticker.Stop()
		beat = ticker.C
	}
	heartbeat := wire.AppendMessage(nil, wire.Message{Event: wire.EventHeartbeat})
	for {
		var err error
		select {
		case o := <-c.out:
			err = c.writeFrame(o.frame)
			if err != nil {
				o.done <- lost(err)
			} else {
				o.done <- nil
			}
		case payload := <-c.pongs:
			err = c.writeFrame(frame(ws.OpPong, payload))
		case <-beat:
			err = c.writeFrame(append(frame(ws.OpText, heartbeat), frame(ws.OpPing, nil)...))
		case every := <-c.beats: // shorter than the interval, so a ticker exists
			ticker.Reset(every)
		case <-c.over:
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// writeFrame writes in pieces, so that the timeout applies to a server that has stopped
// reading, but not to a large message on a slow connection.
func (c *Conn) writeFrame(frame []byte) error {
	for piece := range slices.Chunk(frame, writePiece) {
		if err := c.conn.SetWriteDeadline(time.Now().Add(c.cfg.WriteTimeout)); err != nil {
			return err
		}
		select {
		case <-c.over: // end has set the same deadline, or is about to
			_ = c.conn.SetWriteDeadline(c.cutoff)
		default:
		}
		_, err := c.conn.Write(piece)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("the server read too slowly: %w", err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// timeoutReader reads from a connection and fails if nothing arrives within limit. The
// time starts with each call of Read, so time between calls does not count.
type timeoutReader struct {
	conn  net.Conn
	limit time.Duration
}

func (a *timeoutReader) Read(p []byte) (int, error) {
	if err := a.conn.SetReadDeadline(time.Now().Add(a.limit)); err != nil {
		return 0, err
	}
	n, err := a.conn.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return n, fmt.Errorf("the server was silent for %v: %w", a.limit, err)
	}
	return n, err
}

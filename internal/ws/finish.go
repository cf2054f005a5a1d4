package ws

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/gobwas/ws"
)

// finish ends a connection. It runs on its own goroutine if the connection is polled.
func (c *Conn) finish() {
	c.reading.Lock() // waits for the current reader; another one cannot start
	c.mu.Lock()
	end := c.ending.End
	c.mu.Unlock()
	c.speed.stop()
	c.reading.Unlock()
	c.handler.Ended(end)
	c.shake()
	c.handler.Finished()
}

// shake completes the close handshake within CloseTimeout and closes the connection.
// Without the handshake, closing right after sending a message could destroy the message
// in transit.
func (c *Conn) shake() {
	ctx, cancel := context.WithTimeout(context.Background(), c.opts.CloseTimeout)
	defer cancel()
	c.mu.Lock()
	closing, flushed, answered := c.phase == phaseClosing, c.ending.flushed, c.peerDone
	if closing && !c.Polled() {
		_ = c.nc.SetDeadline(time.Now().Add(c.opts.CloseTimeout))
	}
	c.mu.Unlock()
	if closing {
		if !answered && !c.garbled {
			answered = c.awaitClose(ctx)
		}
		select {
		case <-flushed:
		case <-ctx.Done():
		}
		if isClosed(flushed) {
			answered = c.linger(ctx, answered) || answered
		}
	}
	c.mu.Lock()
	written := c.phase == phaseClosing && isClosed(flushed)
	lost := c.ending.Cause == CauseLost && !c.blocked
	c.phase = phaseDead
	c.seal = nil // drops the reference to the key
	c.discardLocked()
	c.mu.Unlock()
	inOrder := written || lost
	if inOrder && c.Polled() {
		inOrder = c.taken(ctx)
	}
	c.closeSocket(inOrder, answered)
}

// taken waits until the peer has confirmed everything written, and reports whether it
// has. For a peer that reads, closing without waiting would also work. A peer that does
// not read needs a reset (see closeSocket), and only waiting tells the two apart.
func (c *Conn) taken(ctx context.Context) bool {
	for pause := time.Millisecond; c.unsent() > 0; pause = min(2*pause, 50*time.Millisecond) {
		select {
		case <-ctx.Done():
			return c.unsent() == 0
		case <-time.After(pause):
		}
	}
	return true
}

// awaitClose reads until the peer's close frame or the end of the stream arrives, and
// reports whether it did.
func (c *Conn) awaitClose(ctx context.Context) bool {
	take := func(op ws.OpCode, _ []byte) error {
		if op == ws.OpClose {
			return errStopped
		}
		return nil
	}
	closed := false
	c.in.onlyClose()
	err := c.in.feed(nil, take) // the close frame may already have been read
	closed = errors.Is(err, errStopped)
	if err == nil {
		err = c.readUntil(ctx, func(b []byte) error {
			err := c.in.feed(b, take)
			closed = errors.Is(err, errStopped)
			return err
		})
	}
	var v *violation
	c.garbled = errors.As(err, &v)
	return closed || errors.Is(err, io.EOF)
}

// lingerAnswered is how long a peer that has answered the close frame may take to
// close the connection.
const lingerAnswered = time.Second

// linger ends our side of the stream and discards what the peer sends until it closes its
// side as well. It reports whether the peer did so. Closing with unread data would reset
// the connection, and the reset could destroy the close frame that tells the peer why.
// Ending our side first also means that a peer that waits for EOF gets it without waiting
// for its own system to confirm earlier data, which takes 40 ms or more. A peer that has
// answered the close frame knows that the connection is over, so linger does not wait long
// for it.
func (c *Conn) linger(ctx context.Context, answered bool) bool {
	if !c.closeWrite() && !c.garbled {
		return false
	}
	if answered {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, lingerAnswered)
		defer cancel()
		if !c.Polled() {
			deadline, _ := ctx.Deadline()
			_ = c.nc.SetReadDeadline(deadline)
		}
	}
	return errors.Is(c.readUntil(ctx, func([]byte) error { return nil }), io.EOF)
}

// closeWrite ends the stream to the peer and reports whether that was possible.
func (c *Conn) closeWrite() bool {
	if c.Polled() {
		c.sock.closeWrite()
		return true
	}
	inner := c.inner()
	if inner != c.nc { // TLS has its own EOF, which must precede that of TCP
		if outer, ok := c.nc.(closeWriter); !ok || outer.CloseWrite() != nil {
			return false
		}
	}
	half, ok := inner.(closeWriter)
	return ok && half.CloseWrite() == nil
}

// closeWriter is a connection that can close its write side.
type closeWriter interface{ CloseWrite() error }

// closeSocket closes the connection, with a reset unless inOrder is set. answered says
// whether the peer has ended its side.
func (c *Conn) closeSocket(inOrder, answered bool) {
	// Without a reset, the kernel would retransmit for minutes to a peer that does not
	// read, and keep megabytes allocated.
	if c.Polled() {
		c.sock.close(!inOrder)
		return
	}
	inner := c.inner()
	if tcp, ok := inner.(interface{ SetLinger(int) error }); ok && !inOrder {
		_ = tcp.SetLinger(0)
	}
	if inner != c.nc && !answered {
		_ = inner.Close() // otherwise TLS would wait for room to send its close alert
	}
	_ = c.nc.Close()
}

// inner returns the connection below TLS, or the connection itself without TLS.
func (c *Conn) inner() net.Conn {
	if t, ok := c.nc.(interface{ NetConn() net.Conn }); ok {
		return t.NetConn()
	}
	return c.nc
}

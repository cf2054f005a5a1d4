package ws

import (
	"context"
	"errors"
	"io"
	"runtime"
	"time"
)

// A stranger whose connection is closing, or a peer that has sent too fast, may send
// strangerRest bytes, and then one buffer after each pause. A peer that keeps sending must not
// take time from others.
const (
	strangerRest  = 128 << 10
	strangerPause = 20 * time.Millisecond
)

// readUntil calls f with the data that the peer sends until f fails, the stream ends, ctx
// is done or the connection is dead, and returns the reason.
func (c *Conn) readUntil(ctx context.Context, f func([]byte) error) error {
	trusted := c.trusted()
	for total := 0; ; {
		// Check this before each read, or a peer that keeps sending would keep the
		// loop running.
		if err := c.ended(ctx); err != nil {
			return err
		}
		n, err := c.readNext(f)
		if errors.Is(err, errAgain) { // hold no buffer while waiting, because there may be thousands of connections
			select {
			case <-ctx.Done():
			case <-c.wake:
			}
			continue
		}
		if err != nil {
			return err
		}
		if total += n; total <= strangerRest || trusted {
			runtime.Gosched()
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(strangerPause):
		}
	}
}

// trusted reports whether everything that the peer sends while c is closing is read
// immediately.
func (c *Conn) trusted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ending.Cause != CauseRate && (c.admitted.Load() || c.opts.StrangerPayload == 0)
}

// ended returns nil, or the reason why reading has ended.
func (c *Conn) ended(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == phaseDead {
		return errStopped
	}
	return ctx.Err()
}

// readNext reads once and calls f with the data.
func (c *Conn) readNext(f func([]byte) error) (n int, err error) {
	buf := readBuffers.Get().(*[]byte)
	defer readBuffers.Put(buf)
	if c.Polled() {
		if n, err = c.sock.recv(*buf); n == 0 && err == nil {
			err = io.EOF
		}
	} else {
		n, err = c.nc.Read(*buf) // nc has its own deadline
	}
	if n > 0 {
		err = errors.Join(f((*buf)[:n]), err)
	}
	return n, err
}

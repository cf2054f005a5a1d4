package client

import (
	"context"
	"crypto/ecdh"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/seal"
	"github.com/ignis-go/ignis/wire"
)

// closeTimeout is how long a close may take: sending the frame and waiting for the
// server's.
const closeTimeout = 5 * time.Second

// Conn is an authenticated connection.
//
// All methods may be called by many goroutines at the same time. Messages sent
// by one goroutine reach the server in the order of the calls; those received
// come in the order in which the server sent them, each to one caller of
// [Conn.Receive].
//
// A Conn sends heartbeats and answers pings by itself, as long as the
// application keeps receiving: up to 256 messages or 1 MiB wait for
// [Conn.Receive], and 16 times as much while a request waits for its answer; then
// nothing more is read, not even a ping, until one is
// taken. The server then holds messages back, and after its idle timeout or at
// its backpressure limit closes the connection. No message is dropped on this
// side. So a program that only sends must receive too, or close the connection
// when it is done.
//
// The connection ends when either side closes it or it is lost. Then messages
// that came before can still be received, and everything returns the error
// that [Conn.Receive] gives. Its goroutines end by themselves then;
// [Conn.Close] waits for them.
type Conn struct {
	conn    net.Conn
	cfg     Config
	private *ecdh.PrivateKey

	// What the connected event said; set before it is queued, and so before Dial
	// returns.
	greeted   bool // for the reading goroutine
	connected Connected
	key       *seal.Key                 // nil: not encrypted
	expires   atomic.Pointer[time.Time] // after a refresh

	// From the reading goroutine, which closes in at its end.
	in       *queue // to Receive
	requests requests
	refresh  refreshing
	pongs    chan []byte        // cap 1: the latest ping to answer
	beats    chan time.Duration // cap 1: a shorter interval of heartbeats; sent once
	readDone chan struct{}

	// To the writing goroutine, which sets werr and closes deaf when a write
	// failed.
	out  chan outgoing
	deaf chan struct{}
	werr error

	// The end: err, bye and cutoff are set once, before over is closed.
	endOnce sync.Once
	over    chan struct{}
	err     error
	bye     []byte // close frame to send; nil: none
	cutoff  time.Time
	hurry   chan struct{} // closed by hurryUp: wait for the server no more
	hurryUp func()

	wg sync.WaitGroup
}

// outgoing is a frame to write. done has room for the one answer.
type outgoing struct {
	frame []byte
	done  chan error
}

// newConn starts the goroutines of a connection; they end after [Conn.end].
func newConn(conn net.Conn, rest []byte, cfg Config, private *ecdh.PrivateKey) *Conn {
	c := &Conn{
		conn:     conn,
		cfg:      cfg,
		private:  private,
		in:       newQueue(),
		pongs:    make(chan []byte, 1),
		beats:    make(chan time.Duration, 1),
		readDone: make(chan struct{}),
		out:      make(chan outgoing),
		deaf:     make(chan struct{}),
		over:     make(chan struct{}),
		hurry:    make(chan struct{}),
	}
	c.hurryUp = sync.OnceFunc(func() { close(c.hurry) })
	c.wg.Go(func() { c.read(rest) })
	c.wg.Go(c.write)
	return c
}

// ID returns the id that the server gave this client.
func (c *Conn) ID() string { return c.connected.ID }

// UserID returns the id of the user as whom the server authenticated this
// client; empty for an anonymous one.
func (c *Conn) UserID() string { return c.connected.UserID }

// Connected returns the data of the connected event.
func (c *Conn) Connected() Connected {
	v := c.connected
	if at := c.expires.Load(); at != nil {
		v.Expires = *at
	}
	v.Data = slices.Clone(v.Data)
	return v
}

// Receive returns the next message. In protocol 2 a message that was sent to a room
// names it in Room, and one that was relayed for another client names that client in
// From. Error events come as messages too, with [wire.EventError], unless they answer a
// request; so do events with [wire.EventExpiring], unless [Config.Refresh] is set. With
// [Config.Encrypt] messages come opened; else sealed ones come with
// [wire.EventEncrypted].
//
// After the connection has ended and all messages are received, the error is always the
// same: one that wraps a [*CloseError] when the server closed it, [ErrClosed]
// after [Conn.Close], and else one that wraps [ErrLost] or [ErrProtocol]. When
// ctx ends first, the error is ctx's and nothing is lost.
func (c *Conn) Receive(ctx context.Context) (wire.Message, error) {
	for ctx.Err() == nil {
		m, ok, closed := c.in.take()
		switch {
		case ok:
			return m, nil
		case closed:
			return wire.Message{}, c.err
		}
		select {
		case <-c.in.some:
		case <-ctx.Done():
		}
	}
	return wire.Message{}, ctx.Err()
}

// Send sends an event with data v, which is encoded as [wire.EncodeData] does;
// nil means no data. See [Conn.SendMessage].
func (c *Conn) Send(ctx context.Context, event string, v any) error {
	data, err := wire.EncodeData(v)
	if err != nil {
		return fmt.Errorf("event %q: %w", event, err)
	}
	return c.SendMessage(ctx, wire.Message{Event: event, Data: data})
}

// SendMessage sends m and returns when the system has taken it for sending,
// which doesn't mean that the server has it. When ctx ends before that, its
// error is returned, and the message may be sent or not, but not in part. An
// error other than ctx's, or one for what m holds, means that the connection
// has ended. A message that is larger than the server says it takes is not sent; the
// error wraps [wire.ErrTooLarge]. The server answers with an error event, or not at all,
// when it does not like a message; [Conn.RequestMessage] waits for its answer.
//
// In protocol 2 the server answers a message that has an ID, and [Conn.Receive] returns
// the answer. The ID must not start with "#", as those of requests do.
func (c *Conn) SendMessage(ctx context.Context, m wire.Message) error {
	if c.connected.Protocol >= 2 {
		if err := checkID(m); err != nil {
			return fmt.Errorf("event %q: %w", m.Event, err)
		}
	}
	_, err := c.sendMessage(ctx, m)
	return err
}

// sendMessage is SendMessage for any ID. If it fails, taken reports whether the server
// may get the message all the same.
func (c *Conn) sendMessage(ctx context.Context, m wire.Message) (taken bool, err error) {
	if m.Event == "" {
		return false, errors.New("message without an event")
	}
	if m.Data != nil {
		if err := wire.Valid(m.Data); err != nil {
			return false, fmt.Errorf("event %q: data: %w", m.Event, err)
		}
	}
	text := wire.AppendMessage(make([]byte, 0, wire.MessageSize(m)), m)
	if c.key != nil {
		text = c.key.AppendFrame(nil, text, nil)
	}
	if limit := c.connected.MaxPayload; limit > 0 && len(text) > limit {
		return false, fmt.Errorf("event %q: %w: %d bytes, and the server takes %d", m.Event, wire.ErrTooLarge, len(text), limit)
	}
	return c.send(ctx, text)
}

// send sends a text as it is. If it fails, taken reports whether the text may be sent
// all the same.
func (c *Conn) send(ctx context.Context, text []byte) (taken bool, err error) {
	o := outgoing{frame: frame(ws.OpText, text), done: make(chan error, 1)}
	select { // the writer may still take it, but not send it
	case <-c.over:
		return false, c.err
	default:
	}
	select {
	case c.out <- o:
	case <-c.over:
		return false, c.err
	case <-c.deaf:
		return false, c.werr
	case <-ctx.Done():
		return false, ctx.Err()
	}
	select {
	case err := <-o.done:
		return true, err
	case <-ctx.Done():
		return true, ctx.Err()
	}
}

// Close closes the connection with code 1000; see [Conn.CloseWith].
func (c *Conn) Close() error {
	return c.CloseWith(uint16(ws.StatusNormalClosure), "")
}

// CloseWith closes the connection with a close code and a reason, waits up to
// 5 s for the server to confirm, and returns when all goroutines are gone. The
// code is 1000 or from 3000 to 4999, the reason at most 123 bytes of UTF-8;
// otherwise there is an error and nothing happens. Messages that arrive from
// now on are discarded. On a connection that has ended, and when called again,
// it only waits for the goroutines; it returns nil then.
func (c *Conn) CloseWith(code uint16, reason string) error {
	switch {
	case code != uint16(ws.StatusNormalClosure) && (code < 3000 || code > 4999):
		return fmt.Errorf("close code %d; must be 1000 or from 3000 to 4999", code)
	case len(reason) > ws.MaxControlFramePayloadSize-2 || !utf8.ValidString(reason):
		return fmt.Errorf("close reason must be UTF-8 of at most %d bytes", ws.MaxControlFramePayloadSize-2)
	}
	c.end(ErrClosed, code, reason)
	if !errors.Is(c.err, ErrClosed) {
		c.hurryUp()
	}
	c.wg.Wait()
	return nil
}

// abort ends the connection without waiting for the server.
func (c *Conn) abort() {
	c.end(ErrClosed, uint16(ws.StatusNormalClosure), "")
	c.hurryUp()
	c.wg.Wait()
}

// end records why the connection is over, the first time it is called, and
// makes the goroutines finish. With code 0 no close frame is sent.
func (c *Conn) end(err error, code uint16, reason string) {
	c.endOnce.Do(func() {
		c.err = err
		switch code {
		case 0:
		case uint16(ws.StatusNoStatusRcvd):
			c.bye = frame(ws.OpClose, nil)
		default:
			c.bye = frame(ws.OpClose, ws.NewCloseFrameBody(ws.StatusCode(code), reason))
		}
		c.cutoff = time.Now().Add(closeTimeout)
		close(c.over)
		_ = c.conn.SetWriteDeadline(c.cutoff) // of a write in progress
	})
}

// lost is the error for a connection that ended with err from its socket.
func lost(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: ended without a close frame", ErrLost)
	}
	return fmt.Errorf("%w: %w", ErrLost, err)
}

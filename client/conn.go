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

// closeTimeout limits a close: sending the close frame and waiting for the server's.
const closeTimeout = 5 * time.Second

// Conn is an authenticated connection.
//
// Multiple goroutines may call its methods concurrently. Messages sent by one
// goroutine reach the server in the order of the calls. Received messages are
// returned in the order in which the server sent them, each to one caller of
// [Conn.Receive].
//
// A Conn sends heartbeats and answers pings as long as the application keeps receiving.
// Up to 256 messages or 1 MiB wait for [Conn.Receive], and 16 times as much while a
// request waits for its answer. Beyond that, the Conn reads nothing more, not even a ping,
// until a message is received. The server then holds messages back, and closes the
// connection after its idle timeout or at its backpressure limit. The client never drops
// messages. So even a program that only sends must receive, or close the connection when
// it is done.
//
// The connection ends when either side closes it or it is lost. Messages that arrived
// before can still be received. After that, methods that send or receive return the error
// that [Conn.Receive] returns. The goroutines of a Conn then end, and [Conn.Close] waits
// for them.
type Conn struct {
	conn    net.Conn
	cfg     Config
	private *ecdh.PrivateKey

	// The content of the connected event. It is set before the event is queued, and
	// so before Dial returns.
	greeted   bool // for the reading goroutine only
	connected Connected
	key       *seal.Key                 // nil if not encrypted
	expires   atomic.Pointer[time.Time] // set by a refresh

	// Written by the reading goroutine, which closes in at its end.
	in       *queue // messages for Receive
	requests requests
	refresh  refreshing
	retryAt  time.Time          // from a draining event; for the reading goroutine only
	pongs    chan []byte        // capacity 1: the latest ping to answer
	beats    chan time.Duration // capacity 1: a shorter heartbeat interval; sent once
	readDone chan struct{}

	// Read by the writing goroutine, which sets werr and closes deaf if a write
	// fails.
	out  chan outgoing
	deaf chan struct{}
	werr error

	// How the connection ends: err, bye and cutoff are set once, before over is closed.
	endOnce sync.Once
	over    chan struct{}
	err     error
	bye     []byte // close frame to send; nil for none
	cutoff  time.Time
	hurry   chan struct{} // closed by hurryUp: stop waiting for the server
	hurryUp func()

	wg sync.WaitGroup
}

// outgoing is a frame to write. done has room for the one result.
type outgoing struct {
	frame []byte
	done  chan error
}

// newConn starts the goroutines of a connection. They end after [Conn.end].
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

// ID returns the ID that the server assigned to this client.
func (c *Conn) ID() string { return c.connected.ID }

// UserID returns the ID of the user that the server authenticated. It is empty for an
// anonymous client.
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

// Receive returns the next message. In protocol 2, a message sent to a room names the
// room in Room, and a message relayed for another client names that client in From.
// Error events are returned as messages with [wire.EventError], unless they answer a
// request, and so are events with [wire.EventExpiring], unless [Config.Refresh] is set.
// An event with [wire.EventDraining] announces that the server will close the connection
// soon; see [CloseError.Reconnect]. With [Config.Encrypt], messages are decrypted;
// without it, sealed ones are returned with [wire.EventEncrypted].
//
// Once the connection has ended and all messages have been received, Receive always
// returns the same error: one that wraps a [*CloseError] if the server closed the
// connection, [ErrClosed] after [Conn.Close], and otherwise one that wraps [ErrLost]
// or [ErrProtocol]. If ctx is done first, Receive returns ctx's error, and no message
// is lost.
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

// Send sends an event with data v, encoded by [wire.EncodeData]; nil means no data.
// See [Conn.SendMessage].
func (c *Conn) Send(ctx context.Context, event string, v any) error {
	data, err := wire.EncodeData(v)
	if err != nil {
		return fmt.Errorf("event %q: %w", event, err)
	}
	return c.SendMessage(ctx, wire.Message{Event: event, Data: data})
}

// SendMessage sends m and returns when the operating system has accepted it, which
// does not mean that the server has received it. If ctx is done before that,
// SendMessage returns ctx's error, and the message may or may not be sent, but never
// in part. An error that is neither ctx's nor about the content of m means that the
// connection has ended. If the message is larger than the server's limit, it is not
// sent, and the error wraps [wire.ErrTooLarge]. If the server rejects a message, it
// answers with an error event or not at all; [Conn.RequestMessage] waits for the
// answer.
//
// In protocol 2, the server answers a message that has an ID, and [Conn.Receive]
// returns the answer. The ID must not start with "#", which is reserved for requests.
func (c *Conn) SendMessage(ctx context.Context, m wire.Message) error {
	if c.connected.Protocol >= 2 {
		if err := checkID(m); err != nil {
			return fmt.Errorf("event %q: %w", m.Event, err)
		}
	}
	_, err := c.sendMessage(ctx, m)
	return err
}

// sendMessage is SendMessage for any ID. If it fails, taken reports whether the
// server may still receive the message.
func (c *Conn) sendMessage(ctx context.Context, m wire.Message) (taken bool, err error) {
	if m.Event == "" {
		return false, errors.New("the event is empty")
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
		return false, fmt.Errorf("event %q: %w: %d bytes, but the server accepts at most %d", m.Event, wire.ErrTooLarge, len(text), limit)
	}
	return c.send(ctx, text)
}

// send sends text unchanged. If it fails, taken reports whether the text may still be
// sent.
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

// CloseWith closes the connection with a close code and a reason, waits up to 5 s for
// the server to confirm, and returns when all goroutines have ended. The code must be
// 1000 or from 3000 to 4999, and the reason at most 123 bytes of UTF-8; otherwise
// CloseWith returns an error and does nothing. Messages that arrive after the call are
// discarded. If the connection has already ended, CloseWith only waits for the goroutines
// and returns nil.
func (c *Conn) CloseWith(code uint16, reason string) error {
	switch {
	case code != uint16(ws.StatusNormalClosure) && (code < 3000 || code > 4999):
		return fmt.Errorf("close code %d: want 1000 or 3000 to 4999", code)
	case len(reason) > ws.MaxControlFramePayloadSize-2 || !utf8.ValidString(reason):
		return fmt.Errorf("close reason of %d bytes: want at most %d bytes of UTF-8", len(reason), ws.MaxControlFramePayloadSize-2)
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

// end records, the first time it is called, why the connection is over, and makes the
// goroutines finish. With code 0 no close frame is sent.
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
		_ = c.conn.SetWriteDeadline(c.cutoff) // interrupts a write in progress
	})
}

// lost returns the error for a connection whose socket failed with err.
func lost(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ended without a close frame", ErrLost)
	}
	return fmt.Errorf("%w: %w", ErrLost, err)
}

package client

import (
	"context"
	"crypto/ecdh"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/seal"
	"github.com/ignis-go/ignis/wire"
)

const (
	// queueMessages and queueBytes bound what waits for Receive.
	queueMessages = 256
	queueBytes    = 1 << 20

	// closeTimeout is how long a close may take: sending the frame and waiting
	// for the server's.
	closeTimeout = 5 * time.Second
)

// Conn is an authenticated connection.
//
// All methods may be called by many goroutines at the same time. Messages sent
// by one goroutine reach the server in the order of the calls; those received
// come in the order in which the server sent them, each to one caller of
// [Conn.Receive].
//
// A Conn sends heartbeats and answers pings by itself, as long as the
// application keeps receiving: up to 256 messages or 1 MiB wait for
// [Conn.Receive]; then nothing more is read, not even a ping, until one is
// taken. The server then holds messages back, and after its idle timeout or at
// its backpressure limit closes the connection. No message is dropped on this
// side. So a program that only sends must receive too, or close the connection
// when it is done.
//
// The connection ends when either side closes it or it is lost. Then messages
// that came before can still be received, and everything returns the error
// that [Conn.Receive] gives. Its two goroutines end by themselves then;
// [Conn.Close] waits for them.
type Conn struct {
	conn      net.Conn
	cfg       Config
	connected Connected // set before Dial returns
	private   *ecdh.PrivateKey
	key       *seal.Key // nil: not encrypted; set before the connected event is queued

	// From the reading goroutine, which closes in at its end, to Receive.
	in       chan received
	inBytes  atomic.Int64
	inTaken  chan struct{} // cap 1: Receive took something
	pongs    chan []byte   // cap 1: the latest ping to answer
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

type received struct {
	m    wire.Message
	size int64
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
		in:       make(chan received, queueMessages),
		inTaken:  make(chan struct{}, 1),
		pongs:    make(chan []byte, 1),
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
	v.Data = slices.Clone(v.Data)
	return v
}

// Receive returns the next message. Error events come as messages too, with
// [wire.EventError]. With [Config.Encrypt] messages come opened; else sealed ones
// come with [wire.EventEncrypted].
//
// After the connection has ended and all messages are received, the error is
// for ever the same: a [*CloseError] when the server closed it, [ErrClosed]
// after [Conn.Close], and else one that wraps [ErrLost] or [ErrProtocol]. When
// ctx ends first, the error is ctx's and nothing is lost.
func (c *Conn) Receive(ctx context.Context) (wire.Message, error) {
	select {
	case r, ok := <-c.in:
		if !ok {
			return wire.Message{}, c.err
		}
		c.inBytes.Add(-r.size)
		select {
		case c.inTaken <- struct{}{}:
		default:
		}
		return r.m, nil
	case <-ctx.Done():
		return wire.Message{}, ctx.Err()
	}
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
// has ended. The server answers with an error event, or not at all, when it
// does not like a message; it closes the connection when it is too large.
func (c *Conn) SendMessage(ctx context.Context, m wire.Message) error {
	if m.Event == "" {
		return errors.New("message without an event")
	}
	if m.Data != nil {
		if err := wire.Valid(m.Data); err != nil {
			return fmt.Errorf("event %q: data: %w", m.Event, err)
		}
	}
	text := wire.AppendMessage(make([]byte, 0, wire.MessageSize(m)), m)
	if c.key != nil {
		text = c.key.AppendFrame(nil, text, nil)
	}
	return c.send(ctx, text)
}

// send sends a text as it is.
func (c *Conn) send(ctx context.Context, text []byte) error {
	o := outgoing{frame: frame(ws.OpText, text), done: make(chan error, 1)}
	select { // the writer may still take it, but not send it any more
	case <-c.over:
		return c.err
	default:
	}
	select {
	case c.out <- o:
	case <-c.over:
		return c.err
	case <-c.deaf:
		return c.werr
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Join asks the server for rooms. It answers nothing, neither when the client is
// in the rooms nor when it refuses: rooms that its validator does not allow are
// left out. Room names have 1 to 256 UTF-16 code units and don't start with
// "ws:"; for others Join returns an error and asks for none.
func (c *Conn) Join(ctx context.Context, rooms ...string) error {
	return c.rooms(ctx, wire.EventJoin, rooms)
}

// Leave tells the server that the client leaves rooms; there is no answer.
// Rooms that the client is not in don't matter. Names are checked as by
// [Conn.Join].
func (c *Conn) Leave(ctx context.Context, rooms ...string) error {
	return c.rooms(ctx, wire.EventLeave, rooms)
}

func (c *Conn) rooms(ctx context.Context, event string, rooms []string) error {
	if len(rooms) == 0 {
		return nil
	}
	for _, room := range rooms {
		switch {
		case room == "":
			return fmt.Errorf("%s: empty room name", event)
		case !utf8.ValidString(room):
			return fmt.Errorf("%s: room name %q is not UTF-8", event, room)
		case strings.HasPrefix(room, wire.ReservedPrefix):
			return fmt.Errorf("%s: room name %q starts with %q", event, room, wire.ReservedPrefix)
		case len(room) > wire.MaxRoomName && len(utf16.Encode([]rune(room))) > wire.MaxRoomName:
			return fmt.Errorf("%s: room name of more than %d UTF-16 code units", event, wire.MaxRoomName)
		}
	}
	return c.Send(ctx, event, map[string][]string{"rooms": rooms})
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

// authenticate sends the credentials and takes messages up to the answer.
func (c *Conn) authenticate(ctx context.Context, credentials json.RawMessage) error {
	err := c.send(ctx, wire.AppendMessage(nil, wire.Message{Event: wire.EventAuthenticate, Data: credentials}))
	if err != nil && ctx.Err() != nil {
		return err
	} // else what the server said first tells more
	var said struct {
		Message string `json:"message"`
	}
	for {
		m, err := c.Receive(ctx)
		switch {
		case err != nil && said.Message != "":
			return fmt.Errorf("%w, saying %.200q", err, said.Message)
		case err != nil:
			return err
		}
		switch m.Event {
		case wire.EventConnected:
			return c.accept(m)
		case wire.EventError: // comes before a close frame, which tells the rest
			_ = m.Decode(&said)
		default:
			return fmt.Errorf("%w: event %.100q before %q", ErrProtocol, m.Event, wire.EventConnected)
		}
	}
}

// accept takes the data of the connected event.
func (c *Conn) accept(m wire.Message) error {
	if err := m.Decode(&c.connected); err != nil {
		return fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	if c.connected.ID == "" {
		return fmt.Errorf("%w: event %q without an id", ErrProtocol, m.Event)
	}
	c.connected.Data = m.Data
	return nil
}

// lost is the error for a connection that ended with err from its socket.
func lost(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: ended without a close frame", ErrLost)
	}
	return fmt.Errorf("%w: %w", ErrLost, err)
}

package ws

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gobwas/ws"
)

// Cause says why a connection ended.
type Cause uint8

// The causes. The first one counts: what follows from it is not recorded.
const (
	CauseNone         Cause = iota
	CausePeerClosed         // the peer sent a close frame
	CauseLost               // the connection broke, or ended without a close frame
	CauseViolation          // the peer broke the protocol
	CauseServerClosed       // Close was called
	CauseBackpressure       // more than the backpressure limit was waiting
	CauseIdle               // Abort(CauseIdle): nothing was heard, not even a pong
	CauseAborted            // Abort for any other reason
)

// End says how a connection ended.
type End struct {
	Cause Cause
	// Code and Reason are those of the close frame that began the end; Code is
	// 1006 when there was none.
	Code   uint16
	Reason string
}

// closeAbnormal stands for an end without a close frame; never on the wire.
const closeAbnormal uint16 = 1006

// Options are what the connections of one server have in common.
type Options struct {
	Flusher           *Flusher
	MaxPayload        int           // bytes of one message from the peer
	BackpressureLimit int           // bytes waiting for the peer
	DropWhenFull      bool          // over the limit drop messages; else close
	CloseTimeout      time.Duration // for the close handshake
	// SealFailed is called when a message could not be sealed and was dropped.
	SealFailed func(error)
}

// Verdict says what became of a message given to Enqueue.
type Verdict uint8

// The verdicts.
const (
	Queued  Verdict = iota
	Full            // dropped, or the connection was ended, at the limit
	Closing         // not queued: the connection is ending
)

// Sealer makes the text that goes out in place of a message's text.
type Sealer func(text []byte) ([]byte, error)

type phase uint8

const (
	phaseOpen    phase = iota
	phaseClosing       // a close frame is queued; nothing may follow it
	phaseDead          // ended without one, or its time is up
)

// Conn is the server's side of a WebSocket connection. All methods but Serve
// and Finish may be called from any goroutine and none of them blocks.
type Conn struct {
	nc   net.Conn
	raw  syscall.RawConn // nil: cannot be written without blocking
	opts *Options
	work *worker
	in   parser // Serve's and Finish's

	lastRead atomic.Int64 // unix nanoseconds

	mu        sync.Mutex
	queue     []*Message
	queued    int  // bytes in queue and in the hands of the writer
	scheduled bool // a worker or a writer goroutine has the connection, or will
	blocked   bool // the socket was full
	held      bool // writing waits for Release
	phase     phase
	end       End
	seal      Sealer
	peerDone  bool          // the peer's close frame has come
	flushed   chan struct{} // made by the first Close; closed when all is written
	ending    chan struct{} // made by Ending; closed when phase leaves open
}

var (
	errEOF     = io.EOF
	errStopped = errors.New("connection is ending")
)

// NewConn returns a connection over nc.
func NewConn(nc net.Conn, opts *Options) *Conn {
	c := &Conn{nc: nc, raw: rawConn(nc), opts: opts, work: opts.Flusher.next()}
	c.in.max = opts.MaxPayload
	c.lastRead.Store(time.Now().UnixNano())
	return c
}

// Enqueue queues m for writing, after all that has been queued before.
func (c *Conn) Enqueue(m *Message) Verdict {
	c.mu.Lock()
	if c.phase != phaseOpen {
		c.mu.Unlock()
		return Closing
	}
	// One message over the limit may go to a connection with nothing waiting:
	// its size is not the peer's fault.
	if c.queued > 0 && c.queued+m.Size() > c.opts.BackpressureLimit {
		if !c.opts.DropWhenFull {
			c.abortLocked(CauseBackpressure)
		}
		c.mu.Unlock()
		return Full
	}
	c.appendLocked(m)
	c.mu.Unlock()
	return Queued
}

func (c *Conn) appendLocked(m *Message) {
	c.queue = append(c.queue, m)
	c.queued += m.Size()
	if !c.scheduled && !c.held {
		c.scheduleLocked()
	}
}

func (c *Conn) scheduleLocked() {
	c.scheduled = true
	if c.raw == nil || c.seal != nil {
		c.opts.Flusher.spawn(c, nil, nil, nil)
		return
	}
	c.work.push(c)
}

// Hold keeps what is queued from now on from being written until Release. What
// is already being written may still go out.
func (c *Conn) Hold() {
	c.mu.Lock()
	c.held = true
	c.mu.Unlock()
}

// Release ends Hold.
func (c *Conn) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = false
	if len(c.queue) > 0 && !c.scheduled {
		c.scheduleLocked()
	}
}

// Seal makes every text message that is not yet written go out as seal makes
// it, except those marked by [Message.Clear]. It must be called while the
// connection is held. The seal function is called by one goroutine at a time, in the order of the queue, and off the shared
// workers: if it is slow or panics it hurts this connection alone.
func (c *Conn) Seal(seal Sealer) {
	c.mu.Lock()
	c.seal = seal
	c.mu.Unlock()
}

// Ping queues a ping.
func (c *Conn) Ping() { c.Enqueue(pingMessage) }

var pingMessage = control(ws.OpPing, nil)

// Close queues a close frame after all that is queued. Serve returns at once;
// Finish completes the close handshake. Only the first end of a connection
// counts.
func (c *Conn) Close(code uint16, reason string) {
	c.closeWith(End{CauseServerClosed, code, reason})
}

func (c *Conn) closeWith(end End) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != phaseOpen {
		return
	}
	c.end = end
	body := ws.NewCloseFrameBody(ws.StatusCode(end.Code), end.Reason)
	if end.Code == closeNoStatus {
		body = nil
	}
	c.flushed = make(chan struct{})
	c.held = false
	c.appendLocked(control(ws.OpClose, body))
	c.leaveOpenLocked(phaseClosing)
}

// Abort ends the connection without a close frame; what is queued is discarded.
func (c *Conn) Abort(cause Cause) {
	c.mu.Lock()
	c.abortLocked(cause)
	c.mu.Unlock()
}

func (c *Conn) abortLocked(cause Cause) {
	if c.phase == phaseOpen {
		c.end = End{Cause: cause, Code: closeAbnormal}
	}
	c.discardLocked()
	c.leaveOpenLocked(phaseDead)
	// A deadline in the past wakes reader and writer at once; closing here could
	// block on a TLS connection.
	_ = c.nc.SetDeadline(past)
}

// past is any time that is over.
var past = time.Unix(1, 0)

// leaveOpenLocked moves to a later phase and wakes the reader.
func (c *Conn) leaveOpenLocked(to phase) {
	if c.phase == phaseOpen && c.ending != nil {
		close(c.ending)
	}
	c.phase = to
	_ = c.nc.SetReadDeadline(past)
}

// discardLocked forgets what has not been written.
func (c *Conn) discardLocked() {
	c.queue = nil
	if c.flushed != nil {
		c.flushedLocked()
	}
}

func (c *Conn) flushedLocked() {
	select {
	case <-c.flushed:
	default:
		close(c.flushed)
	}
}

// Ending returns a channel that is closed when the connection begins to end.
func (c *Conn) Ending() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending == nil {
		c.ending = make(chan struct{})
		if c.phase != phaseOpen {
			close(c.ending)
		}
	}
	return c.ending
}

// LastRead returns when something was last heard from the peer, pongs included.
func (c *Conn) LastRead() time.Time { return time.Unix(0, c.lastRead.Load()) }

// Backpressured reports whether the socket is full, so that messages wait.
func (c *Conn) Backpressured() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.blocked || c.raw == nil && c.queued > chunk
}

// RemoteAddr returns the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

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
			c.Enqueue(control(ws.OpPong, payload))
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
	c.mu.Lock()
	flushed, waitPeer := c.flushed, !c.peerDone && c.phase == phaseClosing
	if c.phase == phaseClosing {
		_ = c.nc.SetDeadline(time.Now().Add(c.opts.CloseTimeout))
	}
	c.mu.Unlock()
	if waitPeer {
		_ = c.read(func(b []byte) error {
			return c.in.feed(b, func(op ws.OpCode, _ []byte) error {
				if op == ws.OpClose {
					return errStopped
				}
				return nil
			})
		})
	}
	if flushed != nil {
		timeout := time.NewTimer(c.opts.CloseTimeout)
		select {
		case <-flushed:
		case <-timeout.C:
		}
		timeout.Stop()
	}
	c.mu.Lock()
	c.phase = phaseDead
	c.discardLocked()
	c.mu.Unlock()
	_ = c.nc.Close()
}

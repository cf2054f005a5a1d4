package ws

import (
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ignis-go/ignis/internal/limit"
)

// Cause says why a connection ended.
type Cause uint8

// Only the first cause of a connection's end is recorded.
const (
	CauseNone         Cause = iota
	CausePeerClosed         // the peer sent a close frame
	CauseLost               // the connection broke, or ended without a close frame
	CauseViolation          // the peer broke the protocol
	CauseServerClosed       // Close was called
	CauseRule               // CloseFor(CauseRule): the server enforced one of its own rules
	CauseBackpressure       // the waiting messages exceeded the backpressure limit
	CauseIdle               // Abort(CauseIdle): the peer sent nothing, not even a pong
	CauseSealing            // Abort(CauseSealing): sealing its messages took too long
	CauseStranger           // the peer sent too much before Admit
	CauseBehind             // CloseFor(CauseBehind): the peer's messages were not handled in time
	CauseStuck              // Abort(CauseStuck): the peer did not read what was queued for it
	CauseRate               // the peer sent too fast for too long
	CauseMemory             // Abort(CauseMemory): the process is running out of memory
	CauseAge                // CloseFor(CauseAge): the connection has existed for long enough
	CauseAborted            // Abort for any other reason
)

// End says how a connection ended.
type End struct {
	Cause Cause
	// Code and Reason come from the first close frame, the peer's or ours. Code is 1006
	// if there was none.
	Code   uint16
	Reason string
}

// closeAbnormal is the code of a connection that ended without a close frame. It is never
// sent.
const closeAbnormal uint16 = 1006

// Handler receives the events of a connection. Its methods are called one at a time.
type Handler interface {
	// Message receives a message from the peer. The payload is valid only during the
	// call. Message must not block, because the same goroutine reads from other
	// connections. It may call any method of the connection.
	Message(payload []byte, binary bool)
	// Ended is called once, after the last Message, when the connection starts to
	// close. It may block.
	Ended(End)
	// Throttled is called when reading pauses because the peer sends too fast. It is not
	// called again until the peer has caught up. It must not block.
	Throttled()
	// Finished is called last, once the socket is closed.
	Finished()
}

// Options holds the settings that all connections of a server share.
type Options struct {
	Engine            *Engine
	MaxPayload        int           // maximum size of a message from the peer, in bytes
	StrangerPayload   int           // the same before Admit; 0 if there are no strangers
	StrangerFrames    int           // maximum number of frames of any kind before Admit
	BackpressureLimit int           // maximum cost of the messages that wait for the peer, in bytes
	SendBuffer        int           // size of a socket's send buffer, in bytes; 0 keeps the system's default
	CloseTimeout      time.Duration // maximum duration of the close handshake
	Frames            limit.Rate    // frames of any kind that a peer may send
	Bytes             limit.Rate    // bytes that a peer may send; a compressed message also counts decompressed
	ThrottleTimeout   time.Duration // maximum time for which a peer may send too fast; required with Frames and Bytes
	// SealFailed is called when a message is dropped because it could not be sealed.
	// It is required if Seal is used.
	SealFailed func(error)
	// Flushed, if not nil, is called after writes to sockets with the number of writes, the
	// number of messages that each of them began, and the number of bytes that all of them
	// wrote; messages or bytes may be 0. Joined messages begin together. Several goroutines
	// call Flushed concurrently, and it must not block, because they write to other
	// connections as well.
	Flushed func(writes, messages, bytes int)
}

// Sealer appends to dst the text to send in place of text.
type Sealer func(dst, text []byte) ([]byte, error)

type phase uint8

const (
	phaseOpen    phase = iota
	phaseClosing       // a close frame is queued, and nothing may follow it
	phaseDead          // aborted, or the close handshake is over
)

// Conn is the server's side of a WebSocket connection. All methods may be called from
// any goroutine, and none of them blocks.
//
// A Conn is either polled or plain. If it is polled, the engine's pollers read from
// it and its workers write to it, through a descriptor that the Conn owns. If it is
// plain, one goroutine reads from nc, and another writes to nc while there is
// something to write.
type Conn struct {
	nc      net.Conn // nil if polled
	sock    socket   // used if polled
	opts    *Options
	work    *worker
	handler Handler

	reading sync.Mutex // held while reading; guards the following fields until finish takes over
	in      parser
	garbled bool // the peer broke the protocol, and its input is ignored
	behind  bool // some input has been read but not consumed

	late  bool // owned by the poller: the connection waits for its next turn
	whole bool // owned by the poller: read until the socket is empty, because an event may have been lost

	unconfirmed int32 // number of bytes that the peer had not confirmed at the last call of Stuck

	speed speed // guarded by reading

	admitted atomic.Bool  // the peer is no longer a stranger
	unbound  int32        // owned by the writer: bytes it may write before it limits the socket's buffer
	lastRead atomic.Int64 // the clock at the last read
	progress atomic.Int64 // the clock at the last write of queued data; 0 if nothing waits for the peer

	window uint8 // window of outgoing compressed messages, in bits; 0 disables compression

	mu        sync.Mutex
	phase     phase
	started   bool
	unread    bool          // data arrived before Start
	scheduled bool          // a writer is writing or will write
	parked    bool          // polled: writing continues once the socket has room
	blocked   bool          // the socket was full and has not caught up yet
	held      bool          // writing waits for Release
	paused    pauses        // why reading is paused
	away      bool          // a separate goroutine handles deferred input
	hungUp    bool          // the peer has closed its side, or the connection is broken
	peerDone  bool          // the peer's close frame has arrived
	pongs     uint8         // upper bound of the number of waiting pongs
	slow      bool          // seal must not run on the workers
	backlog   *backlog      // waiting messages; nil if there are none
	rest      []byte        // the unwritten rest of a partial write
	queued    int           // cost of the messages that wait or are being written, in bytes
	pongAt    int           // index of a waiting pong in the backlog, plus 1; 0 if no pong waits
	seal      Sealer        // nil if messages are not sealed
	wake      chan struct{} // has an element when the reader must check again
	ending    *ending       // nil while the connection is open
}

// ending is how a connection ends. It is separate so that an open one needs less memory.
type ending struct {
	End
	flushed   chan struct{} // closed once everything is written; nil without a close frame
	discarded int           // size of the messages that Abort discarded
}

// NewConn returns a connection over nc and takes ownership of nc. If
// permessage-deflate was negotiated (see [Upgrade]), window is the size in bits, from 8
// to 15, of the window for outgoing messages. Otherwise it is 0.
func NewConn(nc net.Conn, window uint8, opts *Options) *Conn {
	i := opts.Engine.next()
	c := &Conn{nc: nc, opts: opts, work: opts.Engine.workers[i]}
	c.in.max, c.in.deflate, c.in.turns, c.window = opts.MaxPayload, window != 0, true, window
	if opts.StrangerPayload > 0 {
		c.in.max, c.in.stranger = min(opts.StrangerPayload, opts.MaxPayload), true
		c.in.frames = int32(min(opts.StrangerFrames, math.MaxInt32))
	}
	c.unbound = int32(min(opts.SendBuffer, math.MaxInt32))
	c.lastRead.Store(clock())
	opts.Engine.adopt(c, i)
	return c
}

// boundSendBuffer limits how much the kernel buffers for a peer that does not read.
// By default that can be megabytes. n is the size of the next write. The limit is set once
// that much has been written: a peer that has been sent less cannot have more waiting,
// and the system call is a large part of what a connection costs.
func (c *Conn) boundSendBuffer(n int) {
	if c.unbound == 0 {
		return
	}
	if c.unbound > int32(min(n, math.MaxInt32)) {
		c.unbound -= int32(n)
		return
	}
	c.unbound = 0
	if c.Polled() {
		c.sock.setSendBuffer(c.opts.SendBuffer)
	} else if s, ok := c.inner().(interface{ SetWriteBuffer(bytes int) error }); ok {
		_ = s.SetWriteBuffer(c.opts.SendBuffer) // on failure the socket keeps its default
	}
}

// Admit lifts the limits for strangers. Every peer starts as a stranger.
func (c *Conn) Admit() { c.admitted.Store(true) }

// Polled reports whether a poller reads from c; see the package documentation.
func (c *Conn) Polled() bool { return c.nc == nil }

// Hold suspends writing until Release. A write in progress may still complete. Hold has
// no effect on a connection that is closing, and a held connection is released when it
// starts to close, so that its close frame can be sent.
func (c *Conn) Hold() {
	c.mu.Lock()
	c.held = c.phase == phaseOpen
	c.mu.Unlock()
}

// Release undoes Hold.
func (c *Conn) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = false
	c.scheduleLocked()
}

// Seal replaces the text of every text message queued from now on by the result of seal,
// except for messages returned by [Message.Clear]. Messages already queued are sent
// unchanged. Seal must be called at most once. The function is called by one goroutine
// at a time, in queue order. If slow is set, it does not run on the shared workers, so
// that a call that takes long, or never returns, affects only this connection.
func (c *Conn) Seal(seal Sealer, slow bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seal, c.slow = seal, slow
	if c.backlog != nil {
		waiting := c.backlog.waiting()
		for i, m := range waiting {
			waiting[i] = m.Clear()
		}
	}
}

// Close queues a close frame after everything already queued and completes the close
// handshake. It has no effect if the connection is already closing. At most 123 bytes
// of the reason are sent.
func (c *Conn) Close(code uint16, reason string) {
	c.CloseFor(End{CauseServerClosed, code, reason})
}

// CloseFor is like Close, with another cause.
func (c *Conn) CloseFor(end End) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != phaseOpen {
		return
	}
	c.ending = &ending{End: end, flushed: make(chan struct{})}
	c.leaveOpenLocked(phaseClosing)
	c.appendLocked(closeFrame(end.Code, end.Reason))
}

// Abort ends the connection without a close frame and discards queued messages.
func (c *Conn) Abort(cause Cause) {
	c.mu.Lock()
	c.abortLocked(cause)
	c.mu.Unlock()
}

func (c *Conn) abortLocked(cause Cause) {
	if c.phase == phaseOpen {
		c.ending = &ending{End: End{Cause: cause, Code: closeAbnormal}, discarded: c.queued}
	}
	c.discardLocked()
	c.leaveOpenLocked(phaseDead)
	if !c.Polled() {
		// A deadline in the past wakes the reader and the writer immediately. Closing
		// here could block on a TLS connection.
		_ = c.nc.SetDeadline(past)
	}
}

// past is a time in the past.
var past = time.Unix(1, 0)

// leaveOpenLocked moves the connection to a later phase and makes finish run.
func (c *Conn) leaveOpenLocked(to phase) {
	c.held, c.paused = false, 0
	was := c.phase
	c.phase = to
	switch {
	case !c.Polled():
		_ = c.nc.SetReadDeadline(past) // the reader continues with finish
	case was == phaseOpen && c.started:
		c.opts.Engine.running.Go(c.finish)
	}
	c.wakeUpLocked()
}

// wakeUpLocked wakes the goroutine that waits on c.wake, or else the next one to do so.
func (c *Conn) wakeUpLocked() {
	if c.wake == nil {
		c.wake = make(chan struct{}, 1)
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// SinceRead returns the time since anything was last received from the peer, including
// pongs.
func (c *Conn) SinceRead() time.Duration { return time.Duration(clock() - c.lastRead.Load()) }

// clock returns a monotonic time in nanoseconds, unaffected by changes of the wall clock.
func clock() int64 { return int64(time.Since(started)) }

var started = time.Now()

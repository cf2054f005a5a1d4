package ws

import (
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"
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
	CauseRule               // CloseFor(CauseRule): by a rule of the server's own
	CauseBackpressure       // more than the backpressure limit was waiting
	CauseIdle               // Abort(CauseIdle): nothing was heard, not even a pong
	CauseSealing            // Abort(CauseSealing): its messages took too long to be sealed
	CauseStranger           // it sent too much before Admit
	CauseBehind             // CloseFor(CauseBehind): its messages were not handled in time
	CauseStuck              // Abort(CauseStuck): it took nothing of what waited for it
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

// Handler is told what happens on a connection. Its methods are called one at a
// time.
type Handler interface {
	// Message gets a message from the peer; the payload is its only during the
	// call. It must not block: others are read from by the same goroutine. It
	// may call any method of the connection.
	Message(payload []byte, binary bool)
	// Ended is called once, when the connection begins to end, after the last
	// Message. It may block.
	Ended(End)
	// Finished is called last, when the socket is closed.
	Finished()
}

// Options are what the connections of one server have in common.
type Options struct {
	Engine            *Engine
	MaxPayload        int           // bytes of one message from the peer
	StrangerPayload   int           // the same before Admit; 0: there are no strangers
	StrangerFrames    int           // frames of any kind that may come before Admit
	BackpressureLimit int           // what waits for the peer may cost, in bytes
	SendBuffer        int           // bytes, of the socket; 0: as the system likes
	CloseTimeout      time.Duration // for the close handshake
	// SealFailed is called when a message could not be sealed and was dropped.
	// Required where Seal is used.
	SealFailed func(error)
	// Flushed, if it is not nil, is called after each write to a socket. It gets the
	// number of messages that the write began, where those that were joined begin
	// together, and the number of bytes written. Several goroutines call it at once, and
	// it must not block: they write to other connections as well.
	Flushed func(messages, bytes int)
}

// Sealer appends to dst the text that goes out in place of a message's text.
type Sealer func(dst, text []byte) ([]byte, error)

type phase uint8

const (
	phaseOpen    phase = iota
	phaseClosing       // a close frame is queued; nothing may follow it
	phaseDead          // ended without one, or its time is up
)

// Conn is the server's side of a WebSocket connection. All methods may be called
// from any goroutine and none of them blocks.
//
// It is polled, which means that the engine's pollers read from it and its
// workers write to it through a descriptor of its own, or else it is plain: a
// goroutine reads through nc, and another writes while there is something to
// write.
type Conn struct {
	nc      net.Conn // nil when polled
	sock    socket   // when polled
	opts    *Options
	work    *worker
	handler Handler
	window  uint8 // of what goes out compressed, in bits; 0: nothing does

	reading sync.Mutex // held by who reads; guards what follows until finish has it
	in      parser
	garbled bool // the peer broke the protocol: what it sends means nothing
	behind  bool // stopped in the middle of what was read

	late  bool // the poller's: the connection waits for its next turn
	whole bool // the poller's: an event may have been lost, so read to the end

	unconfirmed int32 // bytes, at the last call of Stuck

	admitted atomic.Bool  // it is no longer a stranger
	lastRead atomic.Int64 // what clock showed
	progress atomic.Int64 // what clock showed when some of what waits was written; 0: nothing waits for the peer

	mu        sync.Mutex
	phase     phase
	started   bool
	unread    bool          // something came before Start
	scheduled bool          // somebody writes, or will
	parked    bool          // polled: writing goes on when the socket has room
	blocked   bool          // the socket was full, and has not caught up yet
	held      bool          // writing waits for Release
	paused    bool          // reading waits for Resume
	away      bool          // a goroutine of its own reads what was deferred
	hungUp    bool          // the peer has ended its side, or the connection is broken
	peerDone  bool          // the peer's close frame has come
	pongs     uint8         // at most so many wait
	backlog   *backlog      // messages that wait; nil when there are none
	rest      []byte        // of what was written in part
	queued    int           // what waits or is being written costs so many bytes
	pongAt    int           // where in the backlog a pong waits, plus 1; 0: nowhere
	seal      Sealer        // nil: nothing is sealed
	slow      bool          // seal is not for the workers
	flushed   chan struct{} // made by the first Close; closed when all is written
	wake      chan struct{} // has an element when the reader has to look again
	end       End
}

// NewConn returns a connection over nc, which is the connection's from now on.
// If permessage-deflate was negotiated, see [Upgrade], window says how many bits the
// peer's window for our messages has: 8 to 15. Else it is 0.
func NewConn(nc net.Conn, window uint8, opts *Options) *Conn {
	i := opts.Engine.next()
	c := &Conn{nc: nc, opts: opts, work: opts.Engine.workers[i]}
	c.in.max, c.in.deflate, c.in.turns, c.window = opts.MaxPayload, window != 0, true, window
	if opts.StrangerPayload > 0 {
		c.in.max, c.in.stranger = min(opts.StrangerPayload, opts.MaxPayload), true
		c.in.frames = int32(min(opts.StrangerFrames, math.MaxInt32))
	}
	c.boundSendBuffer()
	c.lastRead.Store(clock())
	opts.Engine.adopt(c, i)
	return c
}

// boundSendBuffer bounds what the kernel takes for a peer that does not read. By
// itself it would take megabytes.
func (c *Conn) boundSendBuffer() {
	if s, ok := c.inner().(interface{ SetWriteBuffer(bytes int) error }); ok && c.opts.SendBuffer > 0 {
		_ = s.SetWriteBuffer(c.opts.SendBuffer) // a socket that refuses is as it was
	}
}

// Admit ends the limits for strangers.
func (c *Conn) Admit() { c.admitted.Store(true) }

// Polled reports whether c is read by a poller; see the package's comment.
func (c *Conn) Polled() bool { return c.nc == nil }

// Hold keeps what is queued from now on from being written until Release. What
// is already being written may still go out. A connection that is ending cannot
// be held, and one that is held and begins to end is released: its close frame
// must get out.
func (c *Conn) Hold() {
	c.mu.Lock()
	c.held = c.phase == phaseOpen
	c.mu.Unlock()
}

// Release ends Hold.
func (c *Conn) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = false
	c.scheduleLocked()
}

// Seal makes every text message that is queued from now on go out as seal makes
// it, except those marked by [Message.Clear]. What is queued already goes out as it
// is. It is called once. The function is called by one goroutine at a time, in the
// order of the queue. A slow one may take its time, or for ever, and hurts this
// connection alone: it is called off the shared workers.
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

// Pause makes no message be read until Resume; called by the handler's Message,
// not even one that has come with it. A peer that hangs up meanwhile ends the
// connection with CauseLost, and what it sent and was not read is gone.
func (c *Conn) Pause() {
	c.mu.Lock()
	c.paused = c.phase == phaseOpen
	c.mu.Unlock()
}

// Resume ends Pause.
func (c *Conn) Resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.paused {
		return
	}
	c.paused = false
	if c.Polled() {
		c.sock.poller.push(c)
	} else {
		c.wakeUpLocked()
	}
}

// Close queues a close frame after all that is queued, and completes the close
// handshake. Only the first end of a connection counts. Of the reason 123 bytes
// are sent at most.
func (c *Conn) Close(code uint16, reason string) {
	c.CloseFor(End{CauseServerClosed, code, reason})
}

// CloseFor is Close for another cause.
func (c *Conn) CloseFor(end End) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != phaseOpen {
		return
	}
	c.end = end
	c.flushed = make(chan struct{})
	c.leaveOpenLocked(phaseClosing)
	c.appendLocked(closeFrame(end.Code, end.Reason))
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
	if !c.Polled() {
		// A deadline in the past wakes reader and writer at once; closing here could
		// block on a TLS connection.
		_ = c.nc.SetDeadline(past)
	}
}

// past is any time that is over.
var past = time.Unix(1, 0)

// leaveOpenLocked moves to a later phase and has the end taken care of.
func (c *Conn) leaveOpenLocked(to phase) {
	c.held, c.paused = false, false
	was := c.phase
	c.phase = to
	switch {
	case !c.Polled():
		_ = c.nc.SetReadDeadline(past) // the reader goes on with finish
	case was == phaseOpen && c.started:
		c.opts.Engine.running.Go(c.finish)
	}
	c.wakeUpLocked()
}

// wakeUpLocked wakes who waits in awaitWake, now or next.
func (c *Conn) wakeUpLocked() {
	if c.wake == nil {
		c.wake = make(chan struct{}, 1)
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// SinceRead returns for how long nothing was heard from the peer, not even a pong.
func (c *Conn) SinceRead() time.Duration { return time.Duration(clock() - c.lastRead.Load()) }

// clock returns nanoseconds that go on whatever the clock on the wall is set to.
func clock() int64 { return int64(time.Since(started)) }

var started = time.Now()

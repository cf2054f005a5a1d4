package ws

import (
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

var (
	errStopped = errors.New("connection is ending")
	errPaused  = errors.New("connection is paused")
	errTurn    = errors.New("the turn of this connection is over")
	errHeavy   = errors.New("a message takes long to decompress")
	errAgain   = errors.New("nothing to read, or no room to write")
)

const readBufferSize = 16 << 10

// plainBufferSize is the size of the read buffer of a plain connection. It is small, because
// a TLS connection has its own buffer.
const plainBufferSize = 2 << 10

// hangUpInterval is the pause between checks for whether the peer of a paused plain
// connection has hung up.
const hangUpInterval = time.Second

var readBuffers = sync.Pool{New: func() any {
	b := make([]byte, readBufferSize)
	return &b
}}

// Start starts serving the connection. early is the input that arrived with the upgrade
// request. Start must be called once. The handler's methods may be called before it
// returns.
func (c *Conn) Start(early []byte, h Handler) {
	c.handler = h
	e := c.opts.Engine
	c.reading.Lock()
	defer c.reading.Unlock()
	c.mu.Lock()
	c.started = true
	ended := c.phase != phaseOpen
	c.mu.Unlock()
	switch {
	case !c.Polled():
		e.running.Go(func() { c.readPlain(early) })
	case ended:
		c.consume(early) // early may contain the peer's close frame
		e.running.Go(c.finish)
	default:
		c.consume(early)
		c.mu.Lock()
		unread := c.unread
		c.mu.Unlock()
		switch {
		case c.in.deferred:
			c.leave()
		case unread || c.behind:
			c.sock.poller.push(c)
		}
	}
}

// ready is called by a poller when there may be data to read or room to write, or when the
// stream may have ended. It reports whether to read.
func (c *Conn) ready(readable, writable, hungUp bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if writable && c.parked && c.phase != phaseDead {
		c.parked = false
		c.handOffLocked()
	}
	c.hungUp = c.hungUp || hungUp
	switch {
	case !readable && !hungUp:
	case !c.started:
		c.unread = true
	case c.phase != phaseOpen:
		c.wakeUpLocked() // finish reads
	case c.paused != 0 && c.hungUp:
		c.abortLocked(CauseLost) // otherwise this would go unnoticed until Resume
	default:
		return c.paused == 0 && !c.away // whatever clears the flag pushes c again
	}
	return false
}

// readSome reads once into buf if c is open, and reports whether there may be more to read.
// A read that does not fill buf has emptied the socket, and new data will cause an event.
// If an event may have been lost (toTheEnd), only a read that finds nothing proves that the
// socket is empty.
func (c *Conn) readSome(buf []byte, toTheEnd bool) bool {
	if !c.reading.TryLock() {
		if c.isAway() {
			return false // the goroutine started by leave pushes c when it is done
		}
		c.reading.Lock()
	}
	defer c.reading.Unlock()
	if !c.mayRead() || !c.stays() {
		return false
	}
	c.in.spent = 0
	if c.behind {
		if more := c.consume(nil); !more || c.behind {
			return more && c.stays()
		}
	}
	n, err := c.sock.recv(buf)
	switch {
	case errors.Is(err, errAgain):
		return false
	case n == 0 || err != nil:
		c.lost()
		return false
	}
	c.lastRead.Store(clock())
	return c.consume(buf[:n]) && c.stays() && (n == len(buf) || toTheEnd || c.behind)
}

func (c *Conn) mayRead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase == phaseOpen && c.paused == 0
}

func (c *Conn) isAway() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.away
}

// stays reports whether the poller may continue to read from c. If not, a separate
// goroutine handles the deferred input first.
func (c *Conn) stays() bool {
	if c.in.deferred {
		c.leave()
		return false
	}
	return true
}

// leave starts a goroutine that handles the deferred input, so that the poller does not
// have to. The caller must hold c.reading.
func (c *Conn) leave() {
	c.mu.Lock()
	c.away = true
	c.mu.Unlock()
	c.opts.Engine.running.Go(func() {
		c.reading.Lock()
		for c.in.deferred && c.mayRead() {
			c.opts.Engine.heavily(c.in.stranger, func() {
				if c.mayRead() {
					c.consume(nil)
				}
			})
			c.in.spent = 0
		}
		c.reading.Unlock()
		c.mu.Lock()
		c.away = false
		c.mu.Unlock()
		c.sock.poller.push(c)
	})
}

// readPlain is the reading goroutine of a plain connection.
func (c *Conn) readPlain(early []byte) {
	c.reading.Lock()
	buf := make([]byte, plainBufferSize)
	more := c.consume(early)
	for {
		c.in.spent = 0
		switch {
		case !more:
			if !c.awaitResume() {
				c.reading.Unlock()
				c.finish()
				return
			}
			more = c.consume(nil)
		case c.in.deferred:
			c.opts.Engine.heavily(c.in.stranger, func() { more = c.mayRead() && c.consume(nil) })
		case c.behind:
			runtime.Gosched() // the connection has used up its turn
			more = c.consume(nil)
		default:
			n, err := c.nc.Read(buf)
			if n > 0 {
				c.lastRead.Store(clock())
				more = c.consume(buf[:n])
			}
			if err != nil {
				c.lost()
				more = false
			}
		}
	}
}

// awaitResume waits while c is paused. It returns false if c is ending.
func (c *Conn) awaitResume() bool {
	tick := time.NewTicker(hangUpInterval)
	defer tick.Stop()
	for {
		c.mu.Lock()
		open, paused := c.phase == phaseOpen, c.paused != 0
		if c.wake == nil {
			c.wake = make(chan struct{}, 1)
		}
		c.mu.Unlock()
		if !open || !paused {
			return open
		}
		select {
		case <-c.wake:
		case <-tick.C:
			if hungUp(c.inner()) {
				c.lost()
			}
		}
	}
}

// lost ends the connection after its stream has ended or failed.
func (c *Conn) lost() {
	c.mu.Lock()
	if c.phase == phaseOpen {
		c.abortLocked(CauseLost)
	}
	c.mu.Unlock()
}

// consume handles input left over from earlier reads and then b, and reports whether
// to continue.
func (c *Conn) consume(b []byte) bool {
	more := c.parse(b)
	if held := c.in.held(); held != c.in.kept.Load() {
		c.in.kept.Store(held)
	}
	return c.charge(len(b)) && more
}

func (c *Conn) parse(b []byte) bool {
	c.behind = false
	if c.in.stranger && c.admitted.Load() {
		c.in.stranger, c.in.max = false, c.opts.MaxPayload
	}
	err := c.in.feed(b, c.handleFrame)
	if err == nil {
		return true
	}
	var v *violation
	switch {
	case errors.Is(err, errTurn), errors.Is(err, errHeavy):
		c.behind = true
		return true
	case errors.Is(err, errPaused):
		c.behind = true
	case errors.As(err, &v):
		c.garbled = true
		c.CloseFor(End{max(v.cause, CauseViolation), v.code, v.text})
	}
	return false
}

// handleFrame handles one message or control frame.
func (c *Conn) handleFrame(op ws.OpCode, payload []byte) error {
	if err := c.accepting(op); err != nil {
		return err
	}
	switch op {
	case ws.OpText, ws.OpBinary:
		c.handler.Message(payload, op == ws.OpBinary)
	case ws.OpPing:
		c.pong(payload)
	case ws.OpClose:
		return c.peerClosed(payload)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.paused == 0:
		return nil
	case c.hungUp:
		c.abortLocked(CauseLost)
		return errStopped
	}
	return errPaused
}

// accepting returns nil, or the reason why c accepts no more frames.
func (c *Conn) accepting(op ws.OpCode) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == phaseOpen {
		return nil
	}
	if op == ws.OpClose {
		c.peerDone = true
	}
	return errStopped
}

// peerClosed answers the peer's close frame.
func (c *Conn) peerClosed(payload []byte) error {
	code, reason, err := closeStatus(payload)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.peerDone = true
	c.mu.Unlock()
	c.CloseFor(End{CausePeerClosed, code, reason})
	return errStopped
}

package ws

import (
	"fmt"
	"runtime/debug"
	"slices"
	"time"
)

// chunk is how many bytes one send carries at most, unless one message has more.
// More costs the kernel more than in proportion.
const chunk = 64 << 10

// joiner makes one buffer of what waits for a connection. It is for one
// goroutine, and what it made last serves the next connection for which the same
// messages wait.
type joiner struct {
	shared bool // a worker's: not for sealers that are slow

	batch []*Message // what waits for the connection at hand, as much as fits
	rest  []byte     // instead of batch: what is left of an earlier send
	seal  Sealer
	slow  bool // seal is

	joined []*Message // what is in buf; nil: nothing that can be used again
	window uint8      // and for which window it is compressed there
	buf    []byte
	sealed []byte // one message, on its way to buf

	written  int // messages of batch that are on the last write, at least in part
	unsealed int // messages of batch that could not be sealed
}

// forget lets go of all messages.
func (j *joiner) forget() {
	clear(j.batch[:cap(j.batch)])
	clear(j.joined[:cap(j.joined)])
	j.batch, j.joined, j.rest, j.seal = j.batch[:0], j.joined[:0], nil, nil
	if cap(j.buf) > 2*chunk {
		j.buf = nil
	}
	if cap(j.sealed) > 2*chunk {
		j.sealed = nil
	}
}

// scheduleLocked has c written to, if there is anything to write and nobody does
// it already.
func (c *Conn) scheduleLocked() {
	if c.scheduled || c.held || c.backlog == nil && c.rest == nil {
		return
	}
	c.scheduled = true
	c.goOnLocked()
}

// goOnLocked gives c, which is scheduled, to a writer.
func (c *Conn) goOnLocked() {
	if c.Polled() && !c.slow {
		c.work.push(c)
	} else {
		c.opts.Engine.spawn(c)
	}
}

// write writes once, as much as there is up to a chunk, and reports whether to
// call it again. If not, c is somebody else's from now on.
func (c *Conn) write(j *joiner) bool {
	if !c.take(j) {
		return false
	}
	b := j.bytes(c)
	n, err := 0, error(nil)
	if len(b) > 0 { // nothing is left where nothing could be sealed
		n, err = c.send(b)
	}
	if err != nil {
		// It stays scheduled: nothing will be written to it any more.
		c.Abort(CauseLost)
		return false
	}
	again, full := c.sent(j, b, n)
	if full {
		c.sock.await(c)
	}
	if n > 0 && c.opts.Flushed != nil {
		c.opts.Flushed(j.count(), n)
	}
	return again
}

// count returns how many messages the last write began.
func (j *joiner) count() int {
	n := -j.unsealed
	for _, m := range j.batch[:j.written] {
		if m != gone {
			n += m.count()
		}
	}
	return n
}

func (c *Conn) send(b []byte) (n int, err error) {
	if c.Polled() {
		return c.sock.send(b)
	}
	// In pieces, or nobody could tell a peer that takes a large message slowly from
	// one that takes nothing.
	for n < len(b) && err == nil {
		c.progress.Store(clock())
		var wrote int
		wrote, err = c.nc.Write(b[n:min(n+chunk, len(b))])
		n += wrote
	}
	c.progress.Store(0)
	return n, err
}

// take copies to j what goes into the next send. It reports false when c is not
// j's to write: because nothing waits, or because another writer has it now.
func (c *Conn) take(j *joiner) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	j.seal, j.slow, j.rest = c.seal, c.slow, c.rest
	j.batch, j.unsealed = j.batch[:0], 0
	if c.idleLocked() {
		return false
	}
	if j.shared && c.slow { // since it was given to the worker
		c.opts.Engine.spawn(c)
		return false
	}
	if c.rest == nil {
		waiting := c.backlog.waiting()
		n := fit(waiting)
		j.batch = append(j.batch, waiting[:n]...)
		c.backlog.take(n)
		if c.pongAt <= c.backlog.head+n {
			c.pongAt, c.pongs = 0, 0 // too late to be replaced
		}
	}
	return true
}

// idleLocked reports whether there is nothing to write; then nobody is scheduled.
func (c *Conn) idleLocked() bool {
	if c.backlog == nil && c.rest == nil {
		c.blocked = false
		c.flushedLocked()
	} else if !c.held {
		return false
	}
	c.scheduled = false
	return true
}

// sent notes that n bytes of b, which is what j had, are written. The socket is
// full if they are not all; then writing goes on by itself when it has room.
func (c *Conn) sent(j *joiner, b []byte, n int) (again, full bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	j.written = len(j.batch)
	if c.phase == phaseDead {
		return false, false // it stays scheduled
	}
	switch {
	case j.rest != nil:
		c.queued -= n
		if c.rest = j.rest[n:]; len(c.rest) == 0 {
			c.rest = nil
		}
	case n == len(b):
		c.consumeLocked(len(j.batch))
	case j.seal != nil:
		c.consumeLocked(len(j.batch))
		c.rest = slices.Clone(b[n:]) // b is the joiner's
		c.queued += len(c.rest)
	default:
		written := 0
		frame := j.batch[0].bytes(c.window)
		for n >= len(frame) {
			n -= len(frame)
			written++
			frame = j.batch[written].bytes(c.window)
		}
		if n > 0 {
			c.rest = frame[n:]
			c.queued += len(c.rest)
			written++
		}
		j.written = written
		c.consumeLocked(written)
	}
	if n < len(b) {
		if n > 0 || c.progress.Load() == 0 {
			c.progress.Store(clock())
		}
		c.blocked, c.parked = true, true
		return false, true
	}
	if c.progress.Load() != 0 { // a look is cheaper than a store, and nearly always enough
		c.progress.Store(0)
	}
	return !c.idleLocked(), false
}

// fit returns how many messages of batch go into one send, at least one.
func fit(batch []*Message) int {
	size := batch[0].Size()
	for n, m := range batch[1:] {
		if size += m.Size(); size > chunk {
			return n + 1
		}
	}
	return len(batch)
}

// bytes returns what to send to c.
func (j *joiner) bytes(c *Conn) []byte {
	switch {
	case j.rest != nil:
		return j.rest
	case j.seal != nil:
		j.joined = j.joined[:0]
		return j.sealBatch(c)
	case len(j.batch) == 1:
		return j.batch[0].bytes(c.window)
	case j.window != c.window || !slices.Equal(j.batch, j.joined):
		j.joined, j.window = append(j.joined[:0], j.batch...), c.window
		j.buf = j.buf[:0]
		for _, m := range j.batch {
			j.buf = append(j.buf, m.bytes(c.window)...)
		}
	}
	return j.buf
}

// sealTurn is how long a slow sealer goes on before what it has made is sent.
const sealTurn = 5 * time.Millisecond

// sealBatch returns the frames of the batch, sealed: with a slow sealer perhaps not of
// all, and then the batch is shorter.
func (j *joiner) sealBatch(c *Conn) []byte {
	j.joined, j.buf = j.joined[:0], j.buf[:0]
	var began time.Time
	if j.slow {
		began = time.Now()
	}
	for i, m := range j.batch {
		j.appendSealed(c, m)
		if j.slow && time.Since(began) > sealTurn {
			j.batch = j.batch[:i+1]
			break
		}
	}
	return j.buf
}

// appendSealed appends the frames of m, sealed. A message that cannot be sealed is left
// out: it must not leave in clear.
func (j *joiner) appendSealed(c *Conn, m *Message) {
	switch {
	case m.clear:
		j.buf = append(j.buf, m.frame...)
		return
	case m.parts != nil:
		for _, part := range m.parts {
			j.appendSealed(c, part)
		}
		return
	}
	text, err := trySeal(j.seal, j.sealed[:0], m.Payload())
	if err != nil {
		c.opts.SealFailed(err)
		j.unsealed++
		return
	}
	j.sealed = text
	j.buf = appendText(j.buf, text)
}

func trySeal(seal Sealer, dst, text []byte) (sealed []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return seal(dst, text)
}

package ws

import (
	"fmt"
	"runtime/debug"
	"slices"
	"time"
)

// chunk is the maximum number of bytes per send, unless a single message is larger.
// Beyond it, the kernel's cost grows faster than the size.
const chunk = 64 << 10

// joiner joins the messages that wait for a connection into one buffer. It must be used by
// one goroutine at a time. Its last result is reused if the same messages wait for the next
// connection.
type joiner struct {
	shared bool // belongs to a worker; must not run slow sealers

	batch []*Message // waiting messages of the current connection, as many as fit
	rest  []byte     // instead of batch: the rest of an earlier send
	seal  Sealer
	slow  bool // seal is slow

	joined []*Message // messages in buf; nil if buf cannot be reused
	within int        // how many messages joined stands for, as count counts them
	window uint8      // the window of the compressed messages in buf
	buf    []byte
	sealed []byte // the text of one sealed message, before it is appended to buf

	written  int // number of messages of batch that were written at least in part
	unsealed int // number of messages of batch that could not be sealed

	told flushed // what is not reported yet
}

// flushed describes writes that are reported together. A worker writes the same messages to
// many connections, and calling Options.Flushed for each of them would cost several percent of
// the write.
type flushed struct {
	opts                    *Options
	writes, messages, bytes int
}

// forget drops the references to all messages.
func (j *joiner) forget() {
	j.report()
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

// scheduleLocked schedules a write to c if there is something to write and no write is
// scheduled.
func (c *Conn) scheduleLocked() {
	if c.scheduled || c.held || c.backlog == nil && c.rest == nil {
		return
	}
	c.scheduled = true
	c.handOffLocked()
}

// handOffLocked hands c, which must be scheduled, to a writer.
func (c *Conn) handOffLocked() {
	if c.Polled() && !c.slow {
		c.work.push(c)
	} else {
		c.opts.Engine.spawn(c)
	}
}

// write writes once, up to a chunk, and reports whether to call it again. If it returns
// false, the caller is no longer the writer of c.
func (c *Conn) write(j *joiner) bool {
	if !c.take(j) {
		return false
	}
	b := j.bytes(c)
	n, err := 0, error(nil)
	if len(b) > 0 { // empty if no message could be sealed
		n, err = c.send(b)
	}
	if err != nil {
		// c stays scheduled, because nothing more will be written to it.
		c.Abort(CauseLost)
		return false
	}
	c.opts.Engine.wrote(c.work, n)
	again, full := c.sent(j, b, n)
	if full {
		c.sock.await(c)
	}
	if c.opts.Flushed != nil {
		c.tell(j, n)
	}
	return again
}

// tell records a write of n bytes for report. Sealed messages leave the queue even if the
// socket accepted none of their bytes, so they are reported in that case too.
func (c *Conn) tell(j *joiner, n int) {
	messages := j.count()
	if messages == 0 && n == 0 {
		return
	}
	if j.told.opts != c.opts || j.told.messages != messages {
		j.report()
		j.told = flushed{opts: c.opts, messages: messages}
	}
	j.told.writes++
	j.told.bytes += n
	if !j.shared { // the sealer may end the goroutine
		j.report()
	}
}

// report calls Flushed for the writes that tell has recorded.
func (j *joiner) report() {
	t := j.told
	j.told = flushed{}
	if t.writes > 0 {
		t.opts.Flushed(t.writes, t.messages, t.bytes)
	}
}

// count returns how many messages the last write began.
func (j *joiner) count() int {
	if j.seal == nil && len(j.batch) > 1 && j.written == len(j.batch) {
		return j.within // a burst to many connections is counted only once
	}
	return count(j.batch[:j.written]) - j.unsealed
}

// count returns how many messages a batch stands for.
func count(batch []*Message) (n int) {
	for _, m := range batch {
		if m != gone {
			n += m.count()
		}
	}
	return n
}

func (c *Conn) send(b []byte) (n int, err error) {
	c.boundSendBuffer(len(b))
	if c.Polled() {
		return c.sock.send(b)
	}
	// Write in pieces, so that a peer that takes a large message slowly can be told
	// from one that takes nothing.
	for n < len(b) && err == nil {
		c.progress.Store(clock())
		var wrote int
		wrote, err = c.nc.Write(b[n:min(n+chunk, len(b))])
		n += wrote
	}
	c.progress.Store(0)
	return n, err
}

// take copies what to send next to j. It returns false if j must not write to c, because
// there is nothing to write or because it has handed c to another writer.
func (c *Conn) take(j *joiner) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	j.seal, j.slow, j.rest = c.seal, c.slow, c.rest
	j.batch, j.unsealed = j.batch[:0], 0
	if c.idleLocked() {
		return false
	}
	if j.shared && c.slow { // changed since c was given to the worker
		c.opts.Engine.spawn(c)
		return false
	}
	if c.rest == nil {
		waiting := c.backlog.waiting()
		n := fit(waiting)
		j.batch = append(j.batch, waiting[:n]...)
		c.backlog.take(n)
		if c.pongAt <= c.backlog.head+n {
			c.pongAt, c.pongs = 0, 0 // too late to replace a pong
		}
	}
	return true
}

// idleLocked reports whether there is nothing to write, or writing is on hold. If so, it
// clears scheduled.
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

// sent records that n bytes of b, which j made, were written. If n < len(b), the socket is
// full; the caller must then make the poller resume writing when there is room.
func (c *Conn) sent(j *joiner, b []byte, n int) (again, full bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	j.written = len(j.batch)
	if c.phase == phaseDead {
		return false, false // c stays scheduled
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
		c.rest = slices.Clone(b[n:]) // the joiner owns b
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
	if c.progress.Load() != 0 { // it usually is 0, and a load is cheaper than a store
		c.progress.Store(0)
	}
	return !c.idleLocked(), false
}

// fit returns how many messages of batch fit into one send, at least one.
func fit(batch []*Message) int {
	size := batch[0].Size()
	for n, m := range batch[1:] {
		if size += m.Size(); size > chunk {
			return n + 1
		}
	}
	return len(batch)
}

// bytes returns the bytes to send to c.
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
		j.joined, j.window, j.within = append(j.joined[:0], j.batch...), c.window, count(j.batch)
		j.buf = j.buf[:0]
		for _, m := range j.batch {
			j.buf = append(j.buf, m.bytes(c.window)...)
		}
	}
	return j.buf
}

// sealTurn is how long a slow sealer continues before its output is sent.
const sealTurn = 5 * time.Millisecond

// sealBatch returns the sealed frames of the batch. If a slow sealer does not get through
// the batch in time, sealBatch shortens the batch.
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

// appendSealed appends the sealed frames of m. It skips a message that cannot be
// sealed, because it must not be sent unencrypted.
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

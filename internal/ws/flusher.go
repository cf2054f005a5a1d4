package ws

import (
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
)

// chunk is how many bytes one send carries at most. More costs the kernel more
// than in proportion.
const chunk = 64 << 10

// Flusher owns the goroutines that write. Every connection belongs to one
// worker, so at most one goroutine writes to it at a time.
type Flusher struct {
	workers []*worker
	turn    atomic.Uint32
	running sync.WaitGroup
}

// NewFlusher starts n workers.
func NewFlusher(n int) *Flusher {
	f := &Flusher{}
	for range n {
		w := &worker{flusher: f, sender: newSender()}
		w.wake.L = &w.mu
		f.workers = append(f.workers, w)
		f.running.Go(w.run)
	}
	return f
}

// Close stops the workers and waits for them and for the writers of slow
// connections. All connections must have finished.
func (f *Flusher) Close() {
	for _, w := range f.workers {
		w.stop()
	}
	f.running.Wait()
}

func (f *Flusher) next() *worker {
	return f.workers[f.turn.Add(1)%uint32(len(f.workers))]
}

// spawn gives c a writer goroutine of its own until nothing is pending. The
// rest of a partly written frame goes first, then batch.
func (f *Flusher) spawn(c *Conn, rest []byte, batch []*Message) {
	f.running.Go(func() { c.drain(rest, batch) })
}

// worker writes to its dirty connections, one after the other.
type worker struct {
	flusher *Flusher
	sender  *sender
	buf     []byte     // where messages are joined
	batch   []*Message // those of the connection at hand

	mu      sync.Mutex
	wake    sync.Cond
	dirty   []*Conn
	stopped bool
}

func (w *worker) push(c *Conn) {
	w.mu.Lock()
	w.dirty = append(w.dirty, c)
	if len(w.dirty) == 1 {
		w.wake.Signal()
	}
	w.mu.Unlock()
}

func (w *worker) stop() {
	w.mu.Lock()
	w.stopped = true
	w.mu.Unlock()
	w.wake.Signal()
}

func (w *worker) run() {
	var batch []*Conn
	for {
		w.mu.Lock()
		for len(w.dirty) == 0 && !w.stopped {
			w.wake.Wait()
		}
		if len(w.dirty) == 0 {
			w.mu.Unlock()
			return
		}
		batch, w.dirty = w.dirty, batch[:0]
		w.mu.Unlock()
		for i, c := range batch {
			batch[i] = nil
			w.flush(c)
		}
	}
}

// flush writes all that is pending for c, unless its socket is full or it is
// sealed: then a goroutine of its own goes on.
func (w *worker) flush(c *Conn) {
	batch, seal := c.takePending(w.batch[:0])
	w.batch = batch[:0]
	defer clear(batch) // keep no message alive
	last := 0
	for len(batch) > 0 {
		if seal != nil {
			w.flusher.spawn(c, nil, slices.Clone(batch)) // the slice is the worker's
			return
		}
		n := fit(batch)
		b := batch[0].frame
		if n > 1 {
			w.buf = join(w.buf[:0], batch[:n])
			b = w.buf
		}
		written, err := w.sender.send(c.raw, b)
		if err != nil {
			c.failed()
			return
		}
		if written < len(b) {
			c.full(written)
			rest, behind := unwritten(batch, written)
			w.flusher.spawn(c, rest, slices.Clone(behind))
			return
		}
		if batch = batch[n:]; len(batch) > 0 {
			seal = c.written(written)
		}
		last = written
	}
	if !c.idle(last) {
		w.push(c)
	}
}

// unwritten returns what is left of batch when n bytes of it are written: the
// rest of the message that was cut, and those behind it.
func unwritten(batch []*Message, n int) (rest []byte, behind []*Message) {
	for n >= batch[0].Size() {
		n -= batch[0].Size()
		batch = batch[1:]
	}
	if n == 0 {
		return nil, batch
	}
	return batch[0].frame[n:], batch[1:]
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

func join(dst []byte, batch []*Message) []byte {
	for _, m := range batch {
		dst = append(dst, m.frame...)
	}
	return dst
}

// drain writes until nothing is pending, and waits for the peer where it must.
func (c *Conn) drain(rest []byte, batch []*Message) {
	if len(rest) > 0 {
		if _, err := c.nc.Write(rest); err != nil {
			c.failed()
			return
		}
	}
	buf := joinBuffers.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= 2*chunk {
			joinBuffers.Put(buf)
		}
	}()
	seal := c.written(len(rest))
	for {
		if len(batch) == 0 {
			if c.idle(0) {
				return
			}
			batch, seal = c.takePending(nil)
			continue
		}
		n, b := fit(batch), batch[0].frame
		switch {
		case seal != nil:
			*buf = c.joinSealed((*buf)[:0], batch[:n], seal)
			b = *buf
		case n > 1:
			*buf = join((*buf)[:0], batch[:n])
			b = *buf
		}
		if len(b) > 0 { // nothing is left where nothing could be sealed
			if _, err := c.nc.Write(b); err != nil {
				c.failed()
				return
			}
		}
		size := 0
		for _, m := range batch[:n] {
			size += m.Size()
		}
		seal = c.written(size)
		batch = batch[n:]
	}
}

var joinBuffers = sync.Pool{New: func() any { return new([]byte) }}

// joinSealed appends the frames of batch, sealed. A message that cannot be
// sealed is left out: it must not leave in clear.
func (c *Conn) joinSealed(dst []byte, batch []*Message, seal Sealer) []byte {
	for _, m := range batch {
		if m.clear {
			dst = append(dst, m.frame...)
			continue
		}
		text, err := trySeal(seal, m.Payload())
		if err != nil {
			c.opts.SealFailed(err)
			continue
		}
		dst = appendText(dst, text)
	}
	return dst
}

func trySeal(seal Sealer, text []byte) (sealed []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return seal(text)
}

// takePending appends what is queued to dst and empties the queue.
func (c *Conn) takePending(dst []*Message) ([]*Message, Sealer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held {
		return dst, nil
	}
	dst = append(dst, c.queue...)
	clear(c.queue)
	c.queue, c.pongAt = c.queue[:0], 0
	if cap(c.queue) > 4 { // a connection at rest keeps next to nothing
		c.queue = nil
	}
	return dst, c.seal
}

// written takes n bytes that the kernel has off the account, and returns how
// what is left has to be sealed: that may have been decided meanwhile.
func (c *Conn) written(n int) Sealer {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queued -= n
	return c.seal
}

// full does what written does, and notes that the socket takes no more.
func (c *Conn) full(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queued -= n
	c.blocked = true
}

// idle does what written does, and reports whether the writer may go: then the
// connection is no longer scheduled.
func (c *Conn) idle(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queued -= n
	if len(c.queue) > 0 && !c.held {
		return false
	}
	c.scheduled, c.blocked = false, false
	if c.phase == phaseClosing {
		c.flushedLocked()
	}
	return true
}

// failed ends a connection that could not be written to. It stays scheduled:
// nothing will be written to it any more.
func (c *Conn) failed() { c.Abort(CauseLost) }

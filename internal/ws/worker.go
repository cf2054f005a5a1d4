package ws

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// yieldEvery is the number of connections after which a worker yields to other goroutines,
// which may have more messages for the next connections. Raw system calls never yield, and
// with a worker running on every processor, nothing would be read until the runtime
// preempts one.
const yieldEvery = 32

// worker writes to its dirty connections, one after the other. Every polled connection
// belongs to one worker.
type worker struct {
	mu      sync.Mutex
	wake    sync.Cond
	dirty   []*Conn
	stopped bool

	written atomic.Int64 // number of bytes written to its connections
	allowed atomic.Int64 // value of written at which Measure is called
}

// wrote counts n bytes that were written to a connection of w.
func (e *Engine) wrote(w *worker, n int) {
	if e.cfg.Measure != nil && w.written.Add(int64(n)) >= w.allowed.Load() {
		e.cfg.Measure()
	}
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
	j := joiner{shared: true}
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
			if i%yieldEvery == yieldEvery-1 {
				j.report()
				runtime.Gosched()
			}
			batch[i] = nil
			if c.write(&j) {
				w.push(c) // behind the others
			}
		}
		j.forget()
	}
}

package ws

import (
	"math"
	"sync"
	"sync/atomic"
)

// Engine owns the goroutines that read and write. Workers write to polled connections and
// pollers read from them. An individual connection has a goroutine only for a while, except
// that the reader of a plain connection lives as long as the connection.
type Engine struct {
	cfg     EngineConfig
	workers []*worker
	turn    atomic.Uint32
	running sync.WaitGroup
	// Semaphores for goroutines that decompress a large message. Strangers have their
	// own, so that they delay only each other.
	heavy, heavyStrangers chan struct{}

	start   sync.Once // starts the pollers for the first pollable connection
	pollers []*poller // empty if all connections are plain
}

// EngineConfig configures an Engine.
type EngineConfig struct {
	// Threads is the number of workers, and also of pollers. It must be at least 1.
	Threads int
	// Plain makes the engine read and write all connections through package net.
	Plain bool
	// PollFailed is called if pollers cannot be created; the engine then works without
	// them. It is required unless Plain is set.
	PollFailed func(error)
	// Measure, if not nil, is called by a writer that has written as much as Allow has
	// allowed. It may block, but only for some milliseconds, because other connections wait.
	Measure func()
}

// NewEngine starts an engine.
func NewEngine(cfg EngineConfig) *Engine {
	e := &Engine{cfg: cfg, heavy: make(chan struct{}, max(1, cfg.Threads/2)), heavyStrangers: make(chan struct{}, 1)}
	for range cfg.Threads {
		w := &worker{}
		w.wake.L = &w.mu
		e.workers = append(e.workers, w)
		e.running.Go(w.run)
	}
	return e
}

// Close stops the engine and waits until all of its goroutines have returned. All
// connections must have finished.
func (e *Engine) Close() {
	e.start.Do(func() {}) // the pollers must not start after this
	for _, w := range e.workers {
		w.stop()
	}
	for _, p := range e.pollers {
		p.stop()
	}
	e.running.Wait()
}

// heavily calls f and limits how many such calls run at the same time.
func (e *Engine) heavily(stranger bool, f func()) {
	slots := e.heavy
	if stranger {
		slots = e.heavyStrangers
	}
	slots <- struct{}{}
	defer func() { <-slots }()
	f()
}

// Written returns the number of bytes that have been written to sockets.
func (e *Engine) Written() (sum int64) {
	for _, w := range e.workers {
		sum += w.written.Load()
	}
	return sum
}

// Allow allows about that many more bytes to be written until Measure is called.
func (e *Engine) Allow(bytes int64) {
	for _, w := range e.workers {
		n := w.written.Load()
		w.allowed.Store(n + min(bytes/int64(len(e.workers)), math.MaxInt64-n))
	}
}

// next returns the index of the worker and poller for a new connection.
func (e *Engine) next() int { return int(e.turn.Add(1) % uint32(len(e.workers))) }

// adopt makes c a polled connection if its type and the system allow it.
func (e *Engine) adopt(c *Conn, i int) {
	if e.cfg.Plain || !pollable(c.nc) {
		return
	}
	e.start.Do(e.startPollers)
	if len(e.pollers) > 0 {
		e.pollers[i].adopt(c)
	}
}

func (e *Engine) startPollers() {
	var list []*poller
	for range e.workers {
		p, err := newPoller()
		if err != nil {
			for _, p := range list {
				p.stop()
			}
			e.cfg.PollFailed(err)
			return
		}
		list = append(list, p)
	}
	e.pollers = list
	for _, p := range list {
		e.running.Go(p.run)
	}
}

// spawn starts a goroutine that writes to c while there is something to write.
func (e *Engine) spawn(c *Conn) {
	e.running.Go(func() {
		done := false
		defer func() {
			if !done { // the sealer ended the goroutine, so no writer is left
				c.Abort(CauseAborted)
			}
		}()
		j := joiners.Get().(*joiner)
		for c.write(j) { //nolint:revive // until nothing is left
		}
		j.forget()
		joiners.Put(j)
		done = true
	})
}

// joiners is a pool for the goroutines that spawn starts.
var joiners = sync.Pool{New: func() any { return new(joiner) }}

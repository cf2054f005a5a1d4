package ws

import (
	"sync"
	"sync/atomic"
)

// Engine owns the goroutines that read and write: the workers, which write to
// the polled connections, the pollers, which read from them, and those that
// single connections need for a while or, when they are plain, for good.
type Engine struct {
	cfg     EngineConfig
	workers []*worker
	turn    atomic.Uint32
	running sync.WaitGroup
	// Each has an element for everyone that decompresses a large message. Strangers
	// wait for strangers.
	heavy, heavyStrangers chan struct{}

	start   sync.Once // of the pollers, with the first connection for them
	pollers []*poller // none: every connection is plain
}

// EngineConfig configures an Engine.
type EngineConfig struct {
	// Threads is how many workers there are, and how many pollers. At least 1.
	Threads int
	// Plain makes every connection be read and written through package net.
	Plain bool
	// PollFailed is called when there can be no pollers although there should,
	// and everything is done without them. Required unless Plain.
	PollFailed func(error)
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

// Close stops the engine and waits until all of its goroutines are gone. All
// connections must have finished.
func (e *Engine) Close() {
	e.start.Do(func() {}) // they start no more
	for _, w := range e.workers {
		w.stop()
	}
	for _, p := range e.pollers {
		p.stop()
	}
	e.running.Wait()
}

// heavily calls f when few others do the like.
func (e *Engine) heavily(stranger bool, f func()) {
	slots := e.heavy
	if stranger {
		slots = e.heavyStrangers
	}
	slots <- struct{}{}
	defer func() { <-slots }()
	f()
}

// next returns the number of the worker, and of the poller, for a connection.
func (e *Engine) next() int { return int(e.turn.Add(1) % uint32(len(e.workers))) }

// adopt makes c a polled connection, if its kind and the system allow that.
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

// spawn has c written to by a goroutine of its own while there is something to
// write.
func (e *Engine) spawn(c *Conn) {
	e.running.Go(func() {
		done := false
		defer func() {
			if !done { // the sealer has ended the goroutine, and nobody writes any more
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

// joiners are those of goroutines that come and go.
var joiners = sync.Pool{New: func() any { return new(joiner) }}

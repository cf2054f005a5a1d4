package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// startNotice is how long startup may take before the log says what it is waiting for.
const startNotice = 2 * time.Second

// Run listens and serves until ctx is done or something fails. Before it returns, it tells
// all clients that the server is going away and closes everything. Run must be called only
// once.
func (a *App) Run(ctx context.Context) error {
	a.limit.Open()
	defer a.limit.Close()
	ln, err := a.listen(ctx)
	if err != nil {
		return err
	}
	gate := newGate()
	hs := newHTTPServer(gate.open(a.handler()), a.limit)
	hs.ConnContext = gate.attach
	ln = gate.listen(newRoomyListener(ln, a.limit))

	// The server must outlive the listener, so its context is not ctx.
	runCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	web := start(func() error { return hs.Serve(ln) })
	server := start(func() error {
		err := a.server.Run(runCtx)
		if runCtx.Err() == nil {
			err = a.explain(err)
		}
		return err
	})
	a.log.Info("listening", "address", ln.Addr().String(), "descriptors", DescriptorLimit())

	err = a.wait(ctx, ln.Addr(), web, server)

	// Stop accepting clients before disconnecting the connected ones.
	_ = ln.Close()
	stop()
	<-server.done
	closeHTTP(hs)
	<-web.done
	return errors.Join(err, server.err)
}

// wait waits until ctx is done, the server has stopped by itself, or serving HTTP has failed,
// and returns an error only in the last case. It calls OnReady when clients are accepted.
func (a *App) wait(ctx context.Context, addr net.Addr, web, server *task) error {
	ready := a.server.Ready()
	late := time.NewTimer(startNotice)
	defer late.Stop()
	for {
		select {
		case <-ready:
			ready = nil
			late.Stop()
			if a.cfg.OnReady != nil {
				a.cfg.OnReady(addr)
			}
		case <-late.C:
			a.log.Warn("still waiting for Redis; no clients are accepted yet")
		case <-web.done:
			return fmt.Errorf("serving HTTP: %w", web.err)
		case <-server.done:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// explain adds advice to the error of a server that stopped by itself.
func (a *App) explain(err error) error {
	if err == nil || a.cfg.Redis.URL == "" {
		return err
	}
	return &Error{Err: err, Hint: "is Redis running, and does --redis or --redis-file have its address and password?"}
}

// task is a function that runs on its own goroutine.
type task struct {
	done chan struct{} // closed when the function has returned
	err  error         // the function's result; valid once done is closed
}

func start(f func() error) *task {
	t := &task{done: make(chan struct{})}
	go func() {
		defer close(t.done)
		t.err = f()
	}()
	return t
}

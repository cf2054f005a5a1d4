package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/ignis-go/ignis/internal/listen"
)

// startNotice is how long startup may take before the log says what it is waiting for.
const startNotice = 2 * time.Second

// Run listens and serves until ctx is done, the server has been drained or something fails.
// Before it returns, it tells all clients that the server is going away and closes everything.
// Run must be called only once.
func (a *App) Run(ctx context.Context) error {
	for _, l := range a.limits {
		l.Open()
		defer l.Close()
	}
	closeMetrics, err := a.serveMetrics(ctx)
	if err != nil {
		return err
	}
	defer closeMetrics()
	if err := a.listen(ctx); err != nil {
		return err
	}
	gate := newGate(a.waiting)
	hs, api := newHTTPServer(gate.open(a.handler()), a.httpLimit), newHTTPServer(gate.open(a.apiHandler()), a.httpLimit)
	plain := newHTTPServer(gate.open(a.acmeHandler()), a.httpLimit)
	hs.ConnContext, api.ConnContext, plain.ConnContext = gate.attach, gate.attach, gate.attach

	// The server must outlive the listener, so its context is not ctx.
	runCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	web := start(func() error {
		return serveAll(a.listeners, func(i int, l net.Listener) error {
			switch {
			case a.isOfACME(i):
				return plain.Serve(gate.listen(l))
			case a.isOfAPI(i):
				return api.Serve(gate.listen(l))
			}
			return hs.Serve(gate.listen(l))
		})
	})
	server := start(func() error {
		err := a.server.Run(runCtx)
		if runCtx.Err() == nil {
			err = a.explain(err)
		}
		return err
	})
	helpers := a.startHelpers(runCtx)
	var urls []string
	for _, l := range a.listeners.All() {
		urls = append(urls, l.URL())
		a.log.Info("listening", "address", l.Addr().String(), "url", l.URL(), "descriptors", DescriptorLimit())
	}

	err = a.wait(ctx, urls, web, server)

	// Stop accepting clients before disconnecting the connected ones.
	a.listeners.Close()
	stop()
	<-server.done
	helpers()
	closeHTTP(hs, api, plain)
	<-web.done
	if n := a.server.Stats().RefusedStopping; n > 0 {
		a.log.Info("clients were refused during the shutdown", "requests", n)
	}
	return errors.Join(err, server.err)
}

// Drain takes the server out of service while Run runs, as [ignis.Server.Drain] does, and Run
// then returns nil. It waits until the server has stopped, or closes all clients immediately
// when ctx is done.
func (a *App) Drain(ctx context.Context) {
	_ = a.server.Drain(ctx) // fails only if ctx is done, and then the caller knows
}

// startHelpers starts what works beside the server: it keeps the keys of tokens and the secrets
// of the webhook up to date, until ctx is done, delivers events to the webhook, and reports how many
// log lines of the access rules were left out. The result is a function to call when the server has
// stopped. It delivers the events that are left, and waits until all helpers have stopped.
func (a *App) startHelpers(ctx context.Context) (wait func()) {
	delivering, stop := context.WithCancel(context.WithoutCancel(ctx))
	var helpers sync.WaitGroup
	helpers.Go(func() { a.runTokens(ctx) })
	if a.rooms != nil {
		helpers.Go(func() { a.rooms.Run(delivering) })
	}
	if a.hooks != nil {
		helpers.Go(func() { a.watchSecrets(ctx) })
		helpers.Go(func() { _ = a.hooks.Run(delivering) }) // fails only if called twice
	}
	return func() {
		stop()
		helpers.Wait()
	}
}

// serveAll calls serve with each listener and its index. When a call returns, it closes all
// listeners, waits for the other calls, and returns the first error.
func serveAll(all *listen.Listeners, serve func(int, net.Listener) error) error {
	ended := make(chan error)
	for i, l := range all.All() {
		go func() { ended <- serve(i, l) }()
	}
	err := <-ended
	all.Close()
	for range all.All()[1:] {
		<-ended
	}
	return err
}

// wait waits until ctx is done, the server has stopped by itself, or serving HTTP has failed,
// and returns an error only in the last case. It calls OnReady when clients are accepted.
func (a *App) wait(ctx context.Context, urls []string, web, server *task) error {
	ready := a.server.Ready()
	late := time.NewTimer(startNotice)
	defer late.Stop()
	for {
		select {
		case <-ready:
			ready = nil
			late.Stop()
			a.ready(urls)
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

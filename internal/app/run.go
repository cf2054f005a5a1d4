package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/ignis-go/ignis/internal/listen"
)

// startNotice is how long starting may take before a person should learn why nothing
// happens.
const startNotice = 2 * time.Second

// Run listens and serves until ctx ends or something fails. It returns when all clients
// have been told to go and everything is closed. An App runs once.
func (a *App) Run(ctx context.Context) error {
	a.limit.Open()
	defer a.limit.Close()
	if err := a.listen(ctx); err != nil {
		return err
	}
	gate := newGate()
	hs := newHTTPServer(gate.open(a.handler()), a.limit)
	hs.ConnContext = gate.attach

	// The server must outlive the listener, so its context is not ctx.
	runCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	web := start(func() error {
		return serveAll(a.listeners, func(l net.Listener) error { return hs.Serve(gate.listen(l)) })
	})
	server := start(func() error {
		err := a.server.Run(runCtx)
		if runCtx.Err() == nil {
			err = a.explain(err)
		}
		return err
	})
	var urls []string
	for _, l := range a.listeners.All() {
		urls = append(urls, l.URL())
	}
	a.log.Info("listening", "address", strings.Join(urls, " "), "descriptors", DescriptorLimit())

	err := a.wait(ctx, urls, web, server)

	// No new client may come in once the others are told to go.
	a.listeners.Close()
	stop()
	<-server.done
	closeHTTP(hs)
	<-web.done
	return errors.Join(err, server.err)
}

// serveAll calls serve with each listener. When a call returns, it closes all listeners,
// waits for the other calls, and returns the first error.
func serveAll(all *listen.Listeners, serve func(net.Listener) error) error {
	ended := make(chan error)
	for _, l := range all.All() {
		go func() { ended <- serve(l) }()
	}
	err := <-ended
	all.Close()
	for range all.All()[1:] {
		<-ended
	}
	return err
}

// wait returns when ctx has ended, the server has ended by itself, or HTTP has failed, and
// then with an error. Meanwhile it reports when clients are accepted.
func (a *App) wait(ctx context.Context, urls []string, web, server *task) error {
	ready := a.server.Ready()
	late := time.NewTimer(startNotice)
	defer late.Stop()
	for {
		select {
		case <-ready:
			ready = nil
			late.Stop()
			if a.cfg.OnReady != nil {
				a.cfg.OnReady(urls)
			}
		case <-late.C:
			a.log.Warn("no clients are accepted yet: waiting for Redis")
		case <-web.done:
			return fmt.Errorf("serving HTTP: %w", web.err)
		case <-server.done:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// explain adds what to do if the server has ended by itself.
func (a *App) explain(err error) error {
	if err == nil || a.cfg.Redis.URL == "" {
		return err
	}
	return &Error{Err: err, Hint: "is Redis running, and does --redis or --redis-file have its address and password?"}
}

// task is a function that runs on its own goroutine.
type task struct {
	done chan struct{} // closed when the function has returned
	err  error         // what it returned; valid once done is closed
}

func start(f func() error) *task {
	t := &task{done: make(chan struct{})}
	go func() {
		defer close(t.done)
		t.err = f()
	}()
	return t
}

// Command notify is an application whose workers take minutes for what users ask for, and tell them
// how far it is. The web application and the workers are separate processes. They share a Redis
// with a queue of jobs, over which the workers also send to the users:
//
//	go run ./notify                # http://127.0.0.1:3000
//	go run ./notify --worker       # as many as you need
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/redisbus"
)

// config is what the flags set.
type config struct {
	redis  string
	listen string
	worker bool
	retry  time.Duration
	step   time.Duration
}

func main() {
	var c config
	flag.StringVar(&c.redis, "redis", "redis://127.0.0.1:6379", "URL of the Redis")
	flag.StringVar(&c.listen, "listen", "127.0.0.1:3000", "address to listen on")
	flag.BoolVar(&c.worker, "worker", false, "run a worker instead of the web application")
	flag.DurationVar(&c.retry, "retry", 5*time.Second, "time until the next attempt if a job fails or its worker crashes")
	flag.DurationVar(&c.step, "step", 700*time.Millisecond, "a tenth of the time that a report takes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := c.runWeb
	if c.worker {
		run = c.runWorker
	}
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

// queue returns the queue and the inbox, with a connection that the caller closes.
func (c config) queue() (*Queue, *Inbox, error) {
	option, err := rueidis.ParseURL(c.redis)
	if err != nil {
		return nil, nil, err
	}
	option.DisableCache = true
	redis, err := rueidis.NewClient(option)
	if err != nil {
		return nil, nil, fmt.Errorf("no connection to Redis, which --redis names: %w", err)
	}
	return &Queue{Redis: redis, Retry: c.retry, Attempts: 3}, &Inbox{Redis: redis}, nil
}

func (c config) runWorker(ctx context.Context) error {
	queue, inbox, err := c.queue()
	if err != nil {
		return err
	}
	defer queue.Redis.Close()
	bus, err := redisbus.Dial(ctx, redisbus.Config{URL: c.redis})
	if err != nil {
		return err
	}
	defer bus.Close()
	to, err := emitter.New(bus, emitter.Config{})
	if err != nil {
		return err
	}
	w := &Worker{Queue: queue, Inbox: inbox, To: to, Name: fmt.Sprint(os.Getpid()), Step: c.step}
	return w.Run(ctx)
}

func (c config) runWeb(ctx context.Context) error {
	queue, inbox, err := c.queue()
	if err != nil {
		return err
	}
	defer queue.Redis.Close()
	bus, err := redisbus.New(redisbus.Config{URL: c.redis})
	if err != nil {
		return err
	}
	w, err := NewWeb(queue, inbox, bus)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", c.listen)
	if err != nil {
		return err
	}
	log.Printf("the application is on http://%s", l.Addr())
	return w.serve(ctx, l)
}

// serve serves the application until ctx is done and all clients have been closed.
func (w *Web) serve(ctx context.Context, l net.Listener) error {
	hs := &http.Server{Handler: w.routes(), ReadHeaderTimeout: 5 * time.Second}
	ctx, cancel := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() {
		served <- hs.Serve(l)
		cancel() // without an HTTP server, no client can connect
	}()
	err := errors.Join(w.server.Run(ctx), hs.Close())
	if e := <-served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

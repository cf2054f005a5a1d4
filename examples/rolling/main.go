// Command rolling restarts the servers of a fleet one after the other, behind HAProxy, while
// clients are connected and messages are published, and checks that nobody notices: no upgrade is
// refused, clients reconnect evenly spread, and every client receives everything that is published
// while it is connected.
//
//	node start.mjs rolling --clients 5000
//
// It needs redis-server and haproxy. Without Node.js, use rolling/roll.sh, or build ignis and name it:
//
//	go build -o ignis github.com/ignis-go/ignis/cmd/ignis
//	go run ./rolling --ignis ./ignis --clients 5000
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

// config is what the flags set.
type config struct {
	ignis   string        // the program
	clients int           // number of clients
	nodes   int           // number of servers
	delay   time.Duration // --drain-delay
	window  time.Duration // --drain-window; 0: auto
	rate    int           // messages per second
	verbose bool
	out     *output
}

func main() {
	c := config{out: newOutput(os.Stdout)}
	flag.StringVar(&c.ignis, "ignis", "ignis", "the program ignis")
	flag.IntVar(&c.clients, "clients", 300, "number of clients")
	flag.IntVar(&c.nodes, "nodes", 3, "number of servers")
	flag.DurationVar(&c.delay, "delay", 5*time.Second, "drain delay")
	flag.DurationVar(&c.window, "window", 0, "drain window (0: the default, which depends on the number of clients)")
	flag.IntVar(&c.rate, "rate", 2, "messages per second to all clients")
	flag.BoolVar(&c.verbose, "v", false, "print the logs of the servers and of HAProxy")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := c.run(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// run rolls a fleet and returns an error if anybody noticed.
func (c config) run(ctx context.Context) (err error) {
	f, err := newFleet(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	c.out.printf("A rolling upgrade of %d servers behind HAProxy, with %d clients and %d messages a second to each.\n\n", c.nodes, c.clients, c.rate)
	if err := f.start(ctx); err != nil {
		return err
	}
	c.out.printf("  ✔ Redis, %d servers and HAProxy are ready\n", c.nodes)
	bus, err := redisbus.Dial(ctx, redisbus.Config{URL: f.redis})
	if err != nil {
		return err
	}
	defer bus.Close()
	sender, err := emitter.New(bus, emitter.Config{})
	if err != nil {
		return err
	}
	h := newHerd(f.url, c.clients)
	defer h.stop()
	if err := h.connect(ctx); err != nil {
		return err
	}
	c.out.printf("  ✔ %d clients are connected\n\n", c.clients)

	publishing, end := context.WithCancel(ctx)
	published := make(chan error, 1)
	go func() { published <- h.traffic.publish(publishing, sender, c.rate) }()
	err = c.roll(ctx, f, h)
	end()
	err = errors.Join(err, <-published)
	pause(ctx, time.Second) // for the last messages
	h.stop()
	return errors.Join(err, h.report(c.out))
}

// roll restarts the servers one after the other.
func (c config) roll(ctx context.Context, f *fleet, h *herd) error {
	var failed error
	for i, s := range f.servers {
		pause(ctx, 2*time.Second)
		h.begin()
		began := time.Now()
		end := c.out.follow(func() string {
			return fmt.Sprintf("  server %d of %d: %d clients have moved, %d of %d are connected", i+1, c.nodes, h.round().ends, h.open.Load(), c.clients)
		})
		err := s.restart(ctx)
		if err == nil {
			err = h.settled(ctx)
		}
		end()
		if err != nil {
			return err
		}
		r := h.round()
		c.out.printf("  server %d of %d was replaced in %v\n%s\n", i+1, c.nodes, time.Since(began).Round(100*time.Millisecond), r)
		failed = errors.Join(failed, r.check(c))
	}
	return failed
}

// publish sends numbered messages to everyone until ctx is done.
func (t *traffic) publish(ctx context.Context, to *emitter.Emitter, rate int) error {
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := to.Send(ctx, wire.ToEveryone(), "n", t.next()); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

// pause waits, unless ctx is done.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

package redisbus_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/logtest"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

// deadline limits waits. Only a failing test reaches it.
const deadline = 2 * time.Minute

// node is a bus that runs until its test ends, with the messages that it has received and the
// lines that it has logged.
type node struct {
	*redisbus.Bus
	t      *testing.T
	log    *logtest.Log
	got    chan string
	cancel context.CancelFunc
	result chan error
	once   sync.Once
}

// impatient returns a configuration that detects failures soon.
func impatient(url string) redisbus.Config {
	return redisbus.Config{URL: url, ProbeInterval: 100 * time.Millisecond, ProbeTimeout: 3 * time.Second}
}

// failToStart runs a bus that does not become ready, and returns its error. Unless the error
// contains want, it tries again with longer start timeouts, because a busy machine may not have
// got as far.
func failToStart(t *testing.T, c redisbus.Config, want string) error {
	t.Helper()
	c.Logger = discard()
	var err error
	for _, c.StartTimeout = range []time.Duration{300 * time.Millisecond, 3 * time.Second, 30 * time.Second} {
		bus, e := redisbus.New(c)
		if e != nil {
			t.Fatal(e)
		}
		err = bus.Run(t.Context(), func() { t.Error("ready") }, func(...[]byte) {})
		if err == nil || strings.Contains(err.Error(), want) {
			break
		}
	}
	return err
}

// each returns a receive function that calls f with each envelope.
func each(f func([]byte)) func(...[]byte) {
	return func(envelopes ...[]byte) {
		for _, e := range envelopes {
			f(e)
		}
	}
}

// launch starts a bus and returns without waiting.
func launch(t *testing.T, c redisbus.Config, receive func([]byte)) (n *node, ready chan struct{}) {
	t.Helper()
	n = &node{t: t, log: &logtest.Log{}, got: make(chan string, 100_000), result: make(chan error, 1)}
	c.Logger = n.log.Logger()
	bus, err := redisbus.New(c)
	if err != nil {
		t.Fatal(err)
	}
	n.Bus = bus
	if receive == nil {
		receive = func(e []byte) { n.got <- string(e) }
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	n.cancel = cancel
	ready = make(chan struct{})
	go func() { n.result <- bus.Run(ctx, func() { close(ready) }, each(receive)) }()
	t.Cleanup(n.stop)
	return n, ready
}

// run launches a bus and waits until it is ready.
func run(t *testing.T, c redisbus.Config, receive func([]byte)) *node {
	t.Helper()
	n, ready := launch(t, c, receive)
	n.await(ready)
	return n
}

func (n *node) await(ready chan struct{}) {
	n.t.Helper()
	select {
	case <-ready:
	case err := <-n.result:
		n.result <- err
		n.t.Fatalf("Run returned early: %v", err)
	case <-time.After(deadline):
		n.t.Fatal("the bus is not ready")
	}
}

func (n *node) stop() {
	n.t.Helper()
	n.once.Do(func() {
		n.cancel()
		select {
		case err := <-n.result:
			if err != nil {
				n.t.Errorf("Run = %v", err)
			}
		case <-time.After(deadline):
			n.t.Error("Run does not return")
		}
	})
}

// healthy waits until both connections work.
func (n *node) healthy() {
	n.t.Helper()
	redistest.Wait(n.t, "the bus to be healthy", func() bool { return n.Health() == nil })
}

// connected reports whether both connections work, regardless of the state of other nodes of a
// Cluster.
func (n *node) connected() bool {
	err := n.Health()
	return err == nil || errors.Is(err, redisbus.ErrPartial)
}

// down waits until the bus has noticed that Redis is gone.
func (n *node) down() {
	n.t.Helper()
	redistest.Wait(n.t, "the bus to notice that Redis is gone",
		func() bool { return errors.Is(n.Health(), redisbus.ErrUnavailable) })
}

func (n *node) publish(text string) {
	n.t.Helper()
	if err := n.Publish("ws:room:r", []byte(text)); err != nil {
		n.t.Fatalf("Publish: %v", err)
	}
}

func (n *node) next() string {
	n.t.Helper()
	select {
	case text := <-n.got:
		return text
	case <-time.After(deadline):
		n.t.Fatalf("nothing received; stats %+v, health %v\n%s", n.Stats(), n.Health(), n.log)
		return ""
	}
}

// exchange sends numbered messages from one node and checks that another receives exactly
// those next, in order. It skips older messages that are still arriving.
func exchange(t *testing.T, label string, from, to *node) {
	t.Helper()
	const n = 2000
	for i := range n {
		from.publish(fmt.Sprintf("%s %d", label, i))
	}
	text := to.next()
	for !strings.HasPrefix(text, label+" ") {
		text = to.next()
	}
	for i := range n {
		if want := fmt.Sprintf("%s %d", label, i); text != want {
			t.Fatalf("received %q, want %q", text, want)
		}
		if i < n-1 {
			text = to.next()
		}
	}
}

// balance waits until nothing is queued and checks that every accepted envelope is accounted for,
// at any time.
func (n *node) balance(accepted uint64) {
	n.t.Helper()
	count := func(s redisbus.Stats) uint64 {
		return s.Published + s.LostConnection + s.LostExpired + s.LostRefused + s.LostShutdown
	}
	redistest.Wait(n.t, "the publish queue to be empty", func() bool {
		s := n.Stats()
		if got := count(s) + uint64(s.Queued); got < accepted {
			n.t.Errorf("%d of %d accepted envelopes are missing; stats %+v", accepted-got, accepted, s)
		}
		return s.Queued == 0
	})
	if s := n.Stats(); count(s) != accepted || s.Published+n.Lost() != accepted {
		n.t.Errorf("of %d accepted envelopes, %d are published and %d lost; stats %+v", accepted, s.Published, n.Lost(), s)
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

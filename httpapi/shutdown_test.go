package httpapi_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ignis-go/ignis/httpapi"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

// lingering is a bus whose Run returns only some time after the bus has stopped.
type lingering struct {
	*redisbus.Bus
	stopped chan struct{} // closed when the bus has stopped
	linger  chan struct{} // how long Run takes to return
}

func (b *lingering) Run(ctx context.Context, ready func(), receive func(...[]byte)) error {
	err := b.Bus.Run(ctx, ready, receive)
	close(b.stopped)
	<-b.linger
	return err
}

// slowStore is a store in which a claim is followed by a pause.
type slowStore struct {
	httpapi.Store
	claimed chan struct{}
	resume  chan struct{}
}

func (s *slowStore) Claim(ctx context.Context, key string, value []byte, ttl time.Duration) ([]byte, error) {
	existing, err := s.Store.Claim(ctx, key, value, ttl)
	s.claimed <- struct{}{}
	<-s.resume
	return existing, err
}

func newRedisBus(t *testing.T, url string) *redisbus.Bus {
	t.Helper()
	bus, err := redisbus.New(redisbus.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	return bus
}

// While a server shuts down and its bus has already stopped, it refuses requests, does nothing, and
// another server executes them with the same idempotency key.
func TestRequestsAfterTheBusHasStopped(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	bus := &lingering{newRedisBus(t, r.URL()), make(chan struct{}), make(chan struct{})}
	a := start(t, setup{bus: bus, api: httpapi.Config{Store: bus}})
	b, _ := startOn(t, r.URL())
	ann := b.dial("ann")
	linger := sync.OnceFunc(func() { close(bus.linger) })
	t.Cleanup(linger)
	ended := make(chan error, 1)
	go func() { ended <- a.Shutdown(context.Background()) }()
	<-bus.stopped
	requests := map[string]string{
		"/v1/publish":       hello,
		"/v1/publish/batch": `{"messages":[` + hello + `]}`,
		"/v1/join":          `{"to":{"user":"ann"},"rooms":["lobby"]}`,
		"/v1/disconnect":    `{"to":{"user":"bob"}}`,
		"/v1/drain":         `{"server":"0"}`,
	}
	for path, body := range requests {
		a.post(path, body).problem(503, "not-running")
		a.post(path, body, "Idempotency-Key", path).problem(503, "not-running")
	}
	for path, body := range requests {
		if res := b.post(path, body, "Idempotency-Key", path); res.status != 200 || replayed(res) {
			t.Errorf("%s: answered %d %s", path, res.status, res.body)
		}
	}
	ann.Expect("hello", nil)
	ann.Expect("hello", nil)
	linger()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if log := a.log.String(); strings.Contains(log, "bus refused an envelope") {
		t.Error(log)
	}
}

// A request that has begun is completed before the bus stops, and another server knows its answer.
func TestShutdownDuringRequest(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	bus := newRedisBus(t, r.URL())
	store := &slowStore{bus, make(chan struct{}), make(chan struct{})}
	a := start(t, setup{bus: bus, api: httpapi.Config{Store: store}})
	b, _ := startOn(t, r.URL())
	ann := b.dial("ann")
	answers := make(chan answer, 1)
	go func() { answers <- a.once("k", hello) }()
	<-store.claimed
	ended := make(chan error, 1)
	go func() { ended <- a.Shutdown(context.Background()) }()
	redistest.Wait(t, "the shutdown", func() bool { return strings.Contains(a.log.String(), "server is shutting down") })
	close(store.resume)
	(<-answers).ok(`{"localRecipients":0}`)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if res := b.once("k", hello).ok(`{"localRecipients":0}`); !replayed(res) {
		t.Error("the request was executed twice")
	}
	b.post("/v1/publish", `{"to":{"user":"ann"},"event":"last"}`)
	ann.Expect("hello", nil)
	ann.Expect("last", nil)
}

// If a message was neither queued for a client nor handed to the bus, the request can be repeated
// with the same idempotency key.
func TestRequestsThatDidNothingAreRepeated(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	bus := &refusing{Bus: newRedisBus(t, r.URL())}
	a := start(t, setup{bus: bus, api: httpapi.Config{Store: bus.Bus.(*redisbus.Bus)}})
	b, _ := startOn(t, r.URL())
	ann := b.dial("ann")
	batch := `{"messages":[{"to":{"user":"ann"},"event":"one"},{"to":{"user":"ann"},"event":"two"}]}`
	post := func(n *node) answer { return n.post("/v1/publish/batch", batch, "Idempotency-Key", "batch") }
	bus.refuse(`"event":`)
	if p := a.once("k", hello).problem(503, "bus-unavailable"); *p.LocalRecipients != 0 {
		t.Errorf("problem %+v", p)
	}
	post(a).problem(503, "bus-unavailable")
	b.once("k", hello).ok(`{"localRecipients":1}`)
	ann.Expect("hello", nil)
	// A part of a batch was handed to the bus, so it is not executed again.
	bus.refuse(`"event":"two"`)
	first := post(a)
	first.problem(503, "bus-unavailable")
	if second := post(b); !replayed(second) || second.body != first.body {
		t.Errorf("answered %s", second.body)
	}
	ann.Expect("one", nil)
	b.post("/v1/publish", `{"to":{"user":"ann"},"event":"last"}`)
	ann.Expect("last", nil)
}

package httpapi_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ignis-go/ignis/httpapi"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

// startOn runs a node on a real Redis, which is also its store.
func startOn(t *testing.T, url string) (*node, *redisbus.Bus) {
	t.Helper()
	bus, err := redisbus.New(redisbus.Config{URL: url, ProbeInterval: 100 * time.Millisecond, ProbeTimeout: 3 * time.Second, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return start(t, setup{bus: bus, api: httpapi.Config{Store: bus, CommandTimeout: 50 * time.Millisecond}}), bus
}

// With two servers on one Redis, a request to one of them affects the clients of both.
func TestOverRedis(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	a, _ := startOn(t, r.URL())
	b, _ := startOn(t, r.URL())
	here, there := a.dial("ann"), b.dial("ann")
	a.post("/v1/join", `{"to":{"user":"ann"},"rooms":["lobby"]}`).ok(`{"localClients":1}`)
	b.inRooms(there, "lobby")
	a.post("/v1/publish", `{"to":{"room":"lobby"},"event":"one","data":{"x":1}}`).ok(`{"localRecipients":1}`)
	here.Expect("one", nil)
	there.Expect("one", nil) // there is no order between the messages of two servers
	var batch []string
	for i := range 50 {
		batch = append(batch, fmt.Sprintf(`{"to":{"user":"ann"},"event":"n","data":%d}`, i))
	}
	b.post("/v1/publish/batch", `{"messages":[`+strings.Join(batch, ",")+`]}`)
	for i := range 50 {
		var n int
		if there.Expect("n", &n); n != i {
			t.Fatalf("received %d, want %d", n, i)
		}
	}
	here.Expect("n", nil)
	// An idempotency key holds on both.
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			for {
				n := []*node{a, b}[i%2]
				res := n.once("order-17", `{"to":{"user":"bob"},"event":"paid"}`)
				if res.status == 200 {
					return
				}
				res.problem(409, "idempotency-in-progress")
			}
		})
	}
	bob := b.dial("bob")
	all.Wait()
	a.once("order-17", `{"to":{"user":"bob"},"event":"other"}`).problem(422, "idempotency-key-reused")
	b.post("/v1/publish", `{"to":{"user":"bob"},"event":"last"}`)
	for paid := 0; ; paid++ {
		m := bob.Receive()
		if m.Event == "last" {
			break
		}
		if paid > 0 {
			t.Error("the message was published twice")
		}
	}
	b.post("/v1/disconnect", `{"to":{"user":"ann"},"code":4100}`).ok(`{"localClients":1}`)
	there.ExpectClose(4100)
}

// While Redis is gone, a request with an idempotency key does nothing, and others say what they
// have done.
func TestWithoutRedis(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	a, bus := startOn(t, r.URL())
	ann := a.dial("ann")
	r.Kill()
	redistest.Wait(t, "the outage to be noticed", func() bool { return errors.Is(bus.Health(), redisbus.ErrUnavailable) })
	a.once("k", hello).problem(503, "idempotency-unavailable")
	p := a.post("/v1/publish", hello).problem(503, "bus-unavailable")
	if p.LocalRecipients == nil || *p.LocalRecipients != 1 || len(p.Messages) != 1 || *p.Messages[0].HandedToBus {
		t.Errorf("problem %+v", p)
	}
	ann.Expect("hello", nil)
	var state struct {
		Bus struct {
			Healthy bool
			Error   string
			Refused int
		}
	}
	a.get("/v1/state").decode(&state)
	if b := state.Bus; b.Healthy || b.Error == "" || b.Refused != 1 {
		t.Errorf("state %+v", state)
	}
	p = a.post("/v1/disconnect", `{"to":{"user":"ann"}}`).problem(503, "bus-unavailable")
	if p.LocalClients == nil || *p.LocalClients != 1 {
		t.Errorf("problem %+v", p)
	}
	ann.ExpectClose(4006)
	r.Restart()
	redistest.Wait(t, "the bus to reconnect", func() bool { return bus.Health() == nil })
	a.once("k", hello).ok(`{"localRecipients":0}`)
}

package ignis_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/wire"
)

// The messages that wait for clients that do not read use no more memory than the limit.
// (The socket's buffer takes up to half of the limit in addition.)
func TestMemoryOfSlowClients(t *testing.T) {
	longtest.Mark(t)
	for _, size := range []int{0, 1000, 100_000} {
		for _, private := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d bytes/private=%v", size, private), func(t *testing.T) {
				onBothPaths(t, func(t *testing.T, plain bool) { testMemoryOfSlowClients(t, plain, size, private) })
			})
		}
	}
}

func testMemoryOfSlowClients(t *testing.T, plain bool, size int, private bool) {
	const clients = 5
	limit := 1 << 20
	if size == 0 {
		limit /= 4 // already takes many thousands of messages
	}
	n := start(t, ignis.Config{PlainIO: plain, SlowPolicy: ignis.SlowDropNewest, BackpressureLimit: limit})
	for range clients {
		n.raw().text(authenticate)
	}
	n.until("all clients are authenticated", func() bool { return n.Stats().Authenticated == clients })
	all := n.Clients()
	data := json.RawMessage(`"` + strings.Repeat("x", size) + `"`)
	if size == 0 {
		data = nil
	}
	send := func() {
		if !private {
			_ = n.SendLocal(ignis.ToEveryone(), "x", data)
			return
		}
		for _, c := range all {
			_ = n.SendLocal(ignis.ToClient(c.ID), "x", data)
		}
	}
	full := func() bool {
		for _, c := range n.Clients() {
			if !c.SlowReader {
				return false
			}
		}
		return true
	}
	before := heap()
	for !full() {
		for range max(1, 64<<10/(size+100)) {
			send()
		}
		ignis.Written(n.Server) // or else four times the limit may wait
	}
	for n.Stats().Dropped["backpressure"] == 0 {
		send()
	}
	for range 2 * limit / (size + 128) { // more than any other client has room for
		send()
	}
	grown := (heap() - before) / clients
	if grown > limit*12/10 {
		t.Errorf("each client takes %d bytes, %.2f times the limit", grown, float64(grown)/float64(limit))
	}
	t.Logf("each client takes %d bytes", grown)
	runtime.KeepAlive(all)
}

// heap returns the number of bytes in use.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the first collection only marks the contents of pools as unused
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// Sending a message over the limit is an error, and no client receives it.
func TestMaxMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeBus()
		n := startMem(t, ignis.Config{Bus: b, MaxMessage: 100})
		p := n.login("ann")
		fits := strings.Repeat("a", 100-len(`{"event":"x","data":""}`))
		for name, send := range map[string]func(data string) error{
			"Send":                  func(data string) error { return n.Send(context.Background(), ignis.ToEveryone(), "x", data) },
			"SendLocal":             func(data string) error { return n.SendLocal(ignis.ToEveryone(), "x", data) },
			"SendLocal to a client": func(data string) error { return n.SendLocal(ignis.ToClient(p.id), "x", data) },
		} {
			if err := send(fits + "a"); !errors.Is(err, wire.ErrTooLarge) {
				t.Errorf("%s of 101 bytes: %v", name, err)
			}
			if err := send(fits); err != nil {
				t.Errorf("%s of 100 bytes: %v", name, err)
			}
			p.only(`{"event":"x","data":"` + fits + `"}`)
		}
		if got := b.take(); len(got) != 1 {
			t.Errorf("published %d envelopes, want 1", len(got))
		}
	})
}

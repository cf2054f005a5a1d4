package ignis_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/wire"
)

// A client is closed when its callbacks have returned, after their answers and whatever was
// queued for it, but at the latest when the window ends.
func TestDrainWaitsForCallbacks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{
			DrainWindow: 10 * time.Second,
			OnMessage: func(ctx context.Context, _ *ignis.Client, m wire.Message) (any, error) {
				var seconds int
				if err := m.Decode(&seconds); err != nil {
					return nil, err
				}
				select {
				case <-time.After(time.Duration(seconds) * time.Second):
				case <-ctx.Done():
				}
				return seconds, ctx.Err()
			},
		})
		ann, bob := n.login2(), n.login2()
		ann.text(`{"event":"wait","data":9,"id":"1"}`)
		ann.text(`{"event":"wait","data":0,"id":"2"}`)
		bob.text(`{"event":"wait","data":60,"id":"1"}`)
		began := time.Now()
		go func() {
			time.Sleep(8 * time.Second)
			if err := n.Send(t.Context(), ignis.ToClient(ann.id), "late", 1); err != nil {
				t.Error(err)
			}
		}()
		if err := errors.Join(n.Drain(t.Context()), <-n.ran); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < 9*time.Second || took > 11*time.Second {
			t.Errorf("took %v", took)
		}
		n.ran <- nil
		warned := func(got []string) []string {
			return slices.DeleteFunc(got, func(line string) bool { return strings.HasPrefix(line, `{"event":"draining"`) })
		}
		want := append([]string{`{"event":"late","data":1}`, `{"event":"ack","data":9,"id":"1"}`, `{"event":"ack","data":0,"id":"2"}`}, closed(1001)...)
		if got := warned(ann.got()); !slices.Equal(got, want) {
			t.Errorf("received %q\n    want %q", got, want)
		}
		if got := warned(bob.got()); !slices.Equal(got, closed(1001)) {
			t.Errorf("received %q", got)
		}
	})
}

// Whatever is sent to a client before it is closed arrives, in order.
func TestDrainDeliversWhatWasSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{DrainWindow: 10 * time.Second})
		var clients []*peer
		for range 20 {
			clients = append(clients, n.login("bob"))
		}
		drained := make(chan error, 1)
		go func() { drained <- n.Drain(t.Context()) }()
		sent := 0
		for n.Send(t.Context(), ignis.ToEveryone(), "n", sent) == nil {
			sent++
			time.Sleep(7 * time.Millisecond)
		}
		if err := errors.Join(<-drained, <-n.ran); err != nil {
			t.Error(err)
		}
		n.ran <- nil
		for _, p := range clients {
			got := p.got()
			for i, line := range got[:max(len(got)-2, 0)] {
				if line != fmt.Sprintf(`{"event":"n","data":%d}`, i) {
					t.Fatalf("message %d is %s", i, line)
				}
			}
			if len(got) < 3 || !slices.Equal(got[len(got)-2:], closed(1001)) {
				t.Errorf("received %q", got)
			}
		}
	})
}

// A command drains the server that it names, and no other.
func TestDrainServer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		buses := bustest.NewCluster(2)
		first := startMem(t, ignis.Config{Bus: buses[0], DrainWindow: 10 * time.Second})
		second := startMem(t, ignis.Config{Bus: buses[1], DrainWindow: 10 * time.Second})
		ann, bob := first.login("ann"), second.login("bob")
		for _, id := range []string{"", strings.Repeat("x", 65), "\xff"} {
			if _, err := first.DrainServer(t.Context(), id); err == nil {
				t.Errorf("the ID %q was accepted", id)
			}
		}
		for _, id := range []string{"another", second.ID(), second.ID()} {
			if clients, err := first.DrainServer(t.Context(), id); err != nil || clients != 0 {
				t.Errorf("DrainServer = %d, %v", clients, err)
			}
		}
		if err := <-second.ran; err != nil {
			t.Error(err)
		}
		second.ran <- nil
		bob.only(closed(1001)...)
		ann.only()
		if clients, err := first.DrainServer(t.Context(), first.ID()); err != nil || clients != 1 {
			t.Errorf("DrainServer = %d, %v", clients, err)
		}
		if err := <-first.ran; err != nil {
			t.Error(err)
		}
		first.ran <- nil
		ann.only(closed(1001)...)
		if _, err := first.DrainServer(t.Context(), first.ID()); !errors.Is(err, ignis.ErrNotRunning) {
			t.Errorf("after Run: %v", err)
		}
	})
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{})
		if _, err := n.DrainServer(t.Context(), "another"); err == nil || n.Health().Draining {
			t.Errorf("without a bus: %v", err)
		}
	})
}

// A callback can make its own server drain.
func TestDrainServerFromACallback(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var n *node
		n = startMem(t, ignis.Config{OnMessage: func(ctx context.Context, _ *ignis.Client, _ wire.Message) (any, error) {
			return n.DrainServer(ctx, n.ID())
		}})
		p := n.login2()
		p.text(`{"event":"x","id":"1"}`)
		p.expect(`{"event":"ack","data":1,"id":"1"}`)
		if err := <-n.ran; err != nil {
			t.Error(err)
		}
		n.ran <- nil
	})
}

// A client that reads slowly still receives what is waiting for it.
func TestDrainWaitsForSlowClients(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{DrainWindow: 20 * time.Second, CloseTimeout: time.Second, WriteTimeout: time.Minute})
		p := n.raw()
		go p.text(authenticate)
		if line := p.frame(); !strings.Contains(line, "connected") {
			t.Fatalf("received %s", line)
		}
		for i := range 3 {
			if err := n.SendLocal(ignis.ToEveryone(), "n", i); err != nil {
				t.Fatal(err)
			}
		}
		drained := make(chan error, 1)
		go func() { drained <- n.Drain(t.Context()) }()
		time.Sleep(10 * time.Second)
		p.pump()
		p.expect(append([]string{`{"event":"n","data":0}`, `{"event":"n","data":1}`, `{"event":"n","data":2}`}, closed(1001)...)...)
		if err := errors.Join(<-drained, <-n.ran); err != nil {
			t.Error(err)
		}
		n.ran <- nil
	})
}

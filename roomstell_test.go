package ignis_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
)

// roomDiary records joins and leaves.
type roomDiary struct {
	mu    sync.Mutex
	lines []string
}

func (d *roomDiary) add(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *roomDiary) config() ignis.Config {
	return ignis.Config{
		ValidateRooms: allRooms,
		OnJoin:        func(_ context.Context, c *ignis.Client, room string) { d.add(c.UserID + " joins " + room) },
		OnLeave: func(_ context.Context, c *ignis.Client, room string, cause ignis.LeaveCause) {
			d.add(c.UserID + " leaves " + room + ": " + string(cause))
		},
		OnDisconnect: func(_ context.Context, c *ignis.Client, e ignis.Disconnect) {
			d.add(fmt.Sprint(c.UserID, " goes from ", e.Rooms))
		},
	}
}

func (d *roomDiary) take() []string {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	lines := d.lines
	d.lines = nil
	return lines
}

func TestRoomCallbacks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var d roomDiary
		n := startMem(t, d.config())
		p := n.login("ann")
		expect := func(want ...string) {
			t.Helper()
			if got := d.take(); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		expect()
		p.join(names("a", "b"))
		expect("ann joins a", "ann joins b")
		p.join(names("b", "c", p.id, "ws-default")) // only c is new
		expect("ann joins c")
		_ = n.Join(p.id, "c", "d")
		expect("ann joins d")
		p.text(`{"event":"leave","data":{"rooms":["a","x","` + p.id + `"]}}`)
		expect("ann leaves a: asked")
		_ = n.Leave(p.id, "b", "x")
		expect("ann leaves b: application")
		p.text(`{"event":"leave","data":{"rooms":["ws-default"]}}`)
		p.join(names("ws-default"))
		expect()
		_ = p.conn.Close()
		expect("ann leaves c: disconnected", "ann leaves d: disconnected", "ann goes from [ws-notification c d ws-default]")
	})
}

// Messages that OnJoin sends arrive before messages sent to the room in the meantime, none
// of which is lost. Other messages do not wait.
func TestStateComesFirst(t *testing.T) {
	for _, how := range []string{"asked", "application"} {
		bubble(t, func(t *testing.T) {
			var n *node
			n = startMem(t, ignis.Config{ValidateRooms: allRooms, OnJoin: func(ctx context.Context, c *ignis.Client, room string) {
				time.Sleep(time.Second)
				_ = n.SendLocal(ignis.ToClient(c.ID), "state", room)
				time.Sleep(time.Second)
			}})
			p := n.login2()
			if how == "asked" {
				p.text(`{"event":"join","data":{"rooms":["a"]},"id":"1"}`)
				p.only(ack("1", `{"rooms":[{"room":"a"}],"refused":[]}`))
			} else if err := n.Join(p.id, "a"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			for i := range 3 {
				_ = n.SendLocal(ignis.ToRoom("a"), "update", i)
				_ = n.SendLocal(ignis.ToUser("ann"), "other", i)
			}
			p.only(`{"event":"other","data":0}`, `{"event":"other","data":1}`, `{"event":"other","data":2}`)
			time.Sleep(3 * time.Second)
			_ = n.SendLocal(ignis.ToRoom("a"), "update", 3)
			p.only(`{"event":"state","data":"a"}`, `{"event":"update","data":0,"room":"a"}`, `{"event":"update","data":1,"room":"a"}`,
				`{"event":"update","data":2,"room":"a"}`, `{"event":"update","data":3,"room":"a"}`)
		})
	}
}

// A client that joins a busy room receives a snapshot and every later update.
func TestNoHoleUnderLoad(t *testing.T) {
	var mu sync.Mutex
	state := 0 // updates so far
	var n *node
	n = start(t, ignis.Config{ValidateRooms: allRooms, OnJoin: func(_ context.Context, c *ignis.Client, _ string) {
		mu.Lock()
		defer mu.Unlock()
		_ = n.SendLocal(ignis.ToClient(c.ID), "state", state)
	}})
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				mu.Lock()
				state++
				pause := state%50 == 0
				_ = n.SendLocal(ignis.ToRoom("a"), "update", state)
				mu.Unlock()
				if pause {
					time.Sleep(time.Millisecond) // otherwise only the client's socket would be tested
				}
			}
		})
	}
	for range 100 {
		p := n.login("ann")
		p.join(names("a"))
		var at int
		if line := p.next(); !strings.HasPrefix(line, `{"event":"state","data":`) {
			t.Fatalf("received %s first", line)
		} else if _, err := fmt.Sscanf(line, `{"event":"state","data":%d}`, &at); err != nil {
			t.Fatal(err)
		}
		last := at
		for range 50 {
			var is int
			line := p.next()
			if _, err := fmt.Sscanf(line, `{"event":"update","data":%d}`, &is); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			// Updates sent between the join and the snapshot are older than it.
			if is > at && is != last+1 {
				t.Fatalf("received %d after %d, and a snapshot of %d", is, last, at)
			}
			last = max(last, is)
		}
		_ = p.conn.Close()
	}
	close(stop)
	all.Wait()
}

// The size of the messages that wait for OnJoin and the time that they wait are limited.
// They are released even if OnJoin panics or the client disconnects.
func TestJoiningIsBounded(t *testing.T) {
	for name, row := range map[string]struct {
		onJoin func(context.Context, *ignis.Client, string)
		do     func(n *node)
		cause  ignis.Cause // "": the client stays
	}{
		"bytes": {
			onJoin: func(ctx context.Context, _ *ignis.Client, _ string) { <-ctx.Done() },
			do: func(n *node) {
				for range 20 {
					_ = n.SendLocal(ignis.ToRoom("a"), "x", strings.Repeat("x", 1000))
				}
			},
			cause: ignis.CauseBackpressure,
		},
		"time": {
			onJoin: func(ctx context.Context, _ *ignis.Client, _ string) { <-ctx.Done() },
			do:     func(*node) { time.Sleep(2 * time.Minute) },
			cause:  ignis.CauseBehind,
		},
		"panic": {onJoin: func(context.Context, *ignis.Client, string) { panic("no luck") }},
		"disconnected client": {
			onJoin: func(ctx context.Context, _ *ignis.Client, _ string) { <-ctx.Done() },
			do: func(n *node) {
				_ = n.SendLocal(ignis.ToRoom("a"), "x", 1)
				_ = n.Disconnect(n.Clients()[0].ID, 4000, "")
			},
			cause: ignis.CauseApplication,
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				n := startMem(t, ignis.Config{
					ValidateRooms: allRooms, OnJoin: row.onJoin, BackpressureLimit: 10_000,
					HeartbeatTimeout: time.Hour, IdleTimeout: -1,
				})
				p := n.login("ann")
				p.join(names("a"))
				synctest.Wait()
				if row.do != nil {
					row.do(n)
				}
				synctest.Wait()
				if row.cause == "" {
					_ = n.SendLocal(ignis.ToRoom("a"), "x", 1)
					p.only(line)
					return
				}
				if got := n.Stats().Disconnects; got[row.cause] != 1 {
					t.Errorf("disconnects %v, want %s", got, row.cause)
				}
			})
		})
	}
}

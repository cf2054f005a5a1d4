package ignis_test

import (
	"context"
	"net"
	"net/http"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// gauge is a memory budget of 1000 MB that a test controls.
type gauge struct {
	used, garbage atomic.Int64 // in MB
	hard          bool
	measured      atomic.Int64
}

func (g *gauge) prepare(s *ignis.Server) {
	ignis.Measure(s, func(int64) ignis.Usage {
		g.measured.Add(1)
		return ignis.Usage{
			Limit: 1000 << 20, Used: g.used.Load() << 20, Garbage: g.garbage.Load() << 20, Hard: g.hard, Name: "the test's limit",
		}
	})
}

// New connections are refused from 80 % of the budget on, and accepted again below 75 %.
// Garbage does not count, unless the system may kill the process before it is collected.
func TestConnectionsWithoutMemory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, hard := range []bool{false, true} {
			g := &gauge{hard: hard}
			n := startMem(t, ignis.Config{Accept: from}, g.prepare)
			refused := 0
			for _, tt := range []struct {
				used, garbage int64
				accepts       bool
			}{
				{100, 0, true},
				{799, 0, true},
				{800, 0, false},
				{750, 0, false},
				{749, 0, true},
				{900, 101, true},
				{940, 500, true},
				{960, 500, !hard},
				{960, 100, false},
				{100, 0, true},
			} {
				g.used.Store(tt.used)
				g.garbage.Store(tt.garbage)
				time.Sleep(time.Second)
				status, retry, p := n.attempt("192.0.2.1:1")
				if accepts := p != nil; accepts != tt.accepts {
					t.Errorf("hard %v, %d used, %d garbage: status %d", hard, tt.used, tt.garbage, status)
				}
				if p == nil {
					if refused++; status != http.StatusServiceUnavailable || retry != "5" {
						t.Errorf("status %d, Retry-After %q", status, retry)
					}
				}
			}
			if s := n.Stats(); s.RefusedMemory != uint64(refused) || !n.log.Has("Config.MemoryLimit") {
				t.Errorf("counted %d of %d; log: %s", s.RefusedMemory, refused, n.log)
			}
			n.stop()
			<-n.ran
			was := g.measured.Load()
			time.Sleep(time.Hour)
			if g.measured.Load() != was {
				t.Error("the memory is measured after the server has shut down")
			}
		}
	})
}

// deafClient connects a client that reads nothing, for which the given number of megabytes wait.
func (n *node) deafClient(user string, megabytes int) (id string) {
	n.t.Helper()
	p := n.raw()
	if err := p.conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		n.t.Fatal(err)
	}
	p.text(`{"event":"authenticate","data":{"user":"` + user + `"}}`)
	n.until("the client is authenticated", func() bool { return len(n.ClientsOfUser(user)) == 1 })
	for range megabytes {
		_ = n.SendLocal(ignis.ToUser(user), "x", strings.Repeat("x", 1<<20-200))
	}
	return n.ClientsOfUser(user)[0].ID
}

// The clients that use the most memory are cut off, and no more of them than necessary.
func TestLargestClientIsCutOff(t *testing.T) {
	var base atomic.Int64 // what does not belong to clients; 0 before the test begins
	held := func(n *node) (sum int64) {
		for _, c := range n.Clients() {
			sum += int64(ignis.Held(n.Server, c.ID))
		}
		return sum
	}
	const limit = 60 << 20
	var n *node
	n = start(t, ignis.Config{BackpressureLimit: 8 << 20}, func(s *ignis.Server) {
		ignis.Measure(s, func(int64) ignis.Usage {
			u := ignis.Usage{Limit: limit}
			if b := base.Load(); b != 0 {
				u.Used = b + held(n)
			}
			return u
		})
	})
	reader := n.login("reader")
	small := n.deafClient("small", 6)
	large := n.deafClient("large", 7)
	n.until("the sockets are full", func() bool {
		return n.Stats().Sent == 16 && ignis.Held(n.Server, small) > 5<<20 && ignis.Held(n.Server, large) > 6<<20
	})
	base.Store(limit*81/100 - held(n))
	n.until("a client is cut off", func() bool { return n.Stats().Disconnects[ignis.CauseMemory] > 0 })
	n.until("there is enough memory", func() bool { return base.Load()+held(n) < limit*71/100 })
	if _, ok := n.Client(large); ok {
		t.Error("the largest client is still connected")
	}
	if _, ok := n.Client(small); !ok {
		t.Error("more clients than necessary were cut off")
	}
	_ = n.SendLocal(ignis.ToClient(reader.id), "x", 1)
	if got := reader.next(); got != line {
		t.Errorf("the reader received %s", got)
	}
	if n.log.Count("client cut off: the memory budget") != 1 {
		t.Errorf("log: %.2000s", n.log)
	}
}

// If cutting off clients has freed less than expected, more of them are cut off until new
// connections are accepted again.
func TestEnoughIsFreedForNewConnections(t *testing.T) {
	const limit = 60 << 20
	var base, after atomic.Int64 // what does not belong to clients, before and after one is cut off
	var n *node
	n = start(t, ignis.Config{BackpressureLimit: 8 << 20}, func(s *ignis.Server) {
		ignis.Measure(s, func(int64) ignis.Usage {
			u := ignis.Usage{Limit: limit}
			if b := base.Load(); b != 0 {
				if u.Used = b; n.Stats().Disconnects[ignis.CauseMemory] > 0 {
					u.Used = after.Load()
				}
				for _, c := range n.Clients() {
					u.Used += int64(ignis.Held(n.Server, c.ID))
				}
			}
			return u
		})
	})
	small := n.deafClient("small", 6)
	large := n.deafClient("large", 7)
	n.until("the sockets are full", func() bool {
		return n.Stats().Sent == 15 && ignis.Held(n.Server, small) > 5<<20 && ignis.Held(n.Server, large) > 6<<20
	})
	heldSmall, heldLarge := int64(ignis.Held(n.Server, small)), int64(ignis.Held(n.Server, large))
	after.Store(limit*77/100 - heldSmall)
	base.Store(limit*81/100 - heldSmall - heldLarge)
	n.until("both clients are cut off", func() bool { return n.Stats().Disconnects[ignis.CauseMemory] == 2 })
	n.until("new connections are accepted", func() bool {
		conn, _, _, err := ws.Dialer{NetDial: n.dial}.Dial(t.Context(), "ws://ignis")
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

// Incomplete messages and messages that wait for callbacks count. Clients that use little are
// not cut off, even if there is not enough memory.
func TestInputCounts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := &gauge{}
		block := make(chan struct{})
		n := startMem(t, ignis.Config{
			OnMessage: func(context.Context, *ignis.Client, wire.Message) (any, error) { <-block; return nil, nil },
		}, g.prepare)
		reader := n.login("reader")
		input := n.login("input")
		input.bytes(encode(ws.NewTextFrame([]byte(strings.Repeat(" ", 128<<10))))[:127<<10])
		behind := n.login("behind")
		for range 20 {
			behind.text(`{"event":"x","data":"` + strings.Repeat("x", 8<<10) + `"}`)
		}
		synctest.Wait()
		if held := ignis.Held(n.Server, input.id); held < 127<<10 {
			t.Errorf("incomplete input: %d bytes", held)
		}
		if held := ignis.Held(n.Server, behind.id); held < 150<<10 {
			t.Errorf("messages that wait for callbacks: %d bytes", held)
		}
		g.used.Store(900)
		time.Sleep(time.Minute)
		close(block)
		synctest.Wait()
		if s := n.Stats(); s.Disconnects[ignis.CauseMemory] != 2 || s.Clients != 1 {
			t.Errorf("counted %+v", s)
		}
		_ = n.SendLocal(ignis.ToClient(reader.id), "x", 1)
		reader.only(line)
		if !n.log.Has("but not by the queues of clients") {
			t.Errorf("log: %s", n.log)
		}
	})
}

// If clients use little of the memory, they are not searched all the time for some that use much.
func TestSearchInVain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := &gauge{}
		n := startMem(t, ignis.Config{}, g.prepare)
		n.login("ann")
		g.used.Store(900)
		time.Sleep(time.Minute)
		searches := 0
		for _, line := range strings.Split(n.log.String(), "\n") {
			if !strings.Contains(line, "but not by the queues of clients") {
				continue
			}
			searches++
			if more := regexp.MustCompile(` more=(\d+)`).FindStringSubmatch(line); more != nil {
				n, _ := strconv.Atoi(more[1])
				searches += n
			}
		}
		if measured := g.measured.Load(); searches < 10 || searches > 1000 || measured < 2000 {
			t.Errorf("%d searches, %d measurements; log: %s", searches, measured, n.log)
		}
	})
}

// Garbage is collected before the system could kill the process, even if clients use little.
func TestCollectAtTheLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g := &gauge{hard: true}
		startMem(t, ignis.Config{}, g.prepare)
		collections := func() uint32 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.NumForcedGC
		}
		was := collections()
		g.used.Store(970)
		g.garbage.Store(500)
		time.Sleep(time.Second)
		if collections() == was {
			t.Error("no garbage was collected")
		}
		g.garbage.Store(0)
		time.Sleep(time.Second)
		was = collections()
		time.Sleep(time.Minute)
		if n := collections() - was; n > 0 {
			t.Errorf("%d collections although there is no garbage", n)
		}
	})
}

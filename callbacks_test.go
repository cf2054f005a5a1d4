package ignis_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// diary records the callbacks of each client and reports an error if two of one client
// run concurrently.
type diary struct {
	t    testing.TB
	mu   sync.Mutex
	busy map[string]bool
	done map[string][]string
	took time.Duration // of each callback
}

func (d *diary) note(id, name string) {
	d.mu.Lock()
	if d.busy == nil {
		d.busy, d.done = map[string]bool{}, map[string][]string{}
	}
	if d.busy[id] {
		d.t.Errorf("%s runs while another callback of the client does", name)
	}
	d.busy[id] = true
	d.done[id] = append(d.done[id], name)
	d.mu.Unlock()
	time.Sleep(d.took) // in a bubble
	d.mu.Lock()
	d.busy[id] = false
	d.mu.Unlock()
}

func (d *diary) config() ignis.Config {
	return ignis.Config{
		Authenticate: func(ctx context.Context, c ignis.Credentials) (ignis.Identity, error) {
			d.note(c.ClientID, "authenticate")
			return anyone(ctx, c)
		},
		ValidateRooms: func(_ context.Context, c *ignis.Client, rooms []string) ([]string, error) {
			d.note(c.ID, "rooms")
			return rooms, nil
		},
		OnConnect: func(_ context.Context, c *ignis.Client) { d.note(c.ID, "connect") },
		OnMessage: func(_ context.Context, c *ignis.Client, m wire.Message) (any, error) {
			d.note(c.ID, m.Event)
			return nil, nil
		},
		OnDisconnect: func(_ context.Context, c *ignis.Client, _ ignis.Disconnect) { d.note(c.ID, "disconnect") },
	}
}

func TestCallbacksOfOneClientAreInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := &diary{t: t, took: time.Second}
		n := startMem(t, d.config())
		p, q := n.login("ann"), n.login("bob") // while OnConnect still runs
		for i := range 5 {
			for _, peer := range []*peer{p, q} {
				peer.text(fmt.Sprintf(`{"event":"m%d"}`, i))
				peer.join(names("a"))
			}
		}
		_ = p.conn.Close() // with callbacks yet to run
		synctest.Wait()
		_ = n.Disconnect(q.id, 1000, "")
		time.Sleep(time.Minute)
		synctest.Wait()
		want := "authenticate connect m0 rooms m1 rooms m2 rooms m3 rooms m4 rooms disconnect"
		for _, id := range []string{p.id, q.id} {
			if got := strings.Join(d.done[id], " "); got != want {
				t.Errorf("callbacks: %s\n     want: %s", got, want)
			}
		}
	})
}

func TestCallbacksOfManyClientsRunTogether(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := &diary{t: t, took: time.Second}
		n := startMem(t, d.config())
		began := time.Now()
		peers := make([]*peer, 20)
		for i := range peers {
			peers[i] = n.connect()
			peers[i].text(authenticate)
		}
		for _, p := range peers {
			p.next()
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("20 clients took %v, want 1s as for a single one", took)
		}
	})
}

// A client that Authenticate has accepted gets OnDisconnect exactly once, whenever it
// disconnects.
func TestDisconnectOncePerConnect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := &diary{t: t, took: time.Second}
		n := startMem(t, d.config())
		for i := range 40 {
			p := n.connect()
			p.text(authenticate)
			go func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				_ = p.conn.Close()
			}()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for id, done := range d.done {
			got := strings.Join(done, " ")
			if got != "authenticate disconnect" && got != "authenticate connect disconnect" {
				t.Errorf("%s: %s", id, got)
			}
		}
	})
}

// A panic of any callback is counted and logged, and has no other effect.
func TestEveryCallbackMayPanic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{
			ValidateRooms: func(context.Context, *ignis.Client, []string) ([]string, error) { panic("in ValidateRooms") },
			OnConnect:     func(context.Context, *ignis.Client) { panic("in OnConnect") },
			OnMessage:     func(context.Context, *ignis.Client, wire.Message) (any, error) { panic("in OnMessage") },
			OnDisconnect:  func(context.Context, *ignis.Client, ignis.Disconnect) { panic("in OnDisconnect") },
		})
		p, other := n.login("ann"), n.login("bob")
		p.join(names("a"))
		p.text(`{"event":"x"}`)
		p.text("x")
		p.only(failure(wire.ErrorFormat))
		_ = p.conn.Close()
		time.Sleep(time.Second)
		_ = n.SendLocal(ignis.ToEveryone(), "x", 1)
		other.only(line)
		if s := n.Stats(); s.CallbackPanics != 5 || s.CallbackErrors != 5 || s.Clients != 1 {
			t.Errorf("counted %+v", s)
		}
		for _, callback := range []string{"ValidateRooms", "OnConnect", "OnMessage", "OnDisconnect"} {
			if got := n.log.Count(callback + " panicked"); got != 1 { // within its period
				t.Errorf("%s: logged %d times", callback, got)
			}
		}
	})
}

// Reading continues while a handler is slow, so protocol errors are still answered.
func TestSlowHandlerDoesNotStopTheReader(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{OnMessage: func(ctx context.Context, _ *ignis.Client, _ wire.Message) (any, error) {
			return nil, hang(ctx)
		}})
		p, other := n.login("ann"), n.login("bob")
		p.text(`{"event":"x"}`)
		synctest.Wait() // it is being handled, so the others fit into the queue
		for range 63 {
			p.text(`{"event":"x"}`)
		}
		p.text("x")
		p.send(ws.OpPing, nil)
		p.only(failure(wire.ErrorFormat), "<pong>")
		_ = n.SendLocal(ignis.ToEveryone(), "x", 1)
		p.only(line)
		other.only(line)
		_ = p.conn.Close()
		synctest.Wait()
		if s := n.Stats(); s.Clients != 1 || s.CallbackErrors != 0 || s.Messages != 64 {
			t.Errorf("counted %+v", s)
		}
	})
}

// stuffed returns a client whose callbacks are so far behind that the server has stopped
// reading from it. It has sent messages that have not been read and is blocked while
// sending another.
func stuffed(n *node) (p *peer, sent *atomic.Int64) {
	p, sent = n.login("stuffed"), &atomic.Int64{}
	p.pumpMessages(100, sent)
	synctest.Wait()
	return p, sent
}

// pumpMessages sends numbered messages as fast as they are read, the others once the first is being
// handled, so that it does not take a place in the queue.
func (p *peer) pumpMessages(count int, sent *atomic.Int64) {
	send := func(i int) {
		p.text(fmt.Sprintf(`{"event":"m","data":%d}`, i))
		sent.Add(1)
	}
	send(0)
	synctest.Wait()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 1; i < count; i++ {
			send(i)
		}
	}()
	p.t.Cleanup(func() { _ = p.conn.Close(); <-done })
}

// The server does not read from a client whose callbacks are behind. None of the sweeps
// considers it silent, because its messages, including heartbeats, are waiting.
func TestFullQueueStopsReading(t *testing.T) {
	for _, behind := range []time.Duration{time.Minute, 60*time.Second + 1, 120 * time.Second, 10 * time.Minute} {
		t.Run(behind.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				release := make(chan struct{})
				h := &heard{}
				n := startMem(t, ignis.Config{BehindTimeout: time.Hour, OnMessage: func(ctx context.Context, c *ignis.Client, m wire.Message) (any, error) {
					<-release
					return h.message(ctx, c, m)
				}})
				began := time.Now()
				p, sent := stuffed(n)
				if got := sent.Load(); got < 64 || got > 68 {
					t.Errorf("%d messages were read", got)
				}
				time.Sleep(behind - time.Since(began))
				synctest.Wait()
				if n.Stats().Clients != 1 {
					t.Fatalf("disconnected: %v", n.Stats().Disconnects)
				}
				close(release)
				synctest.Wait()
				time.Sleep(time.Second)
				if got := h.take(); len(got) != 100 || got[99] != "m|99|" {
					t.Errorf("%d messages were handled", len(got))
				}
				p.text("x")
				p.only(failure(wire.ErrorFormat))
				time.Sleep(5 * time.Minute) // after this it counts as silent again
				p.only(closed(4002)...)
			})
		})
	}
}

// While reading is paused, a client receives no pings. Afterwards it has time to answer
// them.
func TestNoPingsDuringAFullQueue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		n := startMem(t, ignis.Config{HeartbeatTimeout: time.Hour, BehindTimeout: time.Hour, OnMessage: func(context.Context, *ignis.Client, wire.Message) (any, error) {
			<-release
			return nil, nil
		}})
		p, sent := n.login("ann"), &atomic.Int64{}
		p.pumpMessages(66, sent) // one being handled, 64 waiting, and one that the reader holds
		time.Sleep(10 * time.Minute)
		close(release)
		time.Sleep(10 * time.Minute)
		if p.only(); sent.Load() != 66 || n.Stats().Clients != 1 || n.Stats().Messages != 66 {
			t.Errorf("counted %+v", n.Stats())
		}
	})
}

func TestFullQueueOfBytes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		h := &heard{}
		n := startMem(t, ignis.Config{OnMessage: func(ctx context.Context, c *ignis.Client, m wire.Message) (any, error) {
			<-release
			return h.message(ctx, c, m)
		}})
		p := n.login("ann")
		var sent atomic.Int64
		data := strings.Repeat("a", 100<<10)
		p.text(`{"event":"m","data":"` + data + `"}`)
		synctest.Wait() // it is being handled
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 9 {
				p.text(`{"event":"m","data":"` + data + `"}`)
				sent.Add(1)
			}
		}()
		// Two are waiting, and the reader holds one.
		if synctest.Wait(); sent.Load() != 3 {
			t.Errorf("%d more large messages were read", sent.Load())
		}
		close(release)
		<-done
		if synctest.Wait(); len(h.take()) != 10 {
			t.Error("messages are missing")
		}
	})
}

// When the server closes such a connection, it does not wait for the callbacks.
func TestFullQueueAndClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{OnMessage: func(ctx context.Context, _ *ignis.Client, _ wire.Message) (any, error) { return nil, hang(ctx) }})
		p, _ := stuffed(n)
		_ = n.Disconnect(p.id, 4000, "enough")
		if got := p.got(); !slices.Contains(got, "<close 4000 enough>") || n.Stats().Clients != 0 {
			t.Errorf("received %q", got)
		}
		if s := n.Stats(); s.Received != 1+s.Messages+s.Ignored+s.Unhandled || s.Unhandled != 64 {
			t.Errorf("%d messages received, %d handled, %d ignored and %d dropped", s.Received, s.Messages, s.Ignored, s.Unhandled)
		}
	})
}

// The context of a callback ends with the client, not with the callback.
func TestContextOutlivesTheCallback(t *testing.T) {
	bubble(t, func(t *testing.T) {
		kept := make(chan context.Context, 1)
		n := startMem(t, ignis.Config{OnConnect: func(ctx context.Context, _ *ignis.Client) { kept <- ctx }})
		p := n.login("ann")
		ctx := <-kept
		synctest.Wait()
		if ctx.Err() != nil {
			t.Error("the context ended with the callback")
		}
		_ = p.conn.Close()
		<-ctx.Done()
	})
}

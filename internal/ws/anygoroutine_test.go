package ws

import (
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
)

// All methods may be called from any goroutine, which the race detector checks.
func TestFromAnyGoroutine(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		opts := defaults()
		opts.StrangerPayload, opts.StrangerFrames = 1000, 1000
		opts.CloseTimeout = time.Millisecond
		for _, end := range []func(c *Conn){
			func(c *Conn) { c.Close(1000, "") }, func(c *Conn) { c.Abort(CauseIdle) }, func(c *Conn) { c.CloseFor(End{Cause: CauseRule}) },
		} {
			p := serve(t, tr, opts)
			var all sync.WaitGroup
			for _, f := range []func(){
				func() { p.Enqueue(text("x")) }, func() { p.Ping() }, func() { p.Hold(); p.Release() },
				func() { p.Pause(); p.Resume() }, func() { p.Admit() }, func() { p.Stuck() },
				func() { _ = p.Queued() }, func() { _ = p.Backpressured() }, func() { _ = p.SinceRead() },
			} {
				all.Go(func() {
					for range 20 {
						f()
					}
				})
			}
			for range 2 {
				all.Go(func() { p.Hold() })
				all.Go(func() { p.Pause() })
			}
			all.Go(func() { p.Seal(tilde, false) })
			all.Go(func() {
				_, _ = p.peer.Write(masked(ws.OpPing, true, "x"))
				end(p.Conn)
			})
			all.Go(func() { end(p.Conn) })
			all.Wait()
			wait(t, p.finished)
		}
	})
}

// Data that arrived before Start is read, although the poller got the only event for it
// before Start.
func TestMessageBeforeStart(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		opts := defaults()
		opts.Engine = newEngine(t, EngineConfig{Plain: tr.plain})
		other := serve(t, tr, opts)
		server, client := tr.pair(t)
		t.Cleanup(func() { _ = client.Close() })
		c := NewConn(server, 0, &opts)
		go func() { _, _ = client.Write(masked(ws.OpText, true, "early")) }()
		if c.Polled() {
			until(t, "the poller to get the event", func() bool {
				c.mu.Lock()
				defer c.mu.Unlock()
				return c.unread
			})
		}
		other.send(t, masked(ws.OpPing, true, ""))
		other.expect(t, ws.OpPong, "")
		got := make(chan string, 1)
		l := begin(c, nil, func(b []byte) { got <- string(b) })
		if s := wait(t, got); s != "early" {
			t.Error(s)
		}
		c.Abort(CauseAborted)
		wait(t, l.finished)
	})
}

// A connection that is closed before Start ends like any other.
func TestClosedBeforeStart(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		opts := defaults()
		opts.Engine = newEngine(t, EngineConfig{Plain: tr.plain})
		server, client := tr.pair(t)
		_ = client.Close()
		_ = server.Close()
		l := begin(NewConn(server, 0, &opts), nil, ignore)
		if end := wait(t, l.ended); end.Cause != CauseLost {
			t.Errorf("ended by %+v", end)
		}
		wait(t, l.finished)
	})
}

// Resume takes effect immediately, and SinceRead counts from the creation of the connection.
func TestSinceRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := defaults()
		opts.Engine = NewEngine(EngineConfig{Threads: 1})
		server, client := net.Pipe()
		c := NewConn(server, 0, &opts)
		since := func(want time.Duration) {
			t.Helper()
			synctest.Wait()
			if d := c.SinceRead(); d != want {
				t.Errorf("SinceRead returned %v, want %v", d, want)
			}
		}
		since(0)
		got := make(chan time.Time, 10)
		l := begin(c, nil, func([]byte) { c.Pause(); got <- time.Now() })
		time.Sleep(time.Second)
		since(time.Second)
		if _, err := client.Write(append(masked(ws.OpText, true, "a"), masked(ws.OpText, true, "b")...)); err != nil {
			t.Fatal(err)
		}
		since(0)
		<-got
		time.Sleep(100 * time.Millisecond)
		since(100 * time.Millisecond)
		c.Resume()
		if d := time.Since(<-got); d != 0 {
			t.Errorf("reading resumed after %v", d)
		}
		c.Abort(CauseAborted)
		<-l.finished
		opts.Engine.Close()
		_ = client.Close()
	})
}

// A slow sealer never blocks the worker, even if it is set after the connection was
// scheduled.
func TestSlowSealerOnScheduledConn(t *testing.T) {
	opts := defaults()
	opts.Engine = newEngine(t, EngineConfig{})
	first, second, third := serve(t, transports[0], opts), serve(t, transports[0], opts), serve(t, transports[0], opts)
	if !first.Polled() {
		t.Skip("connections are plain here")
	}
	began, proceed, hang := make(chan struct{}), make(chan struct{}), make(chan struct{})
	defer close(hang)
	first.Seal(sealer(func(s string) (string, error) { close(began); <-proceed; return s, nil }), false)
	first.Enqueue(text("x"))
	wait(t, began) // the worker is busy
	second.Enqueue(text("clear"))
	second.Seal(sealer(func(s string) (string, error) { <-hang; return s, nil }), true)
	second.Enqueue(text("sealed"))
	third.Enqueue(text("y"))
	close(proceed)
	third.expect(t, ws.OpText, "y")
}

// The limit for waiting messages is exact, whether they are sealed or not.
func TestLimitToTheByte(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		onAll(t, func(t *testing.T, tr transport) {
			m := text(strings.Repeat("x", 1000)).Under(DropNewest, "")
			opts := defaults()
			opts.BackpressureLimit = m.cost()
			p := serve(t, tr, opts)
			if sealed {
				p.Seal(tilde, false)
			}
			p.Hold()
			fit := 1
			if p.Polled() {
				fit = lag
			}
			for i := range fit {
				if v := p.Enqueue(m); v != queued {
					t.Errorf("message %d: %+v", i, v)
				}
			}
			if v := p.Enqueue(text("").Under(DropNewest, "")); v != full {
				t.Errorf("one more: %+v", v)
			}
		})
	}
}

// A freed backlog does not keep messages alive, and a large backlog is not reused.
func TestFreedBacklog(t *testing.T) {
	b := &backlog{messages: []*Message{text("a"), text("b")}, head: 1}
	all := b.messages
	b.free()
	if all[0] != nil || all[1] != nil || b.head != 0 || len(b.messages) != 0 {
		t.Errorf("kept: %v", all)
	}
	large := &backlog{messages: make([]*Message, 0, keepBacklog+1), head: 1}
	if large.free(); large.head == 0 {
		t.Error("a large backlog is kept")
	}
}

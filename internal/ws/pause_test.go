package ws

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/internal/longtest"
)

// pausing is a handler that pauses its connection during each message, and detects
// messages that arrive too early.
type pausing struct {
	t       *testing.T
	conn    *Conn
	allowed atomic.Int64 // number of messages that may have arrived
	came    int64
	got     chan string
	life
}

func (p *pausing) Message(b []byte, _ bool) {
	if p.came++; p.came > p.allowed.Load() {
		p.t.Errorf("message %d arrived while reading was paused", p.came)
	}
	p.conn.Pause()
	p.got <- fmt.Sprintf("%.10s", b)
}

// next allows one more message and returns it.
func (p *pausing) next() string {
	p.t.Helper()
	p.allowed.Add(1)
	p.conn.Resume()
	return wait(p.t, p.got)
}

func beginPausing(t *testing.T, c *Conn, early []byte) *pausing {
	p := &pausing{
		t: t, conn: c, got: make(chan string, 100),
		life: life{ended: make(chan End, 1), finished: make(chan struct{})},
	}
	p.allowed.Add(1)
	c.Start(early, p)
	return p
}

// While a connection is paused, no message is delivered, neither one that arrived with the
// last one nor a new one. Resume continues where reading stopped, whether data is waiting
// or arrives later, and pings in between are answered.
func TestPauseAndResume(t *testing.T) {
	longtest.Mark(t)
	many := make([]string, 10)
	for i := range many {
		many[i] = fmt.Sprintf("%d %s", i, strings.Repeat("x", 20_000)) // long enough to be deferred if heavy
	}
	for name, frames := range map[string]func(s string) []byte{
		"plain":      func(s string) []byte { return masked(ws.OpText, true, s) },
		"compressed": func(s string) []byte { return maskedPacked(ws.OpText, true, squeeze(s)) },
		"heavy": func(s string) []byte {
			return maskedPacked(ws.OpText, true, squeeze(s+strings.Repeat(" ", 2*lightMessage)))
		},
	} {
		for _, early := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/early=%v", name, early), func(t *testing.T) {
				onAll(t, func(t *testing.T, tr transport) {
					opts := defaults()
					opts.Engine = newEngine(t, EngineConfig{Plain: tr.plain})
					server, client := tr.pair(t)
					t.Cleanup(func() { _ = client.Close() })
					_ = client.SetDeadline(time.Now().Add(patience))
					var first []byte
					for _, s := range many[:5] {
						first = slices.Concat(first, frames(s), masked(ws.OpPing, true, s[:1]))
					}
					n := 0
					if early {
						n = len(first)
					}
					p := beginPausing(t, NewConn(server, maxWindow, &opts), slices.Clone(first[:n]))
					go func() {
						_, _ = client.Write(first[n:])
						for _, s := range many[5:] {
							_, _ = client.Write(frames(s))
						}
					}()
					for i := range many {
						got := ""
						if i == 0 {
							got = wait(t, p.got)
						} else {
							got = p.next()
						}
						if got != many[i][:10] {
							t.Fatalf("message %d is %s", i, got)
						}
					}
					for i := range 5 {
						if f, err := readFrame(client); err != nil || f != (got{ws.OpPong, fmt.Sprint(i)}) {
							t.Fatalf("pong %d: %v, %v", i, f, err)
						}
					}
					// No data is waiting, and Resume is called before the next message
					// arrives.
					p.allowed.Add(1)
					p.conn.Resume()
					_, _ = client.Write(frames("the last"))
					if got := wait(t, p.got); got[:8] != "the last" {
						t.Fatal(got)
					}
					p.conn.Abort(CauseAborted)
					wait(t, p.finished)
				})
			})
		}
	}
}

// A paused connection can be closed without Resume, and its unread data is not delivered.
func TestCloseWhilePaused(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		opts := defaults()
		opts.Engine = newEngine(t, EngineConfig{Plain: tr.plain})
		server, client := tr.pair(t)
		t.Cleanup(func() { _ = client.Close() })
		_ = client.SetDeadline(time.Now().Add(patience))
		p := beginPausing(t, NewConn(server, 0, &opts), nil)
		if _, err := client.Write(slices.Repeat(masked(ws.OpText, true, "x"), 3)); err != nil {
			t.Fatal(err)
		}
		wait(t, p.got)
		p.conn.Close(4000, "bye")
		p.conn.Pause() // has no effect now
		p.conn.Resume()
		if end := wait(t, p.ended); end != (End{CauseServerClosed, 4000, "bye"}) {
			t.Errorf("ended by %+v", end)
		}
		if f, err := readFrame(client); err != nil || f != (got{ws.OpClose, closeBody(4000, "bye")}) {
			t.Errorf("peer got %v, %v", f, err)
		}
		_, _ = client.Write(masked(ws.OpClose, true, closeBody(4000, "")))
		_ = client.Close()
		wait(t, p.finished)
	})
}

// Nothing is read from a paused peer, however many events its data causes.
func TestPausedPeerIsNotRead(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		p := serve(t, tr, defaults())
		other := serve(t, tr, func() Options { o := defaults(); o.Engine = p.opts.Engine; return o }())
		p.Pause()
		if !p.Polled() { // its goroutine is blocked in a read, which must return first
			p.send(t, masked(ws.OpPing, true, ""))
			p.expect(t, ws.OpPong, "")
		}
		before := p.lastRead.Load()
		for range 20 {
			p.send(t, masked(ws.OpText, true, "not yet"))
			other.send(t, masked(ws.OpPing, true, ""))
			other.expect(t, ws.OpPong, "")
			runtime.Gosched()
		}
		if p.lastRead.Load() != before || len(p.incoming) > 0 {
			t.Error("data was read while paused")
		}
		p.Resume()
		for range 20 {
			if s := wait(t, p.incoming); s != "not yet" {
				t.Fatal(s)
			}
		}
	})
}

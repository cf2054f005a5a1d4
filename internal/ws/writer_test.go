package ws

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/internal/longtest"
)

// With concurrent senders, every message arrives once, and those of each sender in order,
// even if the socket fills up repeatedly.
func TestOrderOfConcurrentSenders(t *testing.T) {
	longtest.Mark(t)
	const senders, each = 8, 120
	onAll(t, func(t *testing.T, tr transport) {
		for _, how := range []string{"unencrypted", "sealed", "sealed slowly"} {
			t.Run(how, func(t *testing.T) {
				p := serve(t, tr, defaults())
				sealed := how != "unencrypted"
				if sealed {
					p.Seal(tilde, how == "sealed slowly")
				}
				var all sync.WaitGroup
				for s := range senders {
					all.Go(func() {
						for i := range each {
							if v := p.Enqueue(text(fmt.Sprintf("%d %d %s", s, i, strings.Repeat("x", i*i%9000)))); v != queued {
								t.Errorf("Enqueue returned %v", v)
							}
						}
					})
				}
				var next [senders]int
				for range senders * each {
					f := p.receive(t)
					payload, was := strings.CutPrefix(f.Payload, "~")
					var s, i int
					var rest string
					_, _ = fmt.Sscanf(payload, "%d %d %s", &s, &i, &rest)
					if i != next[s] || len(rest) != i*i%9000 || was != sealed {
						t.Fatalf("sender %d: got message %d of %d bytes, want %d", s, i, len(rest), next[s])
					}
					next[s]++
				}
				all.Wait()
				p.Close(1000, "")
				p.expect(t, ws.OpClose, closeBody(1000, ""))
				p.mu.Lock()
				defer p.mu.Unlock()
				if p.queued != 0 && p.queued != closeFrame(1000, "").cost() { // the close frame may not be removed yet
					t.Errorf("%d bytes are still queued", p.queued)
				}
			})
		}
	})
}

// Messages that are waiting together are sent together.
func TestCoalescing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("connections are plain here")
	}
	p := serve(t, transports[0], defaults())
	p.Hold()
	for i := range 1000 {
		p.Enqueue(text(fmt.Sprint(i)))
	}
	p.mu.Lock()
	p.held, p.scheduled = false, true // no other writer
	p.mu.Unlock()
	sends := 1
	for j := new(joiner); p.write(j); sends++ { //nolint:revive // until everything is written
	}
	for i := range 1000 {
		p.expect(t, ws.OpText, fmt.Sprint(i))
	}
	if sends != 1 {
		t.Errorf("%d sends", sends)
	}
}

// A peer that stops reading is cut off at the limit, and other peers are not affected.
func TestSlowPeerIsCutOff(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		opts := defaults()
		opts.Engine = newEngine(t, EngineConfig{Plain: tr.plain}) // all share one worker
		opts.BackpressureLimit = 1 << 20
		slow := serve(t, tr, opts)
		others := []*party{serve(t, tr, opts), serve(t, tr, opts)}
		m := text(strings.Repeat("x", 50_000))
		verdict, sent := queued, 0
		for ; verdict == queued; sent++ {
			if sent > 10_000 {
				t.Fatal("no limit")
			}
			verdict = slow.Enqueue(m)
			for _, o := range others {
				if v := o.Enqueue(m); v != queued {
					t.Fatalf("another peer: %v", v)
				}
				o.expect(t, ws.OpText, string(m.Payload()))
			}
		}
		if verdict != full || sent*m.Size() < opts.BackpressureLimit {
			t.Errorf("%v after %d messages", verdict, sent)
		}
		slow.expectServed(t, End{Cause: CauseBackpressure, Code: 1006})
		wait(t, slow.finished)
		if v := slow.Enqueue(m); v != closing {
			t.Errorf("afterwards: %v", v)
		}
		for _, o := range others {
			o.Enqueue(text("still here"))
			o.expect(t, ws.OpText, "still here")
		}
	})
}

// DropNewest drops whole messages. Messages sent after there is room again arrive.
func TestDropNewest(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		opts := defaults()
		opts.BackpressureLimit = 1 << 20
		p := serve(t, tr, opts)
		pad := strings.Repeat("x", 50_000)
		var sent []string
		for i := 0; ; i++ {
			s := fmt.Sprint(i, pad)
			if p.Enqueue(text(s).Under(DropNewest, "")) == queued {
				sent = append(sent, s)
			} else if p.Backpressured() { // the sender is not just faster than the writer
				break
			}
		}
		for _, s := range sent {
			p.expect(t, ws.OpText, s)
		}
		for p.Enqueue(text("room again").Under(DropNewest, "")) == full { //nolint:revive // the writer has yet to notice
		}
		p.expect(t, ws.OpText, "room again")
		for p.Backpressured() { //nolint:revive // as above
		}
	})
}

func TestSingleMessageOverLimit(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		opts := defaults()
		opts.BackpressureLimit = 1000
		p := serve(t, tr, opts)
		large := strings.Repeat("x", 5<<20)
		if v := p.Enqueue(text(large)); v != queued {
			t.Fatalf("to an idle peer: %v", v)
		}
		if v := p.Enqueue(text("one more")); v != full {
			t.Fatalf("behind it: %v", v)
		}
		p.expectServed(t, End{Cause: CauseBackpressure, Code: 1006})
	})
}

// A close frame comes after everything queued before it, and the stream ends with EOF.
func TestCloseComesLast(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		p := serve(t, tr, defaults())
		large := strings.Repeat("x", 300_000)
		for range 20 {
			p.Enqueue(text(large))
		}
		p.Enqueue(text("error"))
		p.Close(4003, strings.Repeat("é", 100))
		p.Close(1001, "too late")
		if v := p.Enqueue(text("too late")); v != closing {
			t.Errorf("behind the close frame: %v", v)
		}
		p.expectServed(t, End{CauseServerClosed, 4003, strings.Repeat("é", 100)})
		for range 20 {
			p.expect(t, ws.OpText, large)
		}
		p.expect(t, ws.OpText, "error")
		p.expect(t, ws.OpClose, closeBody(4003, strings.Repeat("é", 61)))
		p.send(t, masked(ws.OpClose, true, closeBody(4003, "")))
		p.expectEnd(t)
		wait(t, p.finished)
	})
}

// If a peer sends pings but does not read, a few pongs wait for it, not thousands.
func TestPingFlood(t *testing.T) {
	longtest.Mark(t)
	onAll(t, func(t *testing.T, tr transport) {
		p := serve(t, tr, defaults())
		p.Enqueue(text(strings.Repeat("x", 30<<20))) // the peer does not read it yet
		p.send(t, masked(ws.OpText, true, "start"))
		wait(t, p.incoming)
		for i := range 5000 {
			p.send(t, masked(ws.OpPing, true, fmt.Sprint(i)))
		}
		p.send(t, masked(ws.OpText, true, "end"))
		wait(t, p.incoming)
		p.mu.Lock()
		waiting := 0
		if p.backlog != nil {
			waiting = len(p.backlog.waiting())
		}
		p.mu.Unlock()
		if waiting > maxPongs+1 { // the large message may be one of them
			t.Errorf("%d messages are waiting", waiting)
		}
		if f := p.receive(t); len(f.Payload) != 30<<20 {
			t.Errorf("got %d bytes", len(f.Payload))
		}
		last := p.receive(t)
		for last.Payload != "4999" {
			if last.Op != ws.OpPong {
				t.Fatalf("got %v", last)
			}
			last = p.receive(t)
		}
		p.Enqueue(text("after"))
		p.expect(t, ws.OpText, "after")
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.pongAt != 0 {
			t.Error("a pong is still considered waiting")
		}
	})
}

// After Seal, only messages returned by Clear are sent unencrypted, the order of the queue is
// kept, and a message that cannot be sealed is not sent at all.
func TestSeal(t *testing.T) {
	for _, slow := range []bool{false, true} {
		onAll(t, func(t *testing.T, tr transport) { sealAndRead(t, tr, slow) })
	}
}

func sealAndRead(t *testing.T, tr transport, slow bool) {
	var failed atomic.Int64
	opts := defaults()
	opts.SealFailed = func(error) { failed.Add(1) }
	p := serve(t, tr, opts)
	p.Enqueue(text("before"))
	p.expect(t, ws.OpText, "before")
	p.Hold()
	p.Enqueue(text("held"))
	p.Seal(sealer(func(s string) (string, error) {
		switch s {
		case "bad":
			return "in part", errors.New("cannot")
		case "panic":
			panic("cannot either")
		}
		return "<" + s + ">", nil
	}), slow)
	p.Enqueue(text("connected").Clear())
	for i := range 100 {
		p.Enqueue(text(fmt.Sprint(i)))
	}
	p.Enqueue(text("bad"))
	p.Enqueue(text("panic"))
	p.Enqueue(text(strings.Repeat("y", 200_000)))
	p.Release()
	p.Enqueue(text("live"))
	p.Close(1000, "")
	p.expect(t, ws.OpText, "held")
	p.expect(t, ws.OpText, "connected")
	for i := range 100 {
		p.expect(t, ws.OpText, fmt.Sprintf("<%d>", i))
	}
	p.expect(t, ws.OpText, "<"+strings.Repeat("y", 200_000)+">")
	p.expect(t, ws.OpText, "<live>")
	p.expect(t, ws.OpClose, closeBody(1000, ""))
	if n := failed.Load(); n != 2 {
		t.Errorf("%d messages could not be sealed, want 2", n)
	}
}

// If Seal is called during a write, only messages queued before it are sent unsealed.
func TestSealWhileWriting(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		p := serve(t, tr, defaults())
		m := text(strings.Repeat("x", chunk)) // one send each
		const n = 400
		for range n {
			p.Enqueue(m)
		}
		first := p.receive(t) // the writer is busy now
		p.Seal(tilde, true)
		p.Enqueue(text("behind"))
		for i := 1; i < n; i++ {
			if f := p.receive(t); f != first {
				t.Fatalf("message %d: %.20q of %d bytes", i, f.Payload, len(f.Payload))
			}
		}
		p.expect(t, ws.OpText, "~behind")
	})
}

// While a connection is held, nothing is written. Afterwards everything is written in
// order.
func TestHold(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		p := serve(t, tr, defaults())
		for round := range 100 {
			p.Enqueue(text("before"))
			p.Hold()
			p.Enqueue(text("a"))
			p.Enqueue(text("b"))
			for busy(p.Conn) { // wait for a write that was in progress
				runtime.Gosched()
			}
			p.mu.Lock()
			if p.backlog == nil || len(p.backlog.waiting()) < 2 {
				t.Errorf("round %d: messages do not wait", round)
			}
			p.mu.Unlock()
			p.Release()
			p.expect(t, ws.OpText, "before")
			p.expect(t, ws.OpText, "a")
			p.expect(t, ws.OpText, "b")
		}
	})
}

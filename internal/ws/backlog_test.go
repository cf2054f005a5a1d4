package ws

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/internal/longtest"
)

// When many pongs are waiting, the last one is replaced even if the socket is not full, and
// each waiting message counts once. After they are sent, as many can wait again.
func TestPongsAreMerged(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		p := serve(t, tr, defaults())
		for range 3 {
			p.Hold()
			for i := range 40 {
				p.send(t, masked(ws.OpPing, true, fmt.Sprint(i, strings.Repeat("x", i))))
			}
			p.send(t, masked(ws.OpText, true, "sent"))
			wait(t, p.incoming)
			want := control(ws.OpPong, []byte(fmt.Sprint(39, strings.Repeat("x", 39)))).cost()
			for i := range maxPongs - 1 {
				want += control(ws.OpPong, []byte(fmt.Sprint(i, strings.Repeat("x", i)))).cost()
			}
			if n := p.Queued(); n != want {
				t.Errorf("%d bytes are waiting, want %d", n, want)
			}
			p.Release()
			for i := range maxPongs - 1 {
				p.expect(t, ws.OpPong, fmt.Sprint(i, strings.Repeat("x", i)))
			}
			p.expect(t, ws.OpPong, fmt.Sprint(39, strings.Repeat("x", 39)))
			until(t, "nothing to wait", func() bool { return p.Queued() == 0 })
		}
	})
}

// While the socket is full, a new pong replaces the waiting one, wherever that is in the
// queue, and nothing else.
func TestFullSocketKeepsOnePong(t *testing.T) {
	c := &Conn{opts: &Options{Engine: new(Engine), BackpressureLimit: 1 << 20}, held: true, blocked: true}
	add := func(names ...string) {
		for _, name := range names {
			if v := c.Enqueue(text(name)); v != queued {
				t.Fatalf("%s: %+v", name, v)
			}
		}
	}
	check := func(want ...string) {
		t.Helper()
		var waiting []string
		sum := 0
		for _, m := range c.backlog.waiting() {
			waiting = append(waiting, string(m.Payload()))
			sum += m.cost()
		}
		if fmt.Sprint(waiting) != fmt.Sprint(want) {
			t.Fatalf("%v are waiting, want %v", waiting, want)
		}
		if c.queued != sum {
			t.Fatalf("%d bytes are queued, want %d", c.queued, sum)
		}
	}
	c.backlog = &backlog{messages: make([]*Message, 0, 8)}
	add("a", "b", "c", "d", "e")
	c.pong([]byte("1"))
	check("a", "b", "c", "d", "e", "1")
	c.pong([]byte("12"))
	check("a", "b", "c", "d", "e", "12")
	add("f", "g") // fills the slice
	c.consumeLocked(5)
	add("h") // reuses a place
	if cap(c.backlog.messages) != 8 || c.backlog.head != 0 {
		t.Errorf("capacity %d, head %d", cap(c.backlog.messages), c.backlog.head)
	}
	c.pong([]byte("123"))
	check("123", "f", "g", "h")

	// A pong that is being written is not replaced.
	var j joiner
	if !taking(c, &j) || len(j.batch) != 4 {
		t.Fatalf("%d messages are taken", len(j.batch))
	}
	c.pong([]byte("4"))
	check("123", "f", "g", "h", "4")
	// A pong behind it is.
	c.pong([]byte("45"))
	check("123", "f", "g", "h", "45")
	c.consumeLocked(4)
	add("i", strings.Repeat("x", chunk))
	c.pong([]byte("456"))
	check("456", "i", strings.Repeat("x", chunk))
	if !taking(c, &j) || len(j.batch) != 2 {
		t.Fatalf("%d messages are taken", len(j.batch))
	}
	c.consumeLocked(2)
	c.pong([]byte("7"))
	check(strings.Repeat("x", chunk), "7")
	if !taking(c, &j) || len(j.batch) != 1 {
		t.Fatalf("%d messages are taken", len(j.batch))
	}
	c.pong([]byte("78"))
	check(strings.Repeat("x", chunk), "78")
}

// taking calls c.take for a connection that is otherwise held.
func taking(c *Conn, j *joiner) bool {
	c.held = false
	defer func() { c.held = true }()
	return c.take(j)
}

// However messages are split by partial writes, Queued matches what is waiting, and it is 0
// once everything is written.
func TestQueuedMatchesBacklog(t *testing.T) {
	longtest.Mark(t)
	for _, tr := range []transport{transports[0], transports[1], transports[2]} {
		for _, how := range []string{"unencrypted", "sealed", "sealed slowly"} {
			t.Run(tr.name+"/"+how, func(t *testing.T) {
				p := serve(t, tr, defaults())
				if how != "unencrypted" {
					p.Seal(tilde, how == "sealed slowly")
				}
				const n = 400
				for i := range n {
					p.Enqueue(text(fmt.Sprint(i, strings.Repeat("x", 100*i))))
				}
				check := func() {
					p.mu.Lock()
					defer p.mu.Unlock()
					want := len(p.rest)
					if p.backlog != nil {
						for _, m := range p.backlog.waiting() {
							want += m.cost()
						}
					}
					if p.queued != want {
						t.Errorf("%d bytes are queued, want %d", p.queued, want)
					}
				}
				if p.Polled() {
					until(t, "the socket to be full", func() bool { return p.Backpressured() })
				}
				for range n {
					check()
					p.receive(t)
				}
				until(t, "all to be written", func() bool { return p.Queued() == 0 })
				if p.Backpressured() || p.Stuck() != 0 {
					t.Error("data is still considered waiting")
				}
			})
		}
	}
}

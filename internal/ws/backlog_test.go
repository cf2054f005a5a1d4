package ws

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// When many pongs wait, the last one is replaced even if the socket is not full, and
// each waiting message counts once. Once they are sent, there is room for as many
// again.
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
				t.Errorf("%d bytes wait, want %d", n, want)
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

// When the socket is full, only one pong waits, wherever it is in the queue, and no
// other message is replaced.
func TestOnePongWaitsForAFullSocket(t *testing.T) {
	c := &Conn{opts: &Options{BackpressureLimit: 1 << 20}, held: true, blocked: true}
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
			t.Fatalf("%v wait, want %v", waiting, want)
		}
		if c.queued != sum {
			t.Fatalf("they cost %d, and %d is on the account", sum, c.queued)
		}
	}
	c.backlog = &backlog{messages: make([]*Message, 0, 8)}
	add("a", "b", "c", "d", "e")
	c.pong([]byte("1"))
	check("a", "b", "c", "d", "e", "1")
	c.pong([]byte("12"))
	check("a", "b", "c", "d", "e", "12")
	add("f", "g") // it is full now
	c.consumeLocked(5)
	add("h") // where a message has left
	if cap(c.backlog.messages) != 8 || c.backlog.head != 0 {
		t.Errorf("room for %d, from %d on", cap(c.backlog.messages), c.backlog.head)
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
	// But a pong behind it is.
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

// taking takes from a connection that is otherwise held.
func taking(c *Conn, j *joiner) bool {
	c.held = false
	defer func() { c.held = true }()
	return c.take(j)
}

// However a message is written in parts, the account matches what waits, and is empty
// once everything is written.
func TestWhatWaitsIsOnTheAccount(t *testing.T) {
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
						t.Errorf("%d bytes are on the account, want %d", p.queued, want)
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
					t.Error("something is still thought to wait")
				}
			})
		}
	}
}

package ws

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"pgregory.net/rapid"
)

// entry is a message in the model of a queue.
type entry struct {
	*Message
	clear bool // also set if it was queued before the connection was sealed
}

func (e *entry) cost() int { return len(e.frame) + overhead }

// plain is a simple model of a queue that ignores performance. Its first messages are being
// written.
type plain struct {
	waiting []*entry
	taken   int
	rest    int
	pong    *entry
	pongs   int

	limit                       int
	sealed, slow, blocked, dead bool
	behind                      bool
	thinned                     bool // only the newest message of each key waits
}

func (q *plain) cost(of []*entry) (n int) {
	for _, e := range of {
		n += e.cost()
	}
	return n
}

func (q *plain) total() int { return q.cost(q.waiting) + q.rest }

// drop removes the first or last message that is not being written and satisfies which.
func (q *plain) drop(last bool, which func(*entry) bool) bool {
	found := -1
	for i := q.taken; i < len(q.waiting); i++ {
		if which(q.waiting[i]) && (found < 0 || last) {
			found = i
		}
	}
	if found >= 0 {
		q.waiting = slices.Delete(q.waiting, found, found+1)
	}
	return found >= 0
}

// fallBehind keeps only the newest message of each key.
func (q *plain) fallBehind(t *Tally) {
	if q.thinned || len(q.waiting) == 0 {
		return
	}
	q.behind, q.thinned = true, true
	for i := len(q.waiting) - 1; i >= q.taken; i-- {
		newest := q.waiting[i]
		for j := i - 1; j >= q.taken; j-- {
			if e := q.waiting[j]; e.keyed() && newest.keyed() && e.key == newest.key {
				q.waiting = slices.Delete(q.waiting, j, j+1)
				t.Replaced++
				i--
			}
		}
	}
}

func (q *plain) add(e *entry, t *Tally) {
	limit := q.limit
	switch {
	case q.dead:
		t.Closing++
		return
	case q.sealed && !e.clear && e.cost() > limit:
		t.Large++
		return
	case !q.blocked && !q.slow:
		limit *= lag
	}
	full := func() bool { return q.total()+e.cost() > limit }
	if e.keyed() && (q.behind || q.blocked || q.slow && q.total() > chunk || full()) {
		q.fallBehind(t)
		if q.drop(true, func(o *entry) bool { return o.keyed() && o.key == e.key }) {
			t.Replaced++
		}
	}
	if full() && !q.makeRoom(e, limit, t) {
		t.Full++
		if e.policy == Disconnect || e.own {
			*q = plain{dead: true}
		}
		return
	}
	q.waiting = append(q.waiting, e)
	t.Queued++
}

func (q *plain) makeRoom(e *entry, limit int, t *Tally) bool {
	yields := func(o *entry) bool { return !o.own && (o.policy == DropOldest || o.policy == Latest) }
	switch {
	case q.total() == 0:
		return true
	case e.own:
		q.behind = q.behind || len(q.waiting) > 0
		cost := 0
		for _, o := range q.waiting[q.taken:] {
			if o.own {
				cost += o.cost()
			}
		}
		return cost+e.cost() <= limit/4
	case e.policy == DropNewest:
		return false
	}
	q.fallBehind(t)
	for {
		cost := q.total()
		if yields(e) {
			cost = q.cost(q.waiting[q.taken:])
		}
		if cost == 0 || cost+e.cost() <= limit {
			return true
		}
		if !q.drop(false, yields) {
			return false
		}
		t.Oldest++
	}
}

func (q *plain) addPong(e *entry) {
	if q.pong != nil && (q.blocked || q.pongs >= maxPongs) {
		q.waiting[slices.Index(q.waiting, q.pong)] = e
		q.pong = e
		return
	}
	var t Tally
	if q.add(e, &t); t.Queued == 1 {
		q.pong = e
		q.pongs++
	}
}

// take records that n messages are being written.
func (q *plain) take(n int) {
	q.taken = n
	if q.pong == nil || slices.Contains(q.waiting[:n], q.pong) {
		q.pong, q.pongs = nil, 0
	}
}

// consume records that n of them have left, that rest bytes of the last one remain to be
// written, and whether all bytes were accepted.
func (q *plain) consume(n, rest int, all bool) {
	q.waiting, q.taken, q.rest = q.waiting[n:], 0, rest
	q.blocked = q.blocked || !all
	if len(q.waiting) == 0 {
		q.behind, q.thinned = false, false
		q.blocked = q.blocked && rest > 0
	}
}

// queueTest performs the same operations on a connection and on the model.
type queueTest struct {
	c       *Conn
	q       plain
	j       joiner
	writing []byte   // data being written, not nil
	frames  [][]byte // expected frames of the joiner's batch
	sizes   []int    // number of messages in each of the frames
	n       int      // number of messages so far, which names them
}

func (x *queueTest) draw(t *rapid.T) *Message {
	x.n++
	size := rapid.SampledFrom([]int{0, 1, 40, 40, 40, 300, 300, 1000, 3000}).Draw(t, "size")
	if rapid.IntRange(0, 200).Draw(t, "huge") == 0 {
		size = chunk + 1000
	}
	m := text(fmt.Sprint(x.n, strings.Repeat("x", size)))
	policy := rapid.SampledFrom([]Policy{Disconnect, DropNewest, DropNewest, DropOldest, DropOldest, Latest, Latest, Latest, Latest})
	m.Under(policy.Draw(t, "policy"), rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "key"))
	if rapid.IntRange(0, 9).Draw(t, "own") == 0 {
		m.Own()
	}
	return m
}

func (x *queueTest) enqueue(t *rapid.T) {
	parts := make([]*Message, rapid.SampledFrom([]int{1, 1, 1, 2, 5}).Draw(t, "parts"))
	for i := range parts {
		parts[i] = x.draw(t)
	}
	m, isClear := Join(parts...), rapid.IntRange(0, 4).Draw(t, "clear") == 0
	if isClear {
		m = m.Clear()
	}
	var want Tally
	for _, p := range parts {
		x.q.add(&entry{p, isClear}, &want)
	}
	if got := x.c.Enqueue(m); got != want {
		t.Fatalf("%+v, want %+v", got, want)
	}
}

// take starts a write of the waiting messages, or of as many as fit.
func (x *queueTest) take(t *rapid.T) {
	if x.writing != nil || x.q.dead {
		t.Skip("a write is in progress, or the connection is dead")
	}
	if !taking(x.c, &x.j) {
		if len(x.q.waiting)+x.q.rest > 0 {
			t.Fatal("nothing is written")
		}
		x.q.blocked = false
		t.Skip("nothing is waiting")
	}
	x.frames, x.sizes = nil, nil
	n := 0
	for _, m := range x.j.batch {
		var frame []byte
		size := 0
		if m != gone {
			size = m.count()
		}
		for _, e := range x.q.waiting[n : n+size] {
			switch {
			case x.j.seal == nil:
				frame = append(frame, e.bytes(x.c.window)...)
			case e.clear:
				frame = append(frame, e.frame...)
			default:
				frame = appendText(frame, append([]byte("~"), e.Payload()...))
			}
		}
		n += size
		x.frames, x.sizes = append(x.frames, frame), append(x.sizes, size)
	}
	if x.j.rest == nil {
		x.q.take(n)
	}
	x.writing = append([]byte{}, x.j.bytes(x.c)...)
	if want := slices.Concat(x.frames[:len(x.j.batch)]...); x.j.rest == nil && !bytes.Equal(x.writing, want) {
		t.Fatalf("%.300q is written, want %.300q", x.writing, want)
	}
	if x.j.rest != nil && len(x.writing) != x.q.rest {
		t.Fatalf("%d bytes are written, want %d", len(x.writing), x.q.rest)
	}
}

// write completes the write with all or part of the data.
func (x *queueTest) write(t *rapid.T) {
	if x.writing == nil {
		t.Skip("nothing is written")
	}
	n := len(x.writing)
	if rapid.Bool().Draw(t, "in part") {
		n = rapid.IntRange(0, n).Draw(t, "bytes")
	}
	messages, rest := x.begun(n)
	_, full := x.c.sent(&x.j, x.writing, n)
	all := n == len(x.writing)
	if !x.q.dead {
		if full == all {
			t.Fatalf("%d of %d bytes are written, and the socket is full: %v", n, len(x.writing), full)
		}
		if got := x.j.count(); got != messages {
			t.Fatalf("%d messages are reported, want %d", got, messages)
		}
		if want := x.writing[n : n+rest]; !bytes.Equal(x.c.rest, want) {
			t.Fatalf("the rest is %.100q, want %.100q", x.c.rest, want)
		}
		x.q.consume(messages, rest, all)
	}
	x.writing = nil
}

// begun returns how many messages the first n bytes contain at least in part, and how many
// bytes of the last one remain.
func (x *queueTest) begun(n int) (messages, rest int) {
	if x.j.rest != nil {
		return 0, len(x.writing) - n
	}
	for i := range x.j.batch {
		switch frame := len(x.frames[i]); {
		case x.j.seal != nil:
			rest = len(x.writing) - n
		case n >= frame:
			n -= frame
		case n > 0:
			return messages + x.sizes[i], frame - n
		default:
			return messages, 0
		}
		messages += x.sizes[i]
	}
	return messages, rest
}

// check compares the visible state with the model and checks internal invariants.
func (x *queueTest) check(t *rapid.T) {
	var got, want []string
	if b := x.c.backlog; b != nil {
		for _, m := range b.waiting() {
			if m != gone {
				for _, p := range m.appendTo(nil) {
					got = append(got, string(p.Payload()))
				}
			}
		}
		x.checkIndex(t, b)
	}
	for _, e := range x.q.waiting {
		want = append(want, string(e.Payload()))
	}
	if !slices.Equal(got, want) {
		t.Fatalf("waiting: %.20q, want %.20q", got, want)
	}
	if n := x.q.total(); x.c.Queued() != n {
		t.Fatalf("%d bytes are queued, want %d", x.c.Queued(), n)
	}
	if (x.c.phase == phaseDead) != x.q.dead {
		t.Fatalf("phase %v", x.c.phase)
	}
	if at := x.c.pongAt; (at > 0) != (x.q.pong != nil) || at > 0 && x.c.backlog.messages[at-1] != x.q.pong.Message {
		t.Fatalf("a pong waits at %d", at)
	}
}

func (x *queueTest) checkIndex(t *rapid.T, b *backlog) {
	if b.index == nil {
		return
	}
	tombs, writing, own := 0, 0, 0
	for i, m := range b.waiting() {
		if m == gone {
			tombs++
		} else if i >= b.taken && m.parts != nil {
			t.Fatal("a joined message is waiting in an indexed backlog")
		}
		if i < b.taken {
			writing += m.cost()
		} else if m.own {
			own += m.cost()
		}
	}
	if x := b.index; x.gone != tombs || x.writing != writing || x.own != own {
		t.Fatalf("%+v, want %d gone, %d being written, %d own", x, tombs, writing, own)
	}
	for key, i := range b.index.keys {
		if i < b.head || b.messages[i].key != key {
			t.Fatalf("%q is not at %d", key, i)
		}
	}
}

// TestQueueModel performs the same operations on a queue and on the model. After every step
// it compares what is waiting, what is written and what is reported.
func TestQueueModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.SampledFrom([]int{1000, 3000, 10_000, 200_000}).Draw(t, "limit")
		x := &queueTest{c: &Conn{opts: &Options{Engine: new(Engine), BackpressureLimit: limit}, held: true}}
		x.q.limit = limit
		x.c.window = rapid.SampledFrom([]uint8{0, 0, 15}).Draw(t, "window")
		t.Repeat(map[string]func(*rapid.T){
			"": x.check,
			"enqueue": func(t *rapid.T) {
				for range rapid.IntRange(1, 10).Draw(t, "times") {
					x.enqueue(t)
				}
			},
			"ping": func(*rapid.T) {
				x.q.add(&entry{pingMessage, true}, new(Tally))
				x.c.Ping()
			},
			"pong": func(t *rapid.T) {
				x.n++
				payload := []byte(fmt.Sprint("pong", x.n, strings.Repeat("x", x.n%20)))
				x.c.pong(payload)
				e := &entry{control(ws.OpPong, payload), true}
				x.q.addPong(e)
				if at := x.c.pongAt; at > 0 && x.q.pong == e {
					if m := x.c.backlog.messages[at-1]; !bytes.Equal(m.frame, e.frame) {
						t.Fatalf("%q waits, want %q", m.frame, e.frame)
					}
					e.Message = x.c.backlog.messages[at-1]
				}
			},
			"seal": func(t *rapid.T) {
				if x.q.sealed || rapid.IntRange(0, 9).Draw(t, "seal") > 0 {
					t.Skip("sealed already, or not drawn")
				}
				x.q.sealed, x.q.slow = true, rapid.Bool().Draw(t, "slow")
				x.c.Seal(tilde, x.q.slow)
				for _, e := range x.q.waiting {
					e.clear = true
				}
			},
			"take":  x.take,
			"write": x.write,
		})
	})
}

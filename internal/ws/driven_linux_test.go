//go:build linux && !386 && !s390x

package ws

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// driven is a poller that takes turns only when the test tells it to.
type driven struct {
	t      *testing.T
	opts   Options
	poller *poller
	turns  turns
	log    []string // names of the connections that received messages, in order
}

func drive(t *testing.T) *driven {
	p, err := newPoller()
	if err != nil {
		t.Fatal(err)
	}
	d := &driven{t: t, opts: defaults(), poller: p, turns: turns{buf: make([]byte, readBufferSize)}}
	d.opts.Engine = newEngine(t, EngineConfig{})
	d.opts.Engine.start.Do(func() { d.opts.Engine.pollers = []*poller{p} })
	return d
}

// conn starts a connection whose messages are logged under its name.
func (d *driven) conn(name string) (c *Conn, peer pair) {
	peer = onePair(d.t)
	c = peer.conn(&d.opts)
	l := begin(c, nil, func([]byte) { d.log = append(d.log, name) })
	d.t.Cleanup(func() { c.Abort(CauseAborted); wait(d.t, l.finished) })
	return c, peer
}

// lookUp looks up the current events.
func (d *driven) lookUp() {
	var events [maxEvents]unix.EpollEvent
	n, errno := d.poller.wait(events[:])
	if errno != 0 {
		d.t.Fatal(errno)
	}
	d.poller.lookUp(&d.turns, events[:n])
}

// take takes a turn and returns which connections received messages.
func (d *driven) take() []string {
	d.log = nil
	d.lookUp()
	d.turns.take()
	return d.log
}

// until takes turns until name has received a message. It returns the log of the last turn.
func (d *driven) until(name string) (heard []string) {
	until(d.t, name, func() bool {
		heard = d.take()
		return slices.Contains(heard, name)
	})
	return heard
}

func (d *driven) write(p pair, b []byte) {
	d.t.Helper()
	if _, err := p.peer.Write(b); err != nil {
		d.t.Fatal(err)
	}
}

const turnFrames = 64 // number of empty frames that are handled in a turn

// A turn ends when it is used up. Input that was read but not handled gets further turns
// until all of it is handled. Then no connection is late.
func TestTurnIsLimited(t *testing.T) {
	d := drive(t)
	_, flood := d.conn("flood")
	d.write(flood, slices.Repeat(masked(ws.OpText, true, ""), 3*turnFrames+1))
	heard := len(d.until("flood"))
	if heard != turnFrames || len(d.turns.late) != 1 {
		t.Fatalf("%d messages in the first turn, %d late", heard, len(d.turns.late))
	}
	for len(d.turns.late) > 0 {
		n := len(d.take())
		if n > turnFrames {
			t.Errorf("%d messages in one turn", n)
		}
		heard += n
	}
	if heard != 3*turnFrames+1 {
		t.Errorf("%d messages", heard)
	}
	// The next turn starts with no work done.
	d.write(flood, slices.Repeat(masked(ws.OpText, true, ""), turnFrames))
	if n := len(d.until("flood")); n != turnFrames {
		t.Errorf("%d messages in a later turn", n)
	}
}

// Connections with new data come first. After them, some of the late ones get a turn, in
// the order in which they became late.
func TestLateConnsTakeTurns(t *testing.T) {
	const floods = lateTurns + 5
	d := drive(t)
	for i := range floods {
		_, p := d.conn(fmt.Sprint(i))
		d.write(p, slices.Repeat(masked(ws.OpText, true, ""), 2*turnFrames))
	}
	_, quiet := d.conn("quiet")
	until(t, "events for all", func() bool { d.lookUp(); return len(d.turns.fresh) >= floods })
	d.take()
	if len(d.turns.late) != floods {
		t.Fatalf("%d are late", len(d.turns.late))
	}
	order := slices.Compact(slices.Clone(d.log))
	d.write(quiet, masked(ws.OpText, true, ""))
	until(t, "an event", func() bool { d.lookUp(); return len(d.turns.fresh) > 0 })
	d.take()
	if want := append([]string{"quiet"}, order[:lateTurns]...); !slices.Equal(slices.Compact(d.log), want) {
		t.Errorf("heard %v, want %v", slices.Compact(d.log), want)
	}
	d.take()
	if want := order[lateTurns:]; !slices.Equal(slices.Compact(d.log), want) {
		t.Errorf("then heard %v, want %v", slices.Compact(d.log), want)
	}
	for len(d.turns.late) > 0 {
		d.take()
	}
	if all := d.turns.late[:cap(d.turns.late)]; slices.ContainsFunc(all, func(c *Conn) bool { return c != nil }) {
		t.Error("references to connections are left")
	}
}

// An event for a late connection does not give it an extra turn.
func TestEventsDoNotAddTurns(t *testing.T) {
	d := drive(t)
	_, flood := d.conn("flood")
	d.write(flood, slices.Repeat(masked(ws.OpText, true, ""), 20*turnFrames))
	d.until("flood")
	for i := range 5 {
		d.write(flood, masked(ws.OpText, true, ""))
		until(t, "the data to arrive", func() bool { return unread(t, d.turns.late[0]) })
		if n := len(d.take()); n != turnFrames {
			t.Fatalf("round %d: %d messages", i, n)
		}
	}
}

// unread reports whether c's socket holds unread data.
func unread(t *testing.T, c *Conn) bool {
	t.Helper()
	n, err := unix.IoctlGetInt(int(c.sock.fd), unix.SIOCINQ)
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

// A message that takes long to decompress is handled by another goroutine. Meanwhile the
// poller ignores new data and the end of the stream, and both are noticed afterwards.
func TestAwayFromPoller(t *testing.T) {
	d := drive(t)
	got, ended := make(chan string, 10), make(chan End, 1)
	p := onePair(t)
	c := p.conn(&d.opts)
	l := begin(c, nil, func(b []byte) { got <- fmt.Sprintf("%.5s", b) })
	l.ended = ended
	d.opts.Engine.heavy <- struct{}{}
	bomb := maskedPacked(ws.OpText, true, squeeze("large"+strings.Repeat(" ", 2*lightMessage)))
	d.write(p, bomb)
	until(t, "the connection to leave the poller", func() bool { d.take(); return away(c) })
	d.write(p, slices.Concat(masked(ws.OpText, true, "next"), bomb, masked(ws.OpText, true, "final")))
	until(t, "the data to arrive", func() bool { return unread(t, c) })
	_ = p.peer.Close()
	for range 10 {
		d.take() // would block forever if the poller did the work
	}
	until(t, "the goroutine to start", func() bool {
		if c.reading.TryLock() {
			c.reading.Unlock()
			return false
		}
		return true
	})
	if c.readSome(d.turns.buf, true) { // an event that arrived just before the connection left
		t.Error("it gets another turn while it is away")
	}
	if len(got) > 0 {
		t.Error("a message was delivered")
	}
	<-d.opts.Engine.heavy
	for _, want := range []string{"large", "next", "large", "final"} {
		until(t, want, func() bool { d.take(); return len(got) > 0 })
		if s := <-got; s != want {
			t.Fatalf("got %s, want %s", s, want)
		}
	}
	until(t, "the end", func() bool { d.take(); return len(ended) > 0 })
	if end := <-ended; end.Cause != CauseLost {
		t.Errorf("ended by %+v", end)
	}
	wait(t, l.finished)
	if away(c) {
		t.Error("still away")
	}
}

// A connection that has ended gets no more turns.
func TestNoTurnAfterEnd(t *testing.T) {
	d := drive(t)
	c, p := d.conn("gone")
	_ = p.peer.Close()
	until(t, "the end", func() bool { d.take(); return !c.mayRead() })
	if len(d.turns.late) > 0 {
		t.Error("it waits for another turn")
	}
}

func away(c *Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.away
}

//go:build linux && !386 && !s390x

package ws

import (
	"testing"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// By the time an event is handled, its descriptor may belong to another connection. A
// hang-up of the former peer must not affect that connection.
func TestLateHangUpEvent(t *testing.T) {
	opts := defaults()
	opts.Engine = newEngine(t, EngineConfig{})
	p, err := newPoller() // run by the test
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	gone, other := onePair(t), onePair(t)
	first := &Conn{nc: gone.server, opts: &opts}
	p.adopt(first)
	_ = gone.peer.Close()
	var events [1]unix.EpollEvent
	n := 0
	until(t, "the hang-up", func() bool {
		n, _ = p.wait(events[:])
		return n == 1 && events[0].Events&unix.EPOLLRDHUP != 0
	})
	first.sock.close(false)

	c := &Conn{nc: other.server, opts: &opts, started: true}
	c.in.max = 1000
	l := &life{func([]byte) { c.Pause() }, make(chan End, 1), make(chan struct{})}
	c.handler = l
	p.adopt(c)
	if c.sock.fd != first.sock.fd {
		t.Skip("the descriptor was not reused")
	}
	turn := turns{buf: make([]byte, readBufferSize)}
	p.lookUp(&turn, events[:n])
	turn.take()
	if _, err := other.peer.Write(masked(ws.OpText, true, "x")); err != nil {
		t.Fatal(err)
	}
	until(t, "the message", func() bool {
		n, _ = p.wait(events[:])
		p.lookUp(&turn, events[:n])
		turn.take()
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.paused != 0 || c.phase != phaseOpen
	})
	c.mu.Lock()
	end := c.ending
	c.mu.Unlock()
	if end != nil {
		t.Errorf("ended by %+v, although its peer is still connected", end.End)
	}
	c.Abort(CauseAborted)
	wait(t, l.finished)
}

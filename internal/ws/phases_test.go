package ws

import (
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gobwas/ws"
)

// step is something that can happen to a connection while it is served.
type step struct {
	name string
	ours bool // caused by the server, not by the peer; does not block
	do   func(c *Conn, peer net.Conn)
	end  Cause // cause of the end if this step comes first
}

var steps = []step{
	{"enqueue", true, func(c *Conn, _ net.Conn) { c.Enqueue(text("hello")) }, CauseNone},
	{"hold", true, func(c *Conn, _ net.Conn) { c.Hold() }, CauseNone},
	{"release", true, func(c *Conn, _ net.Conn) { c.Release() }, CauseNone},
	{"seal", true, func(c *Conn, _ net.Conn) { c.Seal(tilde, true) }, CauseNone},
	{"close", true, func(c *Conn, _ net.Conn) { c.Close(4000, "") }, CauseServerClosed},
	{"abort", true, func(c *Conn, _ net.Conn) { c.Abort(CauseIdle) }, CauseIdle},
	{"peer closes", false, func(_ *Conn, peer net.Conn) { _, _ = peer.Write(masked(ws.OpClose, true, "\x03\xe8")) }, CausePeerClosed},
	{"peer sends garbage", false, func(_ *Conn, peer net.Conn) { _, _ = peer.Write([]byte("\xff\xff")) }, CauseViolation},
	{"peer vanishes", false, func(_ *Conn, peer net.Conn) { _ = peer.Close() }, CauseLost},
}

// In any order of steps, Ended and Finished are called, the first cause is recorded, and
// the peer gets the close frame if the connection was not aborted.
func TestEveryOrderOfThreeSteps(t *testing.T) {
	for _, a := range steps {
		for _, b := range steps {
			for _, c := range steps {
				synctest.Test(t, func(t *testing.T) { runSteps(t, []step{a, b, c}, synctest.Wait) })
				if a.ours && b.ours && c.ours { // without waiting for other goroutines
					synctest.Test(t, func(t *testing.T) { runSteps(t, []step{a, b, c}, nil) })
				}
			}
		}
	}
}

func runSteps(t *testing.T, order []step, settle func()) {
	opts := defaults()
	opts.Engine = NewEngine(EngineConfig{Threads: 1})
	opts.SealFailed = func(error) {}
	server, client := net.Pipe()
	c := NewConn(server, 0, &opts)

	peer := make(chan []string)
	go func() { peer <- readAll(client) }()
	l := begin(c, nil, ignore)

	names := make([]string, len(order))
	want, aborted := CauseNone, false
	for i, s := range order {
		names[i] = s.name
		if settle != nil {
			go s.do(c, client) // a write of the peer may block
			settle()
		} else {
			s.do(c, client)
		}
		if want == CauseNone {
			want = s.end
		} else if s.end == CauseIdle || s.end == CauseLost {
			aborted = true
		}
	}
	if want == CauseNone {
		c.Close(4000, "")
		want = CauseServerClosed
	}
	end := <-l.ended
	<-l.finished
	c.mu.Lock()
	flushed := c.ending == nil || c.ending.flushed == nil || isClosed(c.ending.flushed)
	left := c.backlog != nil || c.rest != nil
	c.mu.Unlock()
	opts.Engine.Close()
	_ = client.Close()
	frames := <-peer

	name := strings.Join(names, ", ")
	if end.Cause != want {
		t.Errorf("%s: ended by %d, want %d", name, end.Cause, want)
	}
	if !flushed || left {
		t.Errorf("%s: flushed: %v, messages left: %v", name, flushed, left)
	}
	orderly := want == CauseServerClosed || want == CausePeerClosed || want == CauseViolation
	if orderly && !aborted && (len(frames) == 0 || frames[len(frames)-1] != "close") {
		t.Errorf("%s: the peer got %q and no close frame", name, frames)
	}
}

// readAll reads the frames sent to a peer until the end of the stream and names them.
func readAll(peer net.Conn) (frames []string) {
	for {
		f, err := readFrame(peer)
		if err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) {
				frames = append(frames, err.Error())
			}
			return frames
		}
		if f.Op == ws.OpClose {
			frames = append(frames, "close")
		} else {
			frames = append(frames, f.Payload)
		}
	}
}

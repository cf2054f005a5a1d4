//go:build linux && !386 && !s390x

package ws

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// fillUp sends to a peer that does not read until its socket is full.
func fillUp(t *testing.T, p *party) {
	t.Helper()
	m := text(strings.Repeat("x", 32<<10))
	for range 1000 {
		p.Enqueue(m)
	}
	until(t, "the socket to be full", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.parked
	})
}

// A peer that has closed its side and does not read does not cause repeated writes: the
// writer waits until there is room.
func TestHalfClosedPeerCausesNoWrites(t *testing.T) {
	for name, step := range map[string]func(p *party){
		"paused":  func(p *party) { p.Pause() },
		"closing": func(p *party) { p.send(t, masked(ws.OpClose, true, "\x03\xe8")) },
	} {
		t.Run(name, func(t *testing.T) {
			opts := defaults()
			opts.CloseTimeout = patience
			p := serve(t, transports[0], opts)
			fillUp(t, p)
			step(p)
			until(t, name, func() bool {
				p.mu.Lock()
				defer p.mu.Unlock()
				return p.paused != 0 || p.phase == phaseClosing
			})
			_ = p.peer.(*net.TCPConn).CloseWrite()
			parked := 0
			for range 100_000 {
				p.mu.Lock()
				if p.parked {
					parked++
				}
				p.mu.Unlock()
				runtime.Gosched()
			}
			if parked < 99_000 {
				t.Errorf("the writer was parked %d of 100000 times", parked)
			}
			p.Abort(CauseAborted)
		})
	}
}

// A peer that has closed its side but still reads gets all data and the answer to its close
// frame.
func TestHalfClosedPeerGetsEverything(t *testing.T) {
	opts := defaults()
	opts.CloseTimeout = patience
	p := serve(t, transports[0], opts)
	fillUp(t, p)
	p.send(t, masked(ws.OpClose, true, "\x03\xe8"))
	until(t, "the close frame", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.phase == phaseClosing
	})
	_ = p.peer.(*net.TCPConn).CloseWrite()
	for range 1000 {
		if f := p.receive(t); f.Op != ws.OpText {
			t.Fatalf("got %v", f.Op)
		}
	}
	p.expect(t, ws.OpClose, "\x03\xe8")
	p.expectEnd(t)
}

// When a connection is closed, data that the peer does not read does not stay in the
// kernel.
func TestNothingStaysInKernel(t *testing.T) {
	for name, end := range map[string]func(p *party){
		"half-closed peer": func(p *party) {
			fillUp(t, p)
			_ = p.peer.(*net.TCPConn).CloseWrite()
		},
		"peer that closes but does not read": func(p *party) {
			p.Enqueue(text(strings.Repeat("x", 2<<20)))
			p.send(t, masked(ws.OpClose, true, "\x03\xe8"))
		},
		"no answer to the close frame": func(p *party) {
			p.Enqueue(text(strings.Repeat("x", 2<<20)))
			until(t, "all to be written", func() bool { return p.Queued() == 0 || p.Backpressured() })
			p.Close(1001, "")
		},
	} {
		t.Run(name, func(t *testing.T) {
			opts := defaults()
			opts.CloseTimeout = 50 * time.Millisecond
			p := serve(t, transports[0], opts)
			end(p)
			wait(t, p.finished)
			until(t, "the socket to be gone", func() bool { return !inKernel(t, p.peer) })
		})
	}
}

// A peer that broke the protocol and closed its side, but still reads, gets everything sent
// before, and the close frame.
func TestGarbageAndHalfClosed(t *testing.T) {
	p := serve(t, transports[0], defaults())
	m := text(strings.Repeat("x", 100_000))
	for range 20 {
		p.Enqueue(m)
	}
	p.send(t, []byte("\xff\xff"))
	_ = p.peer.(*net.TCPConn).CloseWrite()
	wait(t, p.served)
	for range 20 {
		if f := p.receive(t); f.Op != ws.OpText {
			t.Fatalf("got %v", f.Op)
		}
	}
	if f := p.receive(t); f.Op != ws.OpClose {
		t.Errorf("got %v", f.Op)
	}
	p.expectEnd(t)
}

// Data that arrived with the upgrade is also read if the connection is closed before Start.
func TestEarlyCloseFrame(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		opts := defaults()
		opts.Engine, opts.CloseTimeout = newEngine(t, EngineConfig{Plain: tr.plain}), time.Hour
		server, client := tr.pair(t)
		c := NewConn(server, 0, &opts)
		c.Close(1001, "")
		go func() {
			_, _ = io.Copy(io.Discard, client)
			_ = client.Close()
		}()
		wait(t, begin(c, masked(ws.OpClose, true, "\x03\xe8"), ignore).finished)
	})
}

// The stream ends as soon as everything is written, not when the peer's system has
// confirmed it, which may take 40 ms or more. Browsers wait for EOF.
func TestEndDoesNotWaitForConfirmation(t *testing.T) {
	opts := defaults()
	opts.CloseTimeout = time.Hour
	p := serve(t, transports[0], opts)
	p.Enqueue(text(strings.Repeat("x", 1<<20))) // more than the peer's system confirms if the peer does not read
	p.send(t, masked(ws.OpClose, true, "\x03\xe8"))
	const finWait1 = "04"
	until(t, "the end of the stream", func() bool {
		return inState(t, p.peer, func(state, _ string) bool { return state == finWait1 })
	})
	p.expectServed(t, End{Cause: CausePeerClosed, Code: 1000})
	_ = p.peer.Close()
	wait(t, p.finished)
}

// inKernel reports whether the other end of a connection has unconfirmed bytes.
func inKernel(t *testing.T, peer net.Conn) bool {
	t.Helper()
	return inState(t, peer, func(_, queues string) bool { return !strings.HasPrefix(queues, "00000000:") })
}

// inState reports whether the other end of a connection satisfies is, which gets its state
// and queues as listed in /proc/net/tcp.
func inState(t *testing.T, peer net.Conn, is func(state, queues string) bool) bool {
	t.Helper()
	b, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	local := fmt.Sprintf(":%04X", peer.RemoteAddr().(*net.TCPAddr).Port)
	remote := fmt.Sprintf(":%04X", peer.LocalAddr().(*net.TCPAddr).Port)
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) > 4 && strings.HasSuffix(f[1], local) && strings.HasSuffix(f[2], remote) {
			return is(f[3], f[4])
		}
	}
	return false
}

// The kernel's buffer for a peer that does not read is limited, and reading a part of it
// counts as progress.
func TestSendBufferAndProgress(t *testing.T) {
	for _, tr := range []transport{transports[0], transports[2], transports[4]} {
		t.Run(tr.name, func(t *testing.T) {
			p := fillSocket(t, tr, func(p *party) {
				for range 1000 {
					p.Enqueue(text(strings.Repeat("x", 32<<10)))
				}
			})
			full := time.Now()
			read := make(chan struct{})
			go func() {
				defer close(read)
				for range 200 {
					p.receive(t)
				}
			}()
			wait(t, read)
			// The socket may be full again by now, but there was progress in between.
			until(t, "progress", func() bool { return p.Stuck() < time.Since(full) })
			until(t, "the socket to be full again", func() bool { return p.Stuck() > 10*time.Millisecond })
			p.Abort(CauseStuck)
			p.expectServed(t, End{Cause: CauseStuck, Code: 1006})
		})
	}
}

// The same limit holds for a peer that is sent little at a time.
func TestSendBufferOfSmallWrites(t *testing.T) {
	for _, tr := range []transport{transports[0], transports[2], transports[4]} {
		t.Run(tr.name, func(t *testing.T) {
			p := fillSocket(t, tr, func(p *party) {
				for range 32000 {
					p.Enqueue(text(strings.Repeat("x", 1<<10)))
					for p.Queued() > 0 { // written one by one, until the socket is full
						runtime.Gosched()
						if socketFull(p) {
							return
						}
					}
				}
			})
			p.Abort(CauseStuck)
			p.expectServed(t, End{Cause: CauseStuck, Code: 1006})
		})
	}
}

// fillSocket sends to a peer that does not read until its socket is full. It calls send again if all of
// it could be written after all.
func fillSocket(t *testing.T, tr transport, send func(*party)) *party {
	t.Helper()
	opts := defaults()
	opts.SendBuffer = 64 << 10
	p := serve(t, tr, opts)
	until(t, "the socket to be full", func() bool {
		if p.Queued() == 0 {
			send(p)
		}
		return socketFull(p)
	})
	if n := p.unsent(); n > 4*opts.SendBuffer {
		t.Errorf("%d bytes are in the kernel", n)
	}
	return p
}

// socketFull reports whether the sockets of both sides have been full for a while.
func socketFull(p *party) bool { return p.Stuck() > 10*time.Millisecond && p.unsent() > 0 }

// A connection is read from once per round, however many events it has, and connections
// that used up their last turn come after those with new data.
func TestOneTurnPerConn(t *testing.T) {
	a, b := &Conn{}, &Conn{}
	p := &poller{conns: []*Conn{nil, nil, nil, a, b}, pushed: []*Conn{b, a}}
	var turns turns
	turns.add(b) // b used up its turn
	p.lookUp(&turns, []unix.EpollEvent{{Fd: 3, Events: unix.EPOLLIN}, {Fd: 2, Events: unix.EPOLLIN}, {Fd: 99, Events: unix.EPOLLIN}})
	if want := []event{{a, unix.EPOLLIN}}; fmt.Sprint(turns.fresh) != fmt.Sprint(want) {
		t.Errorf("fresh: %v, want %v", turns.fresh, want)
	}
	if want := []*Conn{b, a}; fmt.Sprint(turns.late) != fmt.Sprint(want) {
		t.Errorf("late: %v, want %v", turns.late, want)
	}
	if !a.whole || !b.whole || len(p.pushed) != 0 {
		t.Error("pushed connections are not read until empty")
	}
}

// One read may return more than one turn can handle. All messages are delivered in order,
// even if no more data follows.
func TestReadExceedsTurn(t *testing.T) {
	const frames = 60
	var burst []byte
	for i := range frames {
		m := text(fmt.Sprint(i, strings.Repeat(" ", 100_000)))
		packed := m.bytes(maxWindow)
		head := 2
		if packed[1] == 126 {
			head = 4
		}
		frame := masked(ws.OpText, true, string(packed[head:]))
		frame[0] |= 0x40 // the message is compressed
		burst = append(burst, frame...)
	}
	for _, early := range []int{0, len(burst)} { // bytes that arrive with the upgrade
		opts := defaults()
		opts.Engine, opts.MaxPayload = newEngine(t, EngineConfig{}), 1<<20
		server, client := tcpPair(t)
		defer func() { _ = client.Close() }()
		c := NewConn(server, maxWindow, &opts)
		got := make(chan string, frames)
		l := begin(c, burst[:early], func(b []byte) { got <- strings.TrimSpace(string(b)) })
		if _, err := client.Write(burst[early:]); err != nil {
			t.Fatal(err)
		}
		for i := range frames {
			if text := wait(t, got); text != fmt.Sprint(i) {
				t.Fatalf("message %d is %s", i, text)
			}
		}
		c.Abort(CauseAborted)
		wait(t, l.finished)
	}
}

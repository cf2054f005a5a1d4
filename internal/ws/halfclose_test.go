package ws

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
)

// halves records the steps that close the layers of a connection, in order.
type halves struct{ done []string }

// half is one layer of a connection. It records how it is closed.
type half struct {
	net.Conn
	name string
	all  *halves
	fail error
}

func (h *half) note(what string) { h.all.done = append(h.all.done, h.name+" "+what) }

func (h *half) CloseWrite() error { h.note("closes its side"); return h.fail }
func (h *half) SetLinger(s int) error {
	h.note(fmt.Sprint("lingers ", s))
	return nil
}
func (h *half) Close() error { h.note("closes"); return h.Conn.Close() }

// layered is a connection on top of another one.
type layered struct {
	*half
	under net.Conn
}

func (l layered) NetConn() net.Conn { return l.under }

// mute is a connection that cannot close its write side.
type mute struct {
	net.Conn
	under net.Conn
}

func (m mute) NetConn() net.Conn { return m.under }

// A plain connection is closed in order: TLS, if used, before the connection below it, and
// without a reset if everything was written.
func TestClosingOrder(t *testing.T) {
	answer := func(peer net.Conn) { // and close
		_, _ = readFrame(peer)
		_, _ = peer.Write(masked(ws.OpClose, true, "\x03\xe8"))
		_ = peer.Close()
	}
	keep := func(peer net.Conn) { // open
		_, _ = readFrame(peer)
		_, _ = peer.Write(masked(ws.OpClose, true, "\x03\xe8"))
	}
	silent := func(peer net.Conn) { _, _ = readFrame(peer) }
	nothing := func(net.Conn) {}
	garbage := func(peer net.Conn) {
		go func() { _, _ = io.Copy(io.Discard, peer) }()
		_, _ = peer.Write([]byte("\xff\xff"))
	}
	plain := func(c net.Conn, h *halves) net.Conn { return &half{Conn: c, name: "socket", all: h} }
	over := func(fail error) func(c net.Conn, h *halves) net.Conn {
		return func(c net.Conn, h *halves) net.Conn {
			under := &half{Conn: c, name: "socket", all: h}
			return layered{&half{Conn: c, name: "tls", all: h, fail: fail}, under}
		}
	}
	cannot := func(c net.Conn, h *halves) net.Conn {
		return mute{c, &half{Conn: c, name: "socket", all: h}}
	}
	const timeout = 5 * time.Second
	for _, tt := range []struct {
		name  string
		make  func(net.Conn, *halves) net.Conn
		peer  func(net.Conn)
		takes time.Duration
		want  []string
	}{
		{"the peer answers", plain, answer, 0, []string{"socket closes its side", "socket closes"}},
		{"it answers and does not close", plain, keep, lingerAnswered, []string{"socket closes its side", "socket closes"}},
		{"it does not answer", plain, silent, timeout, []string{"socket closes its side", "socket closes"}},
		{"it reads nothing", plain, nothing, timeout, []string{"socket lingers 0", "socket closes"}},
		{"it sends garbage", plain, garbage, timeout, []string{"socket closes its side", "socket closes"}},
		{"TLS, the peer answers", over(nil), answer, 0, []string{"tls closes its side", "socket closes its side", "tls closes"}},
		{"TLS, it does not close", over(nil), keep, lingerAnswered, []string{"tls closes its side", "socket closes its side", "tls closes"}},
		{"TLS, it does not answer", over(nil), silent, timeout, []string{"tls closes its side", "socket closes its side", "socket closes", "tls closes"}},
		{"TLS, it reads nothing", over(nil), nothing, timeout, []string{"socket lingers 0", "socket closes", "tls closes"}},
		{"TLS, it sends garbage", over(nil), garbage, timeout, []string{"tls closes its side", "socket closes its side", "socket closes", "tls closes"}},
		{"TLS that fails", over(errors.New("broken")), keep, 0, []string{"tls closes its side", "tls closes"}},
		{"TLS without CloseWrite", cannot, keep, 0, nil},
		{"no CloseWrite", func(c net.Conn, _ *halves) net.Conn { return c }, keep, 0, nil},
		{"no CloseWrite, and garbage", func(c net.Conn, _ *halves) net.Conn { return c }, garbage, timeout, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := defaults()
				opts.CloseTimeout, opts.Engine = timeout, NewEngine(EngineConfig{Threads: 1})
				server, client := net.Pipe()
				var h halves
				c := NewConn(tt.make(server, &h), 0, &opts)
				l := begin(c, nil, ignore)
				gone := make(chan struct{})
				go func() { defer close(gone); tt.peer(client) }()
				synctest.Wait() // garbage ends the connection
				start := time.Now()
				c.Close(1000, "")
				<-l.finished
				if d := time.Since(start); d != tt.takes {
					t.Errorf("took %v, want %v", d, tt.takes)
				}
				if tt.takes == timeout && slices.Contains(tt.want, "socket lingers 0") {
					// Whether CloseWrite was called before depends on which goroutine
					// noticed the timeout first.
					h.done = slices.DeleteFunc(h.done, func(s string) bool { return strings.HasSuffix(s, "closes its side") })
				}
				if !slices.Equal(h.done, tt.want) {
					t.Errorf("did %q, want %q", h.done, tt.want)
				}
				<-gone
				opts.Engine.Close()
				_ = client.Close()
			})
		})
	}
}

// While the connection of a stranger is closing, its input is read slowly, so that it takes
// little time from others. An admitted client is read at full speed.
func TestClosingStrangersAreReadSlowly(t *testing.T) {
	for _, tt := range []struct {
		name            string
		payload         int
		admit, polite   bool
		atMost, atLeast time.Duration
	}{
		{"a stranger", 100, false, false, time.Hour, 500 * time.Millisecond},
		{"a stranger that sends little", 100, false, true, 0, 0},
		{"an admitted client", 100, true, false, 0, 0},
		{"no limits for strangers", 0, false, false, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := defaults()
				opts.StrangerPayload, opts.StrangerFrames = tt.payload, 100
				opts.CloseTimeout, opts.Engine = time.Hour, NewEngine(EngineConfig{Threads: 1})
				server, client := net.Pipe()
				c := NewConn(server, 0, &opts)
				if tt.admit {
					c.Admit()
				}
				l := begin(c, nil, ignore)
				go func() { _, _ = io.Copy(io.Discard, client) }()
				start := time.Now()
				size := 600 << 10
				if tt.polite {
					size = strangerRest - 100
				}
				c.Close(1000, "")
				_, _ = client.Write(slices.Concat(
					slices.Repeat(masked(ws.OpBinary, true, "0123456789"), size/16), masked(ws.OpClose, true, "\x03\xe8")))
				<-l.finished
				if d := time.Since(start); d > tt.atMost || d < tt.atLeast {
					t.Errorf("took %v", d)
				}
				opts.Engine.Close()
				_ = client.Close()
			})
		})
	}
}

// A polled connection, too, is not kept for long once its peer has answered the close
// frame, even if the peer does not close it.
func TestPeerAnswersAndStays(t *testing.T) {
	opts := defaults()
	opts.CloseTimeout = time.Hour
	p := serve(t, transports[0], opts)
	p.Close(1000, "")
	p.expect(t, ws.OpClose, "\x03\xe8")
	p.send(t, masked(ws.OpClose, true, "\x03\xe8"))
	p.expectEnd(t)
	wait(t, p.finished)
}

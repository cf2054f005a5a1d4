//go:build linux

package herd

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ignis-go/ignis/seal"
)

// patience is how long a failing test waits.
const patience = 2 * time.Minute

// wired returns a herd that expects messages 0 to n-1 at one client with a socket, and the other end
// of that socket. Both ends are non-blocking.
func wired(t *testing.T, n int) (h *Herd, c *conn, peer int) {
	t.Helper()
	h, err := New(Config{Addr: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(ends[1]) })
	c = &conn{fd: int32(ends[0]), phase: phaseIn, room: -1}
	h.conns, h.byFD[c.fd], h.live, h.rooms[0].live = []*conn{c}, c, 1, 1
	if err := h.watch(unix.EPOLL_CTL_ADD, c, unix.EPOLLIN); err != nil {
		t.Fatal(err)
	}
	h.expect(n)
	return h, c, ends[1]
}

// deliverTo writes messages to a client like a server.
func deliverTo(t *testing.T, peer int, numbers ...uint32) {
	t.Helper()
	var stream []byte
	for _, n := range numbers {
		text := string(plainHead) + Data(n, time.Now(), 0, "", 0) + "}"
		stream = append(append(stream, 0x81, byte(len(text))), text...)
	}
	if n, err := unix.Write(peer, stream); err != nil || n != len(stream) {
		t.Fatalf("%d bytes written, %v", n, err)
	}
}

// A client with a full socket queues what it sends and continues to read.
func TestFullSocket(t *testing.T) {
	h, c, peer := wired(t, 1)
	var sent []byte
	for more := 1; more > 0; { // fill the socket completely, so that it takes no part of the next message
		more, _ = unix.Write(int(c.fd), make([]byte, 1000))
		sent = append(sent, make([]byte, max(more, 0))...)
	}
	for i := 0; len(c.out) <= fullOut; i++ {
		text := bytes.Repeat([]byte{byte(i)}, 40_000)
		h.say(c, text)
		sent = appendFrame(sent, opText, text)
		if c.phase != phaseIn {
			t.Fatalf("closed: %v", h.closes)
		}
	}
	if n, err := h.publish(1, 100); n != 0 || err != nil {
		t.Errorf("published %d with a full socket, %v", n, err)
	}
	deliverTo(t, peer, 0)
	if err := h.poll(0); err != nil || h.Deliveries != 1 {
		t.Errorf("read %d messages with a full socket, %v", h.Deliveries, err)
	}
	var got []byte
	for buf, end := make([]byte, 64<<10), time.Now().Add(patience); ; {
		if n, _ := unix.Read(peer, buf); n > 0 {
			got = append(got, buf[:n]...)
		} else if len(c.out) == 0 {
			break
		}
		if err := h.poll(0); err != nil || c.phase != phaseIn || time.Now().After(end) {
			t.Fatalf("%d bytes wait; %v, %v", len(c.out), err, h.closes)
		}
	}
	if !bytes.Equal(got, sent) {
		t.Errorf("received %d bytes that differ from the %d sent", len(got), len(sent))
	}
	if n, err := h.publish(1, 100); n != 1 || err != nil {
		t.Errorf("published %d with a writable socket, %v", n, err)
	}
}

// The amount of data that waits for a server that does not read is limited.
func TestServerThatDoesNotRead(t *testing.T) {
	h, c, _ := wired(t, 0)
	for range 2 * maxOut / 1000 {
		if c.phase == phaseGone {
			break
		}
		h.frame(c, opPing, make([]byte, 1000))
	}
	if c.phase != phaseGone || h.Closes() != "1 times: the server does not read" {
		t.Errorf("phase %d, %d bytes wait; %s", c.phase, len(c.out), h.Closes())
	}
}

// Pings do not extend the time to wait for missing deliveries.
func TestPingsAreNotDeliveries(t *testing.T) {
	h, _, peer := wired(t, 2)
	deliverTo(t, peer, 0) // message 1 is never delivered
	end := time.Now().Add(patience)
	err := h.run(t.Context(), 50*time.Millisecond, func() bool {
		if _, err := unix.Write(peer, []byte{0x80 | opPing, 0}); err != nil {
			t.Fatal(err)
		}
		return h.expected == 0 || time.Now().After(end)
	})
	if !errors.Is(err, errTimeout) || h.Deliveries != 1 || h.Lost() != 1 {
		t.Errorf("%v, %+v", err, h.Tally)
	}
}

// A herd that is late with sending still reads.
func TestSteadyReadsWhenLate(t *testing.T) {
	h, _, peer := wired(t, 0)
	const n = 100
	sent, most := uint32(0), int64(0)
	h.cfg.Publish = func(string, string) error {
		most = max(most, int64(sent)-h.Deliveries)
		deliverTo(t, peer, sent)
		sent++
		return nil
	}
	// Each message is due before the previous one is sent.
	if err := h.Steady(t.Context(), 1, n, 0); err != nil || h.Deliveries != n {
		t.Errorf("%d deliveries, %v", h.Deliveries, err)
	}
	if most > 1 {
		t.Errorf("up to %d messages had arrived but were not read", most)
	}
}

// If Redis closes the connection, the error says so.
func TestRedisCloses(t *testing.T) {
	_, c, peer := wired(t, 0)
	if err := unix.Shutdown(peer, unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	p := publisher{fd: int(c.fd), buf: make([]byte, 10)}
	if err := p.handle(unix.EPOLLIN); !errors.Is(err, io.EOF) || err.Error() != "redis closed the connection: EOF" {
		t.Errorf("handle returned %v", err)
	}
}

// heard returns what has been written to the other end.
func heard(t *testing.T, peer int) string {
	t.Helper()
	buf := make([]byte, 64<<10)
	n, err := unix.Read(peer, buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

// The request has the configured path, query and host.
func TestRequest(t *testing.T) {
	for want, cfg := range map[string]Config{
		"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:1\r\n":                            {Addr: "127.0.0.1:1"},
		"GET /a?b=c HTTP/1.1\r\nHost: example.com\r\n":                         {Addr: "127.0.0.1:1", Host: "example.com", Path: "/a?b=c"},
		"GET /ws?cf_ws_frame_ping_pong=true HTTP/1.1\r\nHost: 127.0.0.1:1\r\n": {Addr: "127.0.0.1:1", Centrifuge: true},
	} {
		h, c, peer := wired(t, 0)
		h.cfg, c.phase = cfg, phaseDialing
		h.handle(c, unix.EPOLLOUT)
		if got := heard(t, peer); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "\r\n\r\n") || c.phase != phaseUpgrading {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A client that has agreed on a key sends only sealed messages.
func TestSayingIsSealed(t *testing.T) {
	h, c, peer := wired(t, 0)
	h.say(c, []byte(`{"event":"hello"}`))
	if got := heard(t, peer); !strings.HasSuffix(got, `{"event":"hello"}`) {
		t.Errorf("without a key: %q", got)
	}
	key, err := seal.NewKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	c.key = key
	h.say(c, []byte(`{"event":"hello"}`))
	if got := heard(t, peer); strings.Contains(got, "hello") || !strings.Contains(got, `"event":"encrypted"`) {
		t.Errorf("with a key: %q", got)
	}
}

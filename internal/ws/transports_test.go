package ws

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// patience is how long tests wait for what must come.
const patience = 20 * time.Second

// transport makes connected pairs.
type transport struct {
	name string
	pair func(t testing.TB) (server, client net.Conn)
}

// transports are all the ways that a connection can be read and written.
var transports = []transport{
	{"socket", tcpPair},
	{"unix socket", unixPair},
	{"wrapped socket", func(t testing.TB) (server, client net.Conn) {
		server, client = tcpPair(t)
		return wrapped{server}, client
	}},
	{"tls", tlsPair},
}

// wrapped hides what a connection is, so that it is used through its methods.
type wrapped struct{ net.Conn }

func onAll(t *testing.T, f func(t *testing.T, tr transport)) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) { f(t, tr) })
	}
}

func tcpPair(t testing.TB) (server, client net.Conn) { return dial(t, "tcp", "127.0.0.1:0") }

func unixPair(t testing.TB) (server, client net.Conn) {
	return dial(t, "unix", t.TempDir()+"/s")
}

func dial(t testing.TB, network, address string) (server, client net.Conn) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if client, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return server, client
}

func tlsPair(t testing.TB) (server, client net.Conn) {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS() // for its certificate
	config := s.TLS.Clone()
	s.Close()
	rawServer, rawClient := tcpPair(t)
	ts := tls.Server(rawServer, config)
	tc := tls.Client(rawClient, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // both ends are here
	shaken := make(chan error, 1)
	go func() { shaken <- ts.Handshake() }()
	if err := tc.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	return ts, tc
}

func TestWhichConnectionsAreRaw(t *testing.T) {
	want := map[string]bool{"socket": true, "unix socket": true}
	onAll(t, func(t *testing.T, tr transport) {
		server, client := tr.pair(t)
		defer func() { _ = server.Close() }()
		defer func() { _ = client.Close() }()
		if is := rawConn(server) != nil; is != (want[tr.name] && runtime.GOOS == "linux") {
			t.Errorf("raw: %v", is)
		}
	})
}

// party is a connection that is being served, and its peer.
type party struct {
	*Conn
	peer     net.Conn
	incoming chan string   // what the server got
	served   chan End      // what Serve returned
	finished chan struct{} // Finish has returned
}

// defaults are the options of tests that need no others.
func defaults() Options {
	return Options{MaxPayload: 1 << 20, BackpressureLimit: 64 << 20, CloseTimeout: patience}
}

// newFlusher returns a flusher that is closed, and waited for, when the test is
// over.
func newFlusher(t testing.TB, workers int) *Flusher {
	f := NewFlusher(workers)
	t.Cleanup(f.Close)
	return f
}

// serve serves a new connection over tr, prepared by what else is given. When
// the test is over it is gone.
func serve(t testing.TB, tr transport, opts Options, prepare ...func(*Conn)) *party {
	t.Helper()
	if opts.Flusher == nil {
		opts.Flusher = newFlusher(t, 1)
	}
	server, client := tr.pair(t)
	p := &party{
		Conn: NewConn(server, &opts), peer: client,
		incoming: make(chan string, 1000), served: make(chan End, 1), finished: make(chan struct{}),
	}
	for _, f := range prepare {
		f(p.Conn)
	}
	go func() {
		defer close(p.finished)
		p.served <- p.Serve(nil, func(b []byte, _ bool) { p.incoming <- string(b) })
		p.Finish()
	}()
	t.Cleanup(func() {
		p.Abort(CauseAborted)
		_ = p.peer.Close()
		wait(t, p.finished)
	})
	return p
}

func wait[T any](t testing.TB, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatal("waited in vain")
	}
	return v
}

// send sends frames as the peer.
func (p *party) send(t testing.TB, frames ...[]byte) {
	t.Helper()
	_ = p.peer.SetWriteDeadline(time.Now().Add(patience))
	for _, b := range frames {
		if _, err := p.peer.Write(b); err != nil {
			t.Fatal(err)
		}
	}
}

// receive returns the next frame that the peer gets.
func (p *party) receive(t testing.TB) got {
	t.Helper()
	f, err := p.next()
	if err != nil {
		t.Fatalf("peer: %v", err)
	}
	return f
}

func (p *party) next() (got, error) {
	_ = p.peer.SetReadDeadline(time.Now().Add(patience))
	return readFrame(p.peer)
}

// readFrame reads a frame from a server.
func readFrame(r io.Reader) (got, error) {
	h, err := ws.ReadHeader(r)
	if err != nil {
		return got{}, err
	}
	if !h.Fin || h.Masked || h.Rsv != 0 {
		return got{}, errors.New("a frame that servers do not send")
	}
	payload := make([]byte, h.Length)
	_, err = io.ReadFull(r, payload)
	return got{h.OpCode, string(payload)}, err
}

func (p *party) expect(t testing.TB, op ws.OpCode, payload string) {
	t.Helper()
	if f := p.receive(t); f != (got{op, payload}) {
		t.Fatalf("peer got %v %.100q, want %v %.100q", f.Op, f.Payload, op, payload)
	}
}

// expectEnd expects that the server closes the connection in order.
func (p *party) expectEnd(t testing.TB) {
	t.Helper()
	if f, err := p.next(); !errors.Is(err, io.EOF) {
		t.Fatalf("peer got %v, %v instead of the end", f, err)
	}
}

// expectServed expects what Serve says of the end.
func (p *party) expectServed(t testing.TB, want End) {
	t.Helper()
	if end := wait(t, p.served); end != want {
		t.Errorf("Serve returned %+v, want %+v", end, want)
	}
}

func text(s string) *Message {
	return Text(len(s), func(b []byte) []byte { return append(b, s...) })
}

func closeBody(code uint16, reason string) string {
	return string(ws.NewCloseFrameBody(ws.StatusCode(code), reason))
}

// countingRaw counts the sends of a socket.
type countingRaw struct {
	syscall.RawConn
	sends *atomic.Int64
}

func (c countingRaw) Write(f func(uintptr) bool) error {
	c.sends.Add(1)
	return c.RawConn.Write(f)
}

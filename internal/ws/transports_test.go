package ws

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// patience is how long a test waits for an event before it fails.
const patience = 20 * time.Second

// The results of Enqueue for one message.
var (
	queued  = Tally{Queued: 1}
	full    = Tally{Dropped: Dropped{Full: 1}}
	closing = Tally{Closing: 1}
)

// sealer returns a Sealer that replaces the text by the result of f.
func sealer(f func(text string) (string, error)) Sealer {
	return func(dst, text []byte) ([]byte, error) {
		s, err := f(string(text))
		return append(dst, s...), err
	}
}

// tilde is a Sealer whose output differs visibly from plain text.
var tilde = sealer(func(s string) (string, error) { return "~" + s, nil })

// transport makes connected pairs.
type transport struct {
	name  string
	pair  func(t testing.TB) (server, client net.Conn)
	plain bool // not polled although it could be
}

// transports are all the kinds of connections that are read and written in different ways.
var transports = []transport{
	{name: "socket", pair: tcpPair},
	{name: "unix socket", pair: unixPair},
	{name: "plain socket", pair: tcpPair, plain: true},
	{name: "wrapped socket", pair: func(t testing.TB) (server, client net.Conn) {
		server, client = tcpPair(t)
		return wrapped{server}, client
	}},
	{name: "tls", pair: tlsPair},
}

// wrapped hides the type of a connection, so that only its methods are used.
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
	s.StartTLS() // creates its certificate
	config := s.TLS.Clone()
	s.Close()
	rawServer, rawClient := tcpPair(t)
	ts := tls.Server(rawServer, config)
	tc := tls.Client(rawClient, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // both ends are local
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

func TestPolled(t *testing.T) {
	want := map[string]bool{"socket": true, "unix socket": true}
	onAll(t, func(t *testing.T, tr transport) {
		if is := serve(t, tr, defaults()).Polled(); is != (want[tr.name] && runtime.GOOS == "linux") {
			t.Errorf("polled: %v", is)
		}
	})
}

// party is a connection that is being served, and its peer.
type party struct {
	*Conn
	peer     net.Conn
	incoming chan string   // messages that the server received
	served   chan End      // argument of Ended
	finished chan struct{} // closed by Finished
}

func (p *party) Message(b []byte, _ bool) { p.incoming <- string(b) }
func (p *party) Ended(end End)            { p.served <- end }
func (p *party) Throttled()               {}
func (p *party) Finished()                { close(p.finished) }

// defaults returns options that suit most tests.
func defaults() Options {
	return Options{MaxPayload: 1 << 20, BackpressureLimit: 64 << 20, CloseTimeout: patience}
}

// newEngine returns an engine that is closed at the end of the test.
func newEngine(t testing.TB, cfg EngineConfig) *Engine {
	cfg.Threads = max(cfg.Threads, 1)
	cfg.PollFailed = func(err error) { t.Error(err) }
	e := NewEngine(cfg)
	t.Cleanup(e.Close)
	return e
}

// serve serves a new connection over tr, after calling prepare. The connection is closed at
// the end of the test.
func serve(t testing.TB, tr transport, opts Options, prepare ...func(*Conn)) *party {
	t.Helper()
	if opts.Engine == nil {
		opts.Engine = newEngine(t, EngineConfig{Plain: tr.plain})
	}
	server, client := tr.pair(t)
	p := &party{
		Conn: NewConn(server, 0, &opts), peer: client,
		incoming: make(chan string, 1000), served: make(chan End, 1), finished: make(chan struct{}),
	}
	for _, f := range prepare {
		f(p.Conn)
	}
	p.Start(nil, p)
	t.Cleanup(func() {
		p.Abort(CauseAborted)
		_ = p.peer.Close()
		wait(t, p.finished)
	})
	return p
}

// life is a minimal handler.
type life struct {
	message  func(payload []byte)
	ended    chan End
	finished chan struct{}
}

func (l *life) Message(b []byte, _ bool) { l.message(b) }
func (l *life) Ended(end End)            { l.ended <- end }
func (l *life) Throttled()               {}
func (l *life) Finished()                { close(l.finished) }

// begin starts a connection.
func begin(c *Conn, early []byte, message func([]byte)) *life {
	l := &life{message, make(chan End, 1), make(chan struct{})}
	c.Start(early, l)
	return l
}

func ignore([]byte) {}

func wait[T any](t testing.TB, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatal("timed out")
	}
	return v
}

// until waits for a condition.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("timed out waiting for %s", what)
		}
	}
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

// receive returns the next frame sent to the peer.
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
		return got{}, errors.New("unexpected frame from a server")
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

// expectEnd checks that the stream to the peer ends with EOF.
func (p *party) expectEnd(t testing.TB) {
	t.Helper()
	if f, err := p.next(); !errors.Is(err, io.EOF) {
		t.Fatalf("peer got %v, %v instead of EOF", f, err)
	}
}

// expectServed checks the argument of Ended.
func (p *party) expectServed(t testing.TB, want End) {
	t.Helper()
	if end := wait(t, p.served); end != want {
		t.Errorf("ended by %+v, want %+v", end, want)
	}
}

func text(s string) *Message {
	return Text(len(s), func(b []byte) []byte { return append(b, s...) })
}

func closeBody(code uint16, reason string) string {
	return string(ws.NewCloseFrameBody(ws.StatusCode(code), reason))
}

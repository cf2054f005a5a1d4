package ignis_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secret is part of tokens and payloads; no log may contain it.
const secret = "s3cr3t"

// node is a server that runs and may be connected to. It is shut down when its
// test ends.
type node struct {
	*ignis.Server
	t        testing.TB
	patience time.Duration // bounds every wait; fake time in a bubble
	dial     func(ctx context.Context, network, addr string) (net.Conn, error)
	log      *logBuffer
	stop     context.CancelFunc // ends Run
	ran      chan error         // what Run returned
}

// newNode makes a server of cfg and runs it. An empty Authenticate is anyone.
func newNode(t testing.TB, cfg ignis.Config) *node {
	t.Helper()
	n := &node{t: t, patience: 30 * time.Second, log: &logBuffer{}, ran: make(chan error, 1)}
	if cfg.Authenticate == nil {
		cfg.Authenticate = anyone
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(n.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	var err error
	if n.Server, err = ignis.New(cfg); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	n.stop = stop
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		n.ran <- n.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-finished
		if n.log.has(secret) {
			t.Error("a token or payload is in the log")
		}
	})
	return n
}

// start runs a server behind a real TCP listener.
func start(t testing.TB, cfg ignis.Config) *node {
	t.Helper()
	n := newNode(t, cfg)
	<-n.Ready()
	s := httptest.NewServer(n.Server)
	t.Cleanup(s.Close)
	n.dial = func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("tcp", s.Listener.Addr().String())
	}
	return n
}

// startMem runs a server behind a listener of pipes: for bubbles. Time is fake
// there and every wait is as long as it takes.
func startMem(t testing.TB, cfg ignis.Config) *node {
	t.Helper()
	n := newNode(t, cfg)
	n.patience = 24 * time.Hour
	n.listen()
	<-n.Ready()
	return n
}

// listen makes n reachable by pipes.
func (n *node) listen() {
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	s := &http.Server{Handler: n.Server}
	go func() { _ = s.Serve(l) }()
	n.t.Cleanup(func() { _ = s.Close() })
	n.dial = func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		select {
		case l.conns <- theirs:
			return ours, nil
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
}

// pipes is a listener within the process.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l *pipes) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "memory"} }

// bubble runs a test in fake time.
func bubble(t *testing.T, f func(t *testing.T)) { t.Helper(); synctest.Test(t, f) }

// anyone lets clients in as the user that they say they are, unless their token
// is "bad".
func anyone(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
	var who struct{ User string }
	if err := c.Decode(&who); err != nil || c.Token == "bad" {
		return ignis.Identity{}, errors.Join(ignis.ErrUnauthenticated, err)
	}
	return ignis.Identity{UserID: who.User}, nil
}

// allRooms is a validator that allows everything.
func allRooms(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) {
	return rooms, nil
}

// peer is a client that may break every rule. What it receives becomes lines:
// the text of a message, or, in angle brackets, "<close CODE REASON>", "<pong>",
// "<end>". It answers pings, unless deaf, and close frames.
type peer struct {
	*node
	id    string // once it is connected
	conn  net.Conn
	r     io.Reader
	lines chan string
	quit  chan struct{}
	deaf  bool
	write sync.Mutex
}

// raw connects and does not read yet.
func (n *node) raw() *peer {
	n.t.Helper()
	conn, br, _, err := ws.Dialer{NetDial: n.dial}.Dial(context.Background(), "ws://server/ws")
	if err != nil {
		n.t.Fatalf("dial: %v", err)
	}
	p := &peer{node: n, conn: conn, r: conn, lines: make(chan string, 1<<16), quit: make(chan struct{})}
	if br != nil { // it came with the answer to the handshake
		early, _ := br.Peek(br.Buffered())
		p.r = io.MultiReader(bytes.NewReader(bytes.Clone(early)), conn)
		ws.PutReader(br)
	}
	n.t.Cleanup(func() { _ = conn.Close() })
	return p
}

// connect connects and reads.
func (n *node) connect() *peer {
	n.t.Helper()
	p := n.raw()
	p.pump()
	return p
}

// login connects and authenticates as a user.
func (n *node) login(user string) *peer {
	n.t.Helper()
	p := n.connect()
	p.authenticate(user)
	return p
}

// authenticate sends credentials and waits for the connected event.
func (p *peer) authenticate(user string) {
	p.t.Helper()
	p.text(fmt.Sprintf(`{"event":"authenticate","data":{"user":%q,"token":%q}}`, user, secret))
	line := p.next()
	m, err := wire.DecodeMessage([]byte(line))
	var data struct{ ID string }
	if err != nil || m.Event != wire.EventConnected || json.Unmarshal(m.Data, &data) != nil {
		p.t.Fatalf("got %s, want a connected event", line)
	}
	p.id = data.ID
}

// pump reads until the connection ends, in a goroutine of its own.
func (p *peer) pump() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			line := p.frame()
			switch line {
			case "":
				continue
			case "<end>":
				_ = p.conn.Close()
			}
			select {
			case p.lines <- line:
			case <-p.quit:
				return
			}
			if line == "<end>" {
				return
			}
		}
	}()
	p.t.Cleanup(func() { close(p.quit); _ = p.conn.Close(); <-done })
}

// frame reads one frame as a line; "" when there is nothing to tell.
func (p *peer) frame() string {
	h, err := ws.ReadHeader(p.r)
	if err != nil {
		return "<end>"
	}
	b := make([]byte, h.Length)
	if _, err := io.ReadFull(p.r, b); err != nil {
		return "<end>"
	}
	switch {
	case h.Masked || !h.Fin || h.Rsv != 0:
		return fmt.Sprintf("<bad header %+v>", h)
	case h.OpCode == ws.OpText:
		return string(b)
	case h.OpCode == ws.OpPing && p.deaf:
		return ""
	case h.OpCode == ws.OpPing:
		p.send(ws.OpPong, b)
		return ""
	case h.OpCode == ws.OpClose:
		code, reason := ws.ParseCloseFrameData(b)
		p.send(ws.OpClose, b)
		return fmt.Sprintf("<close %d %s>", code, reason)
	case h.OpCode == ws.OpPong:
		return "<pong>"
	}
	return fmt.Sprintf("<opcode %d>", h.OpCode)
}

// bytes writes what is no frame perhaps. A server that has closed takes none.
func (p *peer) bytes(b []byte) {
	p.write.Lock()
	defer p.write.Unlock()
	_, _ = p.conn.Write(b)
}

func (p *peer) send(op ws.OpCode, payload []byte) { p.bytes(encode(ws.NewFrame(op, true, payload))) }
func (p *peer) text(text string)                  { p.send(ws.OpText, []byte(text)) }

func encode(f ws.Frame) []byte { return ws.MustCompileFrame(ws.MaskFrame(f)) }

// next waits for a line.
func (p *peer) next() string {
	p.t.Helper()
	timeout := time.NewTimer(p.patience)
	defer timeout.Stop()
	select {
	case line := <-p.lines:
		return line
	case <-timeout.C:
		p.t.Fatalf("nothing received within %v", p.patience)
		return ""
	}
}

// expect waits for these lines and no others between them.
func (p *peer) expect(want ...string) {
	p.t.Helper()
	for _, w := range want {
		if got := p.next(); got != w {
			p.t.Fatalf("received %s\n    want %s", got, w)
		}
	}
}

// got returns all that has been received when everything in the bubble is at
// rest.
func (p *peer) got() []string {
	synctest.Wait()
	lines := []string{}
	for {
		select {
		case line := <-p.lines:
			lines = append(lines, line)
		default:
			return lines
		}
	}
}

// only checks that these lines, and nothing else, have been received.
func (p *peer) only(want ...string) {
	p.t.Helper()
	if got := p.got(); !slices.Equal(got, want) {
		p.t.Errorf("received %q\n    want %q", got, want)
	}
}

// failure is the line of an error event.
func failure(text string) string { return fmt.Sprintf(`{"event":"error","data":{"message":%q}}`, text) }

// closed are the lines of a close frame and what follows.
func closed(code uint16) []string {
	return []string{fmt.Sprintf("<close %d %s>", code, wire.CloseReason(code)), "<end>"}
}

// logBuffer is a log that can be looked into while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) has(text string) bool  { return strings.Contains(l.String(), text) }
func (l *logBuffer) count(text string) int { return strings.Count(l.String(), text) }

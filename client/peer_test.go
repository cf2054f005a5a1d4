package client_test

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/goleak"

	"github.com/ignis-go/ignis/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	authenticated = `{"event":"connected","data":{"id":"c1","userId":"u1","time":"2026-01-31T09:05:07.123Z"}}`
	heartbeat     = `{"event":"heartbeat"}`
)

// peer is the server's end of a connection, for scripts that may break every rule.
// Its methods may be called from any goroutine; on failure they fail the test and end
// the script.
type peer struct {
	t    testing.TB
	conn net.Conn
	r    io.Reader
}

// quit ends a script; run recovers it.
type quit struct{}

func (p *peer) fatalf(format string, args ...any) {
	p.t.Helper()
	p.t.Errorf("peer: "+format, args...)
	panic(quit{})
}

// run calls script and closes the connection afterwards.
func (p *peer) run(script func(p *peer)) {
	defer func() {
		_ = p.conn.Close()
		if v := recover(); v != nil && v != (quit{}) {
			panic(v)
		}
	}()
	script(p)
}

// next reads one frame; ok is false at the end of the connection.
func (p *peer) next() (op ws.OpCode, payload string, ok bool) {
	h, err := ws.ReadHeader(p.r)
	if err != nil {
		return 0, "", false
	}
	if !h.Masked || !h.Fin || h.Rsv != 0 {
		p.fatalf("bad frame header from the client: %+v", h)
	}
	b := make([]byte, h.Length)
	if _, err := io.ReadFull(p.r, b); err != nil {
		return 0, "", false
	}
	ws.Cipher(b, h.Mask, 0)
	return h.OpCode, string(b), true
}

// expect reads a text frame with exactly this text.
func (p *peer) expect(text string) {
	p.t.Helper()
	op, got, ok := p.next()
	if !ok {
		p.fatalf("connection ended, want %s", text)
	}
	if op != ws.OpText || got != text {
		p.fatalf("got opcode %x %q, want the text %q", op, got, text)
	}
}

// expectClose reads up to a close frame and checks its code.
func (p *peer) expectClose(code ws.StatusCode) {
	p.t.Helper()
	for {
		op, got, ok := p.next()
		if !ok {
			p.fatalf("connection ended, want a close frame with %d", code)
		}
		if op != ws.OpClose {
			continue
		}
		if c, _ := ws.ParseCloseFrameData([]byte(got)); c != code {
			p.fatalf("closed with %d %q, want %d", c, got, code)
		}
		return
	}
}

// drain reads to the end of the connection and answers a close frame.
func (p *peer) drain() {
	for {
		op, payload, ok := p.next()
		if !ok {
			return
		}
		if op == ws.OpClose {
			_, _ = p.conn.Write(encode(ws.OpClose, payload))
			return
		}
	}
}

func (p *peer) raw(b []byte) {
	if _, err := p.conn.Write(b); err != nil {
		p.fatalf("write: %v", err)
	}
}

func (p *peer) text(s string) { p.raw(encode(ws.OpText, s)) }

func (p *peer) close(code ws.StatusCode, reason string) {
	p.raw(encode(ws.OpClose, string(ws.NewCloseFrameBody(code, reason))))
}

// accept accepts any credentials.
func (p *peer) accept() {
	p.t.Helper()
	op, got, ok := p.next()
	if !ok || op != ws.OpText || !strings.HasPrefix(got, `{"event":"authenticate"`) {
		p.fatalf("got %x %q, want authenticate", op, got)
	}
	p.text(authenticated)
}

// encode returns an unmasked final frame.
func encode(op ws.OpCode, payload string) []byte {
	return encodeFrame(ws.Header{Fin: true, OpCode: op}, payload)
}

func encodeFrame(h ws.Header, payload string) []byte {
	h.Length = int64(len(payload))
	var b strings.Builder
	if err := ws.WriteHeader(&b, h); err != nil {
		panic(err)
	}
	return []byte(b.String() + payload)
}

// serve runs a WebSocket server over TCP whose connections follow script, and
// returns its URL. The test waits for all scripts.
func serve(t testing.TB, script func(p *peer)) string {
	t.Helper()
	var scripts sync.WaitGroup
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, rw, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			t.Errorf("upgrade: %v", err)
			return
		}
		_ = conn.SetDeadline(time.Now().Add(time.Minute)) // hanging tests end
		scripts.Go(func() { (&peer{t: t, conn: conn, r: rw}).run(script) })
	}))
	t.Cleanup(func() {
		s.Close()
		scripts.Wait()
	})
	return "ws" + strings.TrimPrefix(s.URL, "http") + "/ws"
}

// inMemory returns a NetDial whose connections are pipes, unbuffered in both
// directions, to a server that follows script.
func inMemory(t testing.TB, script func(p *peer)) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go (&peer{t: t, conn: theirs, r: theirs}).run(func(p *peer) {
			if _, err := ws.Upgrade(theirs); err != nil {
				p.fatalf("upgrade: %v", err)
			}
			script(p)
		})
		return ours, nil
	}
}

// dial connects or fails the test, and closes the connection at the end of the test.
func dial(t testing.TB, url string, cfg client.Config) *client.Conn {
	t.Helper()
	c, err := client.Dial(t.Context(), url, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// receive returns the next message as its event and data.
func receive(t testing.TB, c *client.Conn) string {
	t.Helper()
	m, err := c.Receive(t.Context())
	if err != nil {
		t.Fatalf("Receive: %v", err)
	}
	return fmt.Sprintf("%s %s", m.Event, m.Data)
}

// wantReceive receives messages with these numbers as data, in order.
func wantReceive(t testing.TB, c *client.Conn, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if got, want := receive(t, c), fmt.Sprintf("n %d", i); got != want {
			t.Fatalf("got message %s, want %s", got, want)
		}
	}
}

func numbered(i int) []byte { return encode(ws.OpText, fmt.Sprintf(`{"event":"n","data":%d}`, i)) }

// acceptKey answers a handshake's key (RFC 6455 section 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// header16 is a frame header with a length in two bytes.
func header16(first byte, length uint16) []byte {
	return binary.BigEndian.AppendUint16([]byte{first, 126}, length)
}

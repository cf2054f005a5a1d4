package ignis_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/wire"
)

// peer is a client that may violate any rule. It records what it receives as lines: the
// text of a message, or in angle brackets "<close CODE REASON>", "<pong>" or "<end>". It
// answers pings, unless deaf is set, and close frames.
type peer struct {
	*node
	id    string // set once it is connected
	conn  net.Conn
	r     io.Reader
	lines chan string
	quit  chan struct{}
	deaf  bool
	write sync.Mutex
}

// raw connects but does not read yet.
func (n *node) raw() *peer {
	n.t.Helper()
	conn, br, _, err := ws.Dialer{NetDial: n.dial}.Dial(context.Background(), "ws://server/ws")
	if err != nil {
		n.t.Fatalf("dial: %v", err)
	}
	p := &peer{node: n, conn: conn, r: conn, lines: make(chan string, 1<<16), quit: make(chan struct{})}
	if br != nil { // data that arrived with the answer to the handshake
		early, _ := br.Peek(br.Buffered())
		p.r = io.MultiReader(bytes.NewReader(bytes.Clone(early)), conn)
		ws.PutReader(br)
	}
	n.t.Cleanup(func() { _ = conn.Close() })
	return p
}

// connect connects and starts reading.
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

// pump reads until the connection ends, in a separate goroutine.
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

// frame reads one frame as a line, or "" if there is nothing to record.
func (p *peer) frame() string {
	h, b, err := readFrame(p.r)
	switch {
	case err != nil:
		return "<end>"
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

// readFrame reads one frame from a server.
func readFrame(r io.Reader) (h ws.Header, payload []byte, err error) {
	if h, err = ws.ReadHeader(r); err != nil {
		return h, nil, err
	}
	payload = make([]byte, h.Length)
	_, err = io.ReadFull(r, payload)
	return h, payload, err
}

// bytes writes raw bytes. A server that has closed the connection does not read them.
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

// expect waits for these lines, with no others between them.
func (p *peer) expect(want ...string) {
	p.t.Helper()
	for _, w := range want {
		if got := p.next(); got != w {
			p.t.Fatalf("received %s\n    want %s", got, w)
		}
	}
}

// got returns everything that was received, once the bubble is idle.
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

// only checks that exactly these lines have been received.
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

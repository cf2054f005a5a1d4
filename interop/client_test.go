package interop

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// client is a connection to a server of either kind. It can send valid and invalid frames.
// It converts what arrives to text: text messages are unchanged, binary ones begin with
// "binary ", pongs are "pong PAYLOAD", a close frame is "close CODE REASON", and the end of
// the connection is "lost".
type client struct {
	t    *testing.T
	conn net.Conn
	in   chan string
	id   string // set once it is authenticated
	user string

	write sync.Mutex // needed because read answers pings
}

// dial connects to a server's default path.
func dial(t *testing.T, s *server) *client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, buffered, _, err := ws.Dial(ctx, "ws"+strings.TrimPrefix(s.url, "http")+"/ws")
	if err != nil {
		t.Fatalf("connecting to %s: %v\n%s", s.kind, err, s.output())
	}
	var r io.Reader = conn
	if buffered != nil {
		r = io.MultiReader(io.LimitReader(buffered, int64(buffered.Buffered())), conn)
	}
	c := &client{t: t, conn: conn, in: make(chan string, 4096)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.read(bufio.NewReader(r))
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return c
}

// readFrame reads one frame of at most 1 MiB.
func readFrame(r io.Reader) (f ws.Frame, err error) {
	if f.Header, err = ws.ReadHeader(r); err != nil {
		return f, err
	}
	if f.Header.Length > 1<<20 {
		return f, fmt.Errorf("frame of %d bytes", f.Header.Length)
	}
	f.Payload = make([]byte, f.Header.Length)
	_, err = io.ReadFull(r, f.Payload)
	return f, err
}

// read converts what arrives to text.
func (c *client) read(r io.Reader) {
	for {
		f, err := readFrame(r)
		if err != nil {
			c.in <- "lost"
			return
		}
		switch f.Header.OpCode {
		case ws.OpPing:
			_ = c.writeFrame(ws.NewPongFrame(f.Payload))
		case ws.OpPong:
			c.in <- "pong " + string(f.Payload)
		case ws.OpClose:
			c.in <- closure(f.Payload)
			_ = c.writeFrame(ws.NewCloseFrame(f.Payload))
		case ws.OpText:
			c.in <- string(f.Payload)
		default:
			c.in <- fmt.Sprintf("binary %s", f.Payload)
		}
	}
}

// closure converts a close frame to text. It omits the reasons of the codes 1002, 1007 and
// 1009, because their wording may differ.
func closure(payload []byte) string {
	if len(payload) < 2 {
		return "close"
	}
	code, reason := ws.ParseCloseFrameData(payload)
	if code == ws.StatusProtocolError || code == ws.StatusInvalidFramePayloadData || code == ws.StatusMessageTooBig {
		return fmt.Sprintf("close %d", code)
	}
	return strings.TrimSpace(fmt.Sprintf("close %d %s", code, reason))
}

// next returns the next line.
func (c *client) next() string {
	c.t.Helper()
	select {
	case line := <-c.in:
		return line
	case <-time.After(patience):
		c.t.Fatal("nothing arrived")
		return ""
	}
}

// expect checks the next lines, in this order and with nothing in between.
func (c *client) expect(want ...string) {
	c.t.Helper()
	for _, w := range want {
		if got := c.next(); got != w {
			c.t.Fatalf("got  %s\nwant %s", got, w)
		}
	}
}

// send sends a text message.
func (c *client) send(text string) { c.t.Helper(); c.sendFrame(ws.NewTextFrame([]byte(text))) }

// sendFrame sends frames unchanged, except that it masks them as clients must.
func (c *client) sendFrame(frames ...ws.Frame) {
	c.t.Helper()
	if err := c.writeFrame(frames...); err != nil {
		c.t.Logf("sending: %v", err) // the server may have closed the connection, which c.in shows
	}
}

// writeFrame writes all frames in one call, so that the server may receive them together.
func (c *client) writeFrame(frames ...ws.Frame) error {
	var out bytes.Buffer
	for _, f := range frames {
		f.Payload = slices.Clone(f.Payload)
		if err := ws.WriteFrame(&out, ws.MaskFrameInPlace(f)); err != nil {
			return err
		}
	}
	c.write.Lock()
	defer c.write.Unlock()
	_, err := c.conn.Write(out.Bytes())
	return err
}

var connected = regexp.MustCompile(`^{"event":"connected","data":{"id":"([0-9a-f-]{36})"`)

// login authenticates as a user of a development server and joins rooms.
func (c *client) login(user string, rooms ...string) *client {
	c.t.Helper()
	c.send(`{"event":"authenticate","data":{"userId":"` + user + `"}}`)
	found := connected.FindStringSubmatch(c.next())
	if found == nil {
		c.t.Fatalf("%s cannot authenticate", user)
	}
	c.id, c.user = found[1], user
	for _, room := range rooms {
		c.send(`{"event":"join","data":{"rooms":["` + room + `"]}}`)
	}
	if len(rooms) > 0 {
		c.fence() // a join is not answered, but a later message shows that it was handled
	}
	return c
}

// fence waits until the server has handled everything that the client sent. To find out, it
// makes the server relay a message to the client's own room.
func (c *client) fence() {
	c.t.Helper()
	c.send(`{"event":"fence","data":{"room":"` + c.id + `"}}`)
	if got := c.next(); !strings.HasPrefix(got, `{"event":"fence"`) {
		c.t.Fatalf("got %s while waiting for the server", got)
	}
}

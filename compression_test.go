package ignis_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// packedClient is a client that offers compression and handles frames itself.
type packedClient struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
	deal string // the server's answer to the offer
}

func dialPacked(t *testing.T, n *node, offer string) *packedClient {
	conn, err := n.dial(context.Background(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := &packedClient{t: t, conn: conn, r: bufio.NewReader(conn)}
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: "+offer+"\r\n\r\n")
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if name, value, _ := strings.Cut(strings.TrimSpace(line), ": "); strings.EqualFold(name, "Sec-WebSocket-Extensions") {
			c.deal = value
		}
		if line == "\r\n" {
			break
		}
	}
	c.send(authenticate, false)
	if text, _, _ := c.next(); !strings.Contains(text, `"connected"`) {
		t.Fatalf("got %s", text)
	}
	return c
}

func (c *packedClient) send(text string, packed bool) {
	f := ws.NewTextFrame([]byte(text))
	if packed {
		var b bytes.Buffer
		w, _ := flate.NewWriter(&b, flate.BestCompression)
		_, _ = w.Write([]byte(text))
		_ = w.Flush()
		f = ws.NewTextFrame(bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff")))
		f.Header.Rsv = ws.Rsv(true, false, false)
	}
	if _, err := c.conn.Write(encode(f)); err != nil {
		c.t.Fatal(err)
	}
}

// next returns the payload of the next message as it was sent, and whether it was
// compressed.
func (c *packedClient) next() (text string, raw []byte, packed bool) {
	h, err := ws.ReadHeader(c.r)
	if err != nil {
		c.t.Fatal(err)
	}
	raw = make([]byte, h.Length)
	if _, err := io.ReadFull(c.r, raw); err != nil {
		c.t.Fatal(err)
	}
	if !h.Rsv1() {
		return string(raw), raw, false
	}
	b, err := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(raw), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff"))))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b), raw, true
}

func TestCompression(t *testing.T) {
	const offer = "permessage-deflate; client_max_window_bits"
	onBothPaths(t, func(t *testing.T, plain bool) {
		got := make(chan string, 1)
		n := start(t, ignis.Config{
			Compression: true, PlainIO: plain,
			OnMessage: func(_ context.Context, _ *ignis.Client, m wire.Message) (any, error) {
				got <- string(m.Data)
				return nil, nil
			},
		})
		a, b, without := dialPacked(t, n, offer), dialPacked(t, n, offer), n.login("c")
		if !strings.HasPrefix(a.deal, "permessage-deflate") {
			t.Fatalf("the server answered %q", a.deal)
		}
		long := `"` + strings.Repeat("ten chars ", 1000) + `"`
		for _, data := range []string{`1`, long} {
			if err := n.SendLocal(ignis.ToEveryone(), "e", json.RawMessage(data)); err != nil {
				t.Fatal(err)
			}
			want := `{"event":"e","data":` + data + `}`
			textA, rawA, packedA := a.next()
			textB, rawB, packedB := b.next()
			if textA != want || textB != want || !bytes.Equal(rawA, rawB) {
				t.Errorf("got %.50q and %.50q", textA, textB)
			}
			if long := data == long; packedA != long || packedB != long || long && len(rawA) > 200 {
				t.Errorf("%.10s: compressed %v, %v; %d bytes", data, packedA, packedB, len(rawA))
			}
			without.expect(want)
		}
		a.send(`{"event":"x","data":`+long+`}`, true)
		if data := <-got; data != long {
			t.Errorf("the server got %.50q", data)
		}
	})
	if c := dialPacked(t, start(t, ignis.Config{}), offer); c.deal != "" {
		t.Errorf("without Config.Compression the server answered %q", c.deal)
	}
}

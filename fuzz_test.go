package ignis_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// fuzzed is a server for fuzzing.
func fuzzed(f *testing.F) *node {
	n := newNode(f, ignis.Config{
		MaxPayload:       1 << 12,
		CloseTimeout:     10 * time.Millisecond,
		IdleTimeout:      -1, // no pings between the expected frames
		HeartbeatTimeout: 24 * time.Hour,
		Logger:           slog.New(slog.DiscardHandler),
		ValidateRooms:    allRooms,
		OnMessage: func(_ context.Context, _ *ignis.Client, m wire.Message) (any, error) {
			if m.Event == "" || !utf8.ValidString(m.Event) || m.Data != nil && !json.Valid(m.Data) {
				panic("bad message " + m.Event)
			}
			return nil, nil
		},
	})
	<-n.Ready()
	n.listen()
	return n
}

// FuzzDispatch sends the bytes of a connection to a server, followed by enough zeros to
// complete any frame that they start and to violate the protocol. The bytes must have no
// effect other than ending the connection.
func FuzzDispatch(f *testing.F) {
	for _, row := range inputs {
		if len(row.text) < 1000 {
			f.Add(encode(ws.NewTextFrame([]byte(row.text))), true)
			f.Add(encode(ws.NewBinaryFrame([]byte(row.text))), false)
		}
	}
	f.Add(encode(ws.NewTextFrame([]byte(`{"event":"join","data":{"rooms":["a",5,"ws:x"]}}`))), true)
	f.Add(encode(ws.NewCloseFrame(ws.NewCloseFrameBody(1000, "bye"))), true)
	f.Add(encode(ws.NewPingFrame([]byte("x"))), false)
	n := fuzzed(f)
	f.Fuzz(func(t *testing.T, b []byte, authenticated bool) {
		conn, _, _, err := ws.Dialer{NetDial: n.dial}.Dial(t.Context(), "ws://server/ws")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			if authenticated {
				_, _ = conn.Write(encode(ws.NewTextFrame([]byte(`{"event":"authenticate"}`))))
			}
			_, _ = conn.Write(append(b, make([]byte, 1<<13)...))
		}()
		for {
			h, text, err := readFrame(conn)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal("neither closed nor answered")
			}
			if err != nil || h.OpCode == ws.OpClose {
				break
			}
			if h.OpCode == ws.OpText && !utf8.Valid(text) {
				t.Errorf("received %q", text)
			}
		}
		_ = conn.Close()
		<-sent
		n.checkAlive(t)
	})
}

// checkAlive checks that the server still works and counts, and that no callback received
// anything invalid.
func (n *node) checkAlive(t *testing.T) {
	t.Helper()
	if s := n.Stats(); s.CallbackPanics > 0 {
		t.Fatal("a callback panicked")
	}
	if !n.Health().Ready {
		t.Fatal("the server is not running")
	}
}

// FuzzReceive passes envelopes from the bus to a server. Clients must receive valid JSON
// in valid UTF-8.
func FuzzReceive(f *testing.F) {
	for _, text := range []string{
		`{"serverId":"emitter","type":"broadcast","event":"x","data":1}`,
		`{"serverId":"s","type":"user","target":"ann","event":"x","data":{"a":[null]},"exclude":["y"]}`,
		`{"serverId":"s","type":"room","target":"ws-default","event":"\ud800","data":"\u2028"}`,
		`{"serverId":"s","type":"client","target":5,"event":"x"}`,
		`{"serverId":"s","type":"all","event":"x"}`, `[]`, "", "\xff", nested(600),
	} {
		f.Add([]byte(text))
	}
	n := fuzzed(f)
	in, got := net.Pipe()
	ignis.Adopt(n.Server, in)
	f.Cleanup(func() { _ = got.Close() })
	next := func() (ws.OpCode, []byte) {
		h, text, err := readFrame(got)
		if err != nil {
			f.Fatal(err)
		}
		return h.OpCode, text
	}
	if _, err := got.Write(encode(ws.NewTextFrame([]byte(`{"event":"authenticate","data":{"user":"ann"}}`)))); err != nil {
		f.Fatal(err)
	}
	next()
	f.Fuzz(func(t *testing.T, envelope []byte) {
		sent := n.Stats().Sent
		ignis.Receive(n.Server, envelope)
		if n.Stats().Sent == sent {
			return
		}
		_ = got.SetReadDeadline(time.Now().Add(20 * time.Second))
		op, text := next()
		if m, err := wire.DecodeMessage(text); op != ws.OpText || !utf8.Valid(text) || err != nil || m.Event == "" {
			t.Errorf("%q was sent as %q: %v", envelope, text, err)
		}
	})
}

package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/wire"
)

func join(ctx context.Context, c *client.Conn, rooms ...string) error {
	_, err := c.Join(ctx, rooms...)
	return err
}

func TestSend(t *testing.T) {
	long := strings.Repeat("😀", wire.MaxRoomName/2) // two UTF-16 units each
	tests := []struct {
		name string
		send func(ctx context.Context, c *client.Conn) error
		want string
	}{
		{
			"Send", func(ctx context.Context, c *client.Conn) error {
				return c.Send(ctx, "chat", map[string]string{"text": "<&> \u2028 é"})
			}, "{\"event\":\"chat\",\"data\":{\"text\":\"<&> \u2028 é\"}}",
		},
		{
			"Send nil", func(ctx context.Context, c *client.Conn) error { return c.Send(ctx, "chat", nil) },
			`{"event":"chat"}`,
		},
		{
			"Send null", func(ctx context.Context, c *client.Conn) error {
				return c.Send(ctx, "chat", json.RawMessage("null"))
			}, `{"event":"chat","data":null}`,
		},
		{
			"SendMessage", func(ctx context.Context, c *client.Conn) error {
				return c.SendMessage(ctx, wire.Message{Event: "chat", Data: json.RawMessage(` [1.0]`), ID: "7"})
			}, `{"event":"chat","data": [1.0],"id":"7"}`,
		},
		{
			"Join", func(ctx context.Context, c *client.Conn) error { return join(ctx, c, "lobby", "a<b") },
			`{"event":"join","data":{"rooms":["lobby","a<b"]}}`,
		},
		{
			"Join longest", func(ctx context.Context, c *client.Conn) error { return join(ctx, c, long) },
			`{"event":"join","data":{"rooms":["` + long + `"]}}`,
		},
		{
			"Leave", func(ctx context.Context, c *client.Conn) error { return c.Leave(ctx, "lobby") },
			`{"event":"leave","data":{"rooms":["lobby"]}}`,
		},
		{
			"large", func(ctx context.Context, c *client.Conn) error { return c.Send(ctx, "x", strings.Repeat("y", 1<<20)) },
			`{"event":"x","data":"` + strings.Repeat("y", 1<<20) + `"}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			url := serve(t, func(p *peer) {
				p.accept()
				p.expect(tt.want)
				p.expectClose(ws.StatusNormalClosure)
				p.close(ws.StatusNormalClosure, "")
			})
			c := dial(t, url, client.Config{})
			if err := tt.send(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestSendRefuses(t *testing.T) {
	tests := map[string]func(ctx context.Context, c *client.Conn) error{
		"empty event": func(ctx context.Context, c *client.Conn) error { return c.Send(ctx, "", 1) },
		"not JSON":    func(ctx context.Context, c *client.Conn) error { return c.Send(ctx, "x", func() {}) },
		"broken JSON": func(ctx context.Context, c *client.Conn) error { return c.Send(ctx, "x", json.RawMessage("{")) },
		"broken message": func(ctx context.Context, c *client.Conn) error {
			return c.SendMessage(ctx, wire.Message{Event: "x", Data: []byte("}{")})
		},
		"empty room":    func(ctx context.Context, c *client.Conn) error { return join(ctx, c, "a", "") },
		"reserved room": func(ctx context.Context, c *client.Conn) error { return join(ctx, c, "ws:room:a") },
		"long room":     func(ctx context.Context, c *client.Conn) error { return join(ctx, c, strings.Repeat("x", 257)) },
		"long room in UTF-16": func(ctx context.Context, c *client.Conn) error {
			return c.Leave(ctx, strings.Repeat("😀", 128)+"x")
		},
		"room not UTF-8": func(ctx context.Context, c *client.Conn) error { return c.Leave(ctx, "a\xff") },
		"close code":     func(_ context.Context, c *client.Conn) error { return c.CloseWith(1005, "") },
		"close reason":   func(_ context.Context, c *client.Conn) error { return c.CloseWith(1000, strings.Repeat("x", 124)) },
		"close UTF-8":    func(_ context.Context, c *client.Conn) error { return c.CloseWith(1000, "\xff") },
	}
	url := serve(t, func(p *peer) {
		p.accept()
		p.expect(`{"event":"after"}`)
		p.expectClose(ws.StatusNormalClosure)
		p.close(ws.StatusNormalClosure, "")
	})
	c := dial(t, url, client.Config{})
	for name, send := range tests {
		if err := send(t.Context(), c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := join(t.Context(), c); err != nil {
		t.Errorf("Join without rooms: %v", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Receive(canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("Receive: %v, want context.Canceled", err)
	}
	if err := c.Send(t.Context(), "after", nil); err != nil { // nothing was sent before
		t.Error(err)
	}
}

func TestReceive(t *testing.T) {
	text := func(s string) []byte { return encode(ws.OpText, s) }
	part := func(op ws.OpCode, fin bool, s string) []byte { return encodeFrame(ws.Header{Fin: fin, OpCode: op}, s) }
	tests := []struct {
		name string
		raw  [][]byte
		want []string
	}{
		{"message", [][]byte{text(`{"event":"a","data":{"x":12345678901234567890123}}`)}, []string{`a {"x":12345678901234567890123}`}},
		{"no data", [][]byte{text(`{"event":"a"}`)}, []string{"a "}},
		{"null", [][]byte{text(`{"event":"a","data":null}`)}, []string{"a null"}},
		{"error event", [][]byte{text(`{"event":"error","data":{"message":"Invalid message format"}}`)}, []string{`error {"message":"Invalid message format"}`}},
		{"binary", [][]byte{encode(ws.OpBinary, `{"event":"a","data":1}`)}, []string{"a 1"}},
		{"order", [][]byte{numbered(0), numbered(1), numbered(2)}, []string{"n 0", "n 1", "n 2"}},
		{
			"fragments with control frames between",
			[][]byte{
				part(ws.OpText, false, `{"event":`), encode(ws.OpPong, ""), part(ws.OpContinuation, false, `"a"`),
				part(ws.OpContinuation, false, ""), encode(ws.OpPong, "x"), part(ws.OpContinuation, true, `}`), text(`{"event":"b"}`),
			},
			[]string{"a ", "b "},
		},
		{
			"split character",
			[][]byte{part(ws.OpText, false, "{\"event\":\"\xc3"), part(ws.OpContinuation, true, "\xa9\"}")},
			[]string{"é "},
		},
		{"largest", [][]byte{text(`{"event":"a","data":"` + strings.Repeat("x", 1000-23) + `"}`)}, []string{`a "` + strings.Repeat("x", 1000-23) + `"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			url := serve(t, func(p *peer) {
				p.accept()
				for _, b := range tt.raw {
					p.raw(b)
				}
				p.drain()
			})
			c := dial(t, url, client.Config{MaxMessage: 1000})
			for _, want := range tt.want {
				if got := receive(t, c); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
		})
	}
}

func TestPingIsAnswered(t *testing.T) {
	url := serve(t, func(p *peer) {
		p.accept()
		for _, payload := range []string{"", "hello", strings.Repeat("p", 125)} {
			p.raw(encode(ws.OpPing, payload))
			if op, got, _ := p.next(); op != ws.OpPong || got != payload {
				p.fatalf("got %x %q, want a pong with %q", op, got, payload)
			}
		}
		// Also in the middle of a message.
		p.raw(encodeFrame(ws.Header{OpCode: ws.OpText}, `{"event":`))
		p.raw(encode(ws.OpPing, "mid"))
		if op, got, _ := p.next(); op != ws.OpPong || got != "mid" {
			p.fatalf("got %x %q, want a pong", op, got)
		}
		p.raw(encodeFrame(ws.Header{Fin: true, OpCode: ws.OpContinuation}, `"n","data":0}`))
		p.drain()
	})
	wantReceive(t, dial(t, url, client.Config{}), 0, 1)
}

// Each sender's messages keep their order, and each message goes to one receiver.
func TestConcurrentUse(t *testing.T) {
	const senders, each = 8, 200
	url := serve(t, func(p *peer) {
		p.accept()
		for { // an echo
			op, got, ok := p.next()
			if !ok || op == ws.OpClose {
				p.close(ws.StatusNormalClosure, "")
				return
			}
			p.text(got)
		}
	})
	c := dial(t, url, client.Config{})
	var sending, receiving sync.WaitGroup
	for s := range senders {
		sending.Go(func() {
			for i := range each {
				if err := c.Send(t.Context(), fmt.Sprint(s), i); err != nil {
					t.Errorf("Send: %v", err)
				}
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	seen := map[string]bool{}
	for range 3 {
		receiving.Go(func() {
			last := map[string]int{}
			for {
				m, err := c.Receive(ctx)
				if err != nil {
					return
				}
				var n int
				if err := m.Decode(&n); err != nil {
					t.Error(err)
				}
				if prev, ok := last[m.Event]; ok && n <= prev {
					t.Errorf("sender %s: %d after %d", m.Event, n, prev)
				}
				last[m.Event] = n
				key := fmt.Sprint(m.Event, " ", n)
				mu.Lock()
				if seen[key] {
					t.Errorf("message %s came twice", key)
				}
				seen[key] = true
				if len(seen) == senders*each {
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	sending.Wait()
	receiving.Wait()
	if len(seen) != senders*each {
		t.Errorf("%d messages came back, want %d", len(seen), senders*each)
	}
}

// Messages over the limit are skipped, regardless of how they are fragmented, and all
// others arrive.
func TestSkipsTooLarge(t *testing.T) {
	part := func(op ws.OpCode, fin bool, n int) []byte {
		return encodeFrame(ws.Header{Fin: fin, OpCode: op}, strings.Repeat("x", n))
	}
	url := serve(t, func(p *peer) {
		p.accept()
		for i, pieces := range [][][]byte{
			{part(ws.OpText, true, 1001)},
			{part(ws.OpText, true, 200_000)},
			{part(ws.OpText, false, 600), encode(ws.OpPing, "a"), part(ws.OpContinuation, true, 500)},
			{part(ws.OpBinary, false, 1000), part(ws.OpContinuation, false, 1), encode(ws.OpPing, "b"), part(ws.OpContinuation, true, 0)},
			{part(ws.OpText, false, 2000), part(ws.OpContinuation, false, 0), part(ws.OpContinuation, true, 3)},
		} {
			for _, b := range pieces {
				p.raw(b)
			}
			p.raw(numbered(i))
		}
		p.raw(part(ws.OpText, false, 1001)) // the rest never follows
		p.expectClose(ws.StatusNormalClosure)
		p.close(ws.StatusNormalClosure, "")
	})
	var sizes []int64
	c := dial(t, url, client.Config{MaxMessage: 1000, OnTooLarge: func(n int64) { sizes = append(sizes, n) }})
	wantReceive(t, c, 0, 5)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if want := []int64{1001, 200_000, 1100, 1001, 2003}; !slices.Equal(sizes, want) {
		t.Errorf("skipped messages of %d bytes, want %d", sizes, want)
	}
}

package client_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/wire"
)

// A violation by the server closes the connection with the right close code. Messages that
// arrived before are still received.
func TestHostileServer(t *testing.T) {
	const (
		protocol = ws.StatusProtocolError
		invalid  = ws.StatusInvalidFramePayloadData
		tooBig   = ws.StatusMessageTooBig
	)
	header := func(first byte, rest ...byte) []byte { return append([]byte{first}, rest...) }
	part := func(op ws.OpCode, s string) []byte { return encodeFrame(ws.Header{OpCode: op}, s) }
	big := strings.Repeat("x", 600)
	tests := []struct {
		name string
		raw  []byte
		code ws.StatusCode
	}{
		{"not JSON", encode(ws.OpText, "hello"), invalid},
		{"empty", encode(ws.OpText, ""), invalid},
		{"invalid UTF-8", encode(ws.OpText, "{\"event\":\"\xff\"}"), invalid},
		{"invalid UTF-8 in binary", encode(ws.OpBinary, "{\"event\":\"\xff\"}"), invalid},
		{"nested deep", encode(ws.OpText, `{"event":"a","data":`+strings.Repeat("[", 600)), invalid},
		{"no event", encode(ws.OpText, `{"data":1}`), protocol},
		{"an array", encode(ws.OpText, `[]`), protocol},
		{"masked", encodeFrame(ws.Header{Fin: true, OpCode: ws.OpText, Masked: true}, `{"event":"a"}`), protocol},
		{"reserved bit 1", encodeFrame(ws.Header{Fin: true, Rsv: 4, OpCode: ws.OpText}, `{"event":"a"}`), protocol},
		{"reserved bit 3", encodeFrame(ws.Header{Fin: true, Rsv: 1, OpCode: ws.OpText}, `{"event":"a"}`), protocol},
		{"opcode 3", header(0x83, 0), protocol},
		{"opcode b", header(0x8b, 0), protocol},
		{"stray continuation", encode(ws.OpContinuation, "x"), protocol},
		{"interleaved messages", append(part(ws.OpText, "{"), encode(ws.OpText, "{}")...), protocol},
		{"fragmented ping", part(ws.OpPing, ""), protocol},
		{"long ping", header16(0x89, 126), protocol},
		{"length with the top bit", header(0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0), protocol},
		{"too long by header", header16(0x81, 1001), tooBig},
		{"huge by header", header(0x81, 127, 0x7f, 255, 255, 255, 255, 255, 255, 255), tooBig},
		{"too long in parts", append(part(ws.OpText, big), part(ws.OpContinuation, big)...), tooBig},
		{"close with one byte", encode(ws.OpClose, "x"), protocol},
		{"close with code 1005", encode(ws.OpClose, "\x03\xed"), protocol},
		{"close with code 999", encode(ws.OpClose, "\x03\xe7"), protocol},
		{"close with code 5000", encode(ws.OpClose, "\x13\x88"), protocol},
		{"close with invalid UTF-8", encode(ws.OpClose, "\x03\xe8\xff"), invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			url := serve(t, func(p *peer) {
				p.accept()
				p.raw(numbered(0))
				p.raw(tt.raw)
				p.expectClose(tt.code)
			})
			c := dial(t, url, client.Config{MaxMessage: 1000})
			wantReceive(t, c, 0, 1)
			_, err := c.Receive(t.Context())
			if !errors.Is(err, client.ErrProtocol) {
				t.Errorf("Receive: %v, want ErrProtocol", err)
			}
			if errors.Is(err, wire.ErrTooLarge) != (tt.code == tooBig) {
				t.Errorf("Receive: %v, and closed with %d", err, tt.code)
			}
			if err2 := c.Send(t.Context(), "x", nil); err2 != err { // the identical error
				t.Errorf("Send: %v, want %v", err2, err)
			}
			var closed *client.CloseError
			if errors.As(err, &closed) {
				t.Errorf("%v is a CloseError, but the server did not close", err)
			}
		})
	}
}

func TestServerCloses(t *testing.T) {
	tests := []struct {
		name    string
		payload string
		want    client.CloseError
		echo    ws.StatusCode
	}{
		{"without a code", "", client.CloseError{Code: 1005}, 0},
		{"shutdown", "\x03\xe9Server shutting down", client.CloseError{Code: 1001, Reason: "Server shutting down"}, 1001},
		{"restart", "\x03\xf4", client.CloseError{Code: 1012}, 1012},
		{"heartbeat", "\x0f\xa2Heartbeat timeout", client.CloseError{Code: 4002, Reason: "Heartbeat timeout"}, 4002},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			url := serve(t, func(p *peer) {
				p.accept()
				p.raw(numbered(0))
				p.raw(numbered(1))
				p.raw(encode(ws.OpClose, tt.payload))
				p.expectClose(tt.echo)
			})
			c := dial(t, url, client.Config{})
			wantReceive(t, c, 0, 2)
			for range 2 {
				_, err := c.Receive(t.Context())
				var closed *client.CloseError
				if !errors.As(err, &closed) || *closed != tt.want {
					t.Errorf("Receive: %v, want %v", err, &tt.want)
				}
				if err2 := c.Send(t.Context(), "x", nil); err2 != err { // the identical error
					t.Errorf("Send: %v, want %v", err2, err)
				}
			}
			if err := c.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			if _, err := c.Receive(t.Context()); errors.Is(err, client.ErrClosed) {
				t.Error("Close replaces the error")
			}
		})
	}
}

func TestConnectionLost(t *testing.T) {
	for name, rest := range map[string]string{
		"between frames": "", "in a header": "\x81", "in a length": "\x81\x7e\x01", "in a payload": "\x81\x05ab",
		"in a message": "\x01\x02ab",
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, func(p *peer) {
				p.accept()
				p.raw(append(numbered(0), rest...))
			})
			c := dial(t, url, client.Config{})
			wantReceive(t, c, 0, 1)
			_, err := c.Receive(t.Context())
			if !errors.Is(err, client.ErrLost) || errors.Is(err, client.ErrProtocol) {
				t.Errorf("Receive: %v, want ErrLost", err)
			}
		})
	}
}

// The codes and reasons that an application may close with, at their limits.
func TestCloseWithBounds(t *testing.T) {
	long := strings.Repeat("x", 123)
	for code, ok := range map[uint16]bool{
		0: false, 999: false, 1000: true, 1001: false, 1008: false, 2999: false, 3000: true, 4999: true, 5000: false,
	} {
		url := serve(t, func(p *peer) {
			p.accept()
			if !ok { // closed at the end of the test
				p.drain()
				return
			}
			op, got, _ := p.next()
			if c, reason := ws.ParseCloseFrameData([]byte(got)); op != ws.OpClose || uint16(c) != code || reason != long {
				p.fatalf("got %x %d %q", op, c, reason)
			}
			p.close(ws.StatusCode(code), "")
		})
		c := dial(t, url, client.Config{})
		if err := c.CloseWith(code, long); (err == nil) != ok {
			t.Errorf("%d: %v", code, err)
		}
	}
}

// brokenConn fails to set a write deadline once it is broken.
type brokenConn struct {
	net.Conn
	broken *atomic.Bool
}

func (c brokenConn) SetWriteDeadline(t time.Time) error {
	if c.broken.Load() {
		return errors.New("no deadline")
	}
	return c.Conn.SetWriteDeadline(t)
}

func TestNoDeadlineForWriting(t *testing.T) {
	var broken atomic.Bool
	url := serve(t, func(p *peer) { p.accept(); p.drain() })
	c := dial(t, url, client.Config{NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return brokenConn{conn, &broken}, err
	}})
	broken.Store(true)
	if err := c.Send(t.Context(), "x", 1); !errors.Is(err, client.ErrLost) || !strings.Contains(err.Error(), "no deadline") {
		t.Errorf("Send: %v", err)
	}
}

func TestClose(t *testing.T) {
	url := serve(t, func(p *peer) {
		p.accept()
		for i := range 3 {
			p.raw(numbered(i))
		}
		op, got, _ := p.next()
		if code, reason := ws.ParseCloseFrameData([]byte(got)); op != ws.OpClose || code != 4321 || reason != "bye" {
			p.fatalf("got %x %d %q, want a close frame 4321 bye", op, code, reason)
		}
		p.raw(numbered(99)) // in flight; discarded
		p.close(4321, "bye")
	})
	c := dial(t, url, client.Config{})
	wantReceive(t, c, 0, 3)
	waiting := make(chan error)
	go func() {
		_, err := c.Receive(t.Context())
		waiting <- err
	}()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := c.CloseWith(4321, "bye"); err != nil {
				t.Errorf("CloseWith: %v", err)
			}
			if _, err := c.Receive(t.Context()); !errors.Is(err, client.ErrClosed) {
				t.Errorf("Receive: %v, want ErrClosed", err)
			}
			if err := c.Send(t.Context(), "x", nil); !errors.Is(err, client.ErrClosed) {
				t.Errorf("Send: %v, want ErrClosed", err)
			}
		})
	}
	wg.Wait()
	if err := <-waiting; !errors.Is(err, client.ErrClosed) {
		t.Errorf("waiting Receive: %v, want ErrClosed", err)
	}
}

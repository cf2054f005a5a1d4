package ws

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
)

func TestServeMessages(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		p := serve(t, tr, defaults())
		large := strings.Repeat("x", 300_000)
		go func() {
			p.send(t, masked(ws.OpText, true, "one"), masked(ws.OpBinary, true, "\xff"),
				masked(ws.OpText, true, large), masked(ws.OpText, false, "a"), masked(ws.OpContinuation, true, "b"))
		}()
		for _, want := range []string{"one", "\xff", large, "ab"} {
			if m := wait(t, p.incoming); m != want {
				t.Fatalf("got %.50q, want %.50q", m, want)
			}
		}
		p.send(t, masked(ws.OpPing, true, "are you there"))
		p.expect(t, ws.OpPong, "are you there")
		p.Ping()
		p.expect(t, ws.OpPing, "")
		before := p.LastRead()
		p.send(t, masked(ws.OpPong, true, ""), masked(ws.OpText, true, "end"))
		wait(t, p.incoming)
		if !p.LastRead().After(before) {
			t.Error("LastRead has not moved")
		}
	})
}

func TestEarlyBytesAreServed(t *testing.T) {
	for _, split := range []int{0, 1, 7, 13} {
		t.Run(fmt.Sprint(split), func(t *testing.T) {
			opts := defaults()
			opts.Flusher = newFlusher(t, 1)
			server, client := tcpPair(t)
			stream := append(masked(ws.OpText, true, "early"), masked(ws.OpClose, true, "\x03\xe8")...)
			var out []string
			if _, err := client.Write(stream[split:]); err != nil {
				t.Fatal(err)
			}
			c := NewConn(server, &opts)
			end := c.Serve(stream[:split], func(b []byte, _ bool) { out = append(out, string(b)) })
			c.Finish()
			_ = client.Close()
			if end.Cause != CausePeerClosed || len(out) != 1 || out[0] != "early" {
				t.Errorf("%+v, %q", end, out)
			}
		})
	}
}

// How a connection ends by what its peer does, on every kind of connection.
func TestPeerEnds(t *testing.T) {
	tests := []struct {
		name   string
		frames [][]byte
		leaves bool // the peer closes its side
		answer string
		end    End
	}{
		{
			"close frame",
			[][]byte{masked(ws.OpClose, true, closeBody(1001, "bye"))},
			false, closeBody(1001, "bye"),
			End{CausePeerClosed, 1001, "bye"},
		},
		{
			"close frame with nothing in it",
			[][]byte{masked(ws.OpClose, true, "")},
			false, "",
			End{CausePeerClosed, 1005, ""},
		},
		{
			"messages after a close frame",
			[][]byte{masked(ws.OpClose, true, closeBody(1000, "")), masked(ws.OpText, true, "too late")},
			false, closeBody(1000, ""),
			End{CausePeerClosed, 1000, ""},
		},
		{
			"close frame with a code that is none",
			[][]byte{masked(ws.OpClose, true, closeBody(1006, ""))},
			true, closeBody(1002, "close code that may not be sent"),
			End{CauseViolation, 1002, "close code that may not be sent"},
		},
		{
			"violation",
			[][]byte{[]byte("GET / HTTP/1.1\r\n\r\n")},
			true, closeBody(1002, "reserved bits set"),
			End{CauseViolation, 1002, "reserved bits set"},
		},
		{
			"not UTF-8",
			[][]byte{masked(ws.OpText, true, "\xff")},
			true, closeBody(1007, "text that is not UTF-8"),
			End{CauseViolation, 1007, "text that is not UTF-8"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onAll(t, func(t *testing.T, tr transport) {
				p := serve(t, tr, defaults())
				p.Enqueue(text("before"))
				p.send(t, tt.frames[0])
				p.expect(t, ws.OpText, "before")
				p.expect(t, ws.OpClose, tt.answer)
				p.expectServed(t, tt.end)
				if tt.leaves {
					_ = p.peer.Close()
				}
				wait(t, p.finished)
				wait(t, p.Ending())
				if v := p.Enqueue(text("after")); v != Closing {
					t.Errorf("after the end Enqueue returns %v", v)
				}
				select {
				case m := <-p.incoming:
					t.Errorf("served %q", m)
				default:
				}
			})
		})
	}
}

func TestPeerVanishes(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		p := serve(t, tr, defaults())
		p.send(t, masked(ws.OpText, true, "last")[:8]) // in the middle of a frame
		_ = p.peer.Close()
		p.expectServed(t, End{Cause: CauseLost, Code: 1006})
		wait(t, p.finished)
	})
}

// The end of the stream that comes together with data is noticed.
func TestDataAndEndTogether(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		for range 50 {
			p := serve(t, tr, defaults())
			p.send(t, masked(ws.OpText, true, "last"))
			_ = p.peer.Close()
			if m := wait(t, p.incoming); m != "last" {
				t.Fatalf("got %q", m)
			}
			p.expectServed(t, End{Cause: CauseLost, Code: 1006})
		}
	})
}

// A peer whose message is too large learns why, although it is still sending.
func TestTooLargeIsToldWhy(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		opts := defaults()
		opts.MaxPayload = 1000
		p := serve(t, tr, opts)
		sent := make(chan error, 1)
		go func() {
			_, err := p.peer.Write(masked(ws.OpText, true, strings.Repeat("x", 20<<20)))
			sent <- err
		}()
		if err := wait(t, sent); err != nil {
			t.Errorf("while it was sending: %v", err)
		}
		p.expect(t, ws.OpClose, closeBody(1009, "message over 1000 bytes"))
		_ = p.peer.Close()
		wait(t, p.finished)
	})
}

// A peer that goes on sending cannot keep a connection from ending.
func TestFloodDoesNotHoldTheEnd(t *testing.T) {
	frames := map[string][]byte{
		"messages":        masked(ws.OpText, true, "again"),
		"empty fragments": masked(ws.OpContinuation, false, ""),
		"garbage":         []byte("\xff\xff\xff\xff"),
	}
	ends := map[string]func(*Conn){
		"close": func(c *Conn) { c.Close(4000, "enough") },
		"abort": func(c *Conn) { c.Abort(CauseIdle) },
	}
	for name, frame := range frames {
		for how, end := range ends {
			t.Run(name+" "+how, func(t *testing.T) {
				onAll(t, func(t *testing.T, tr transport) {
					opts := defaults()
					opts.CloseTimeout = 20 * time.Millisecond
					p := serve(t, tr, opts)
					go func() {
						for range p.incoming { //nolint:revive // nobody looks
						}
					}()
					defer close(p.incoming)
					flooded := make(chan struct{})
					many := []byte(strings.Repeat(string(frame), 100_000/len(frame)))
					go func() {
						defer close(flooded)
						if name == "empty fragments" {
							_, _ = p.peer.Write(masked(ws.OpText, false, ""))
						}
						for {
							if _, err := p.peer.Write(many); err != nil {
								return
							}
						}
					}()
					end(p.Conn)
					wait(t, p.finished)
					wait(t, flooded)
				})
			})
		}
	}
}

// What Finish is waiting for may have come already, behind the message during
// which Close was called.
func TestCloseFrameBehindTheLastMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := defaults()
		opts.Flusher = NewFlusher(1)
		server, client := net.Pipe()
		go func() {
			_, _ = client.Write(append(append(masked(ws.OpText, true, "quit"), masked(ws.OpText, true, "ignored")...),
				masked(ws.OpClose, true, closeBody(1000, ""))...))
			_, _ = io.Copy(io.Discard, client)
		}()
		c := NewConn(server, &opts)
		c.Serve(nil, func([]byte, bool) { c.Close(4000, "as you wish") })
		start := time.Now()
		c.Finish()
		if time.Since(start) > 0 {
			t.Error("waited for a close frame that had come")
		}
		opts.Flusher.Close()
		_ = client.Close()
	})
}

// Finish takes CloseTimeout at most, whatever the peer does not do.
func TestFinishIsBounded(t *testing.T) {
	tests := map[string]func(peer net.Conn){
		"does nothing": func(net.Conn) {},
		"only reads":   func(peer net.Conn) { _, _ = io.Copy(io.Discard, peer) },
		"only sends": func(peer net.Conn) {
			for {
				time.Sleep(time.Millisecond) // in fake time, which would stand still
				if _, err := peer.Write(masked(ws.OpText, true, "x")); err != nil {
					return
				}
			}
		},
		"sends a violation": func(peer net.Conn) {
			for {
				time.Sleep(time.Millisecond)
				if _, err := peer.Write([]byte("\x00")); err != nil {
					return
				}
			}
		},
	}
	for name, behave := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := defaults()
				opts.Flusher = NewFlusher(1)
				server, client := net.Pipe()
				c := NewConn(server, &opts)
				gone := make(chan struct{})
				go func() { defer close(gone); behave(client) }()
				c.Enqueue(text("hello"))
				start := time.Now()
				c.Close(4000, "bye")
				c.Serve(nil, func([]byte, bool) {})
				c.Finish()
				if d := time.Since(start); d > opts.CloseTimeout {
					t.Errorf("took %v of %v", d, opts.CloseTimeout)
				}
				opts.Flusher.Close()
				_ = client.Close()
				<-gone
			})
		})
	}
}

// A seal function that hangs does not hold Finish.
func TestFinishWithHangingSeal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := defaults()
		opts.Flusher = NewFlusher(1)
		server, client := net.Pipe()
		c := NewConn(server, &opts)
		hang := make(chan struct{})
		c.Seal(func(b []byte) ([]byte, error) { <-hang; return b, nil })
		c.Enqueue(text("hello"))
		c.Close(1000, "")
		c.Serve(nil, func([]byte, bool) {})
		start := time.Now()
		c.Finish()
		if d := time.Since(start); d > opts.CloseTimeout {
			t.Errorf("took %v of %v", d, opts.CloseTimeout)
		}
		close(hang)
		opts.Flusher.Close()
		_ = client.Close()
	})
}

// A full TLS connection is not waited for beyond CloseTimeout.
func TestFinishOfFullTLS(t *testing.T) {
	opts := defaults()
	opts.CloseTimeout = 10 * time.Millisecond
	closed := &closeRecorder{}
	p := serve(t, transport{"tls", func(t testing.TB) (server, client net.Conn) {
		closed.Conn, client = tlsPair(t)
		closed.inner = closed.Conn.(*tls.Conn).NetConn()
		return closed, client
	}}, opts)
	for range 20 {
		p.Enqueue(text(strings.Repeat("x", 1<<20)))
	}
	p.Close(1001, "")
	wait(t, p.finished)
	if !closed.innerFirst {
		t.Error("the goodbye of TLS was waited for")
	}
}

// closeRecorder is a TLS connection that notes whether what is under it was
// closed before.
type closeRecorder struct {
	net.Conn
	inner      net.Conn
	innerFirst bool
}

func (c *closeRecorder) NetConn() net.Conn { return c.inner }

func (c *closeRecorder) Close() error {
	c.innerFirst = c.inner.SetDeadline(time.Time{}) != nil // an error: it is closed
	return c.Conn.Close()
}

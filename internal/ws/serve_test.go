package ws

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/internal/longtest"
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
		before := p.lastRead.Load()
		p.send(t, masked(ws.OpPong, true, ""), masked(ws.OpText, true, "end"))
		wait(t, p.incoming)
		if p.lastRead.Load() <= before || p.SinceRead() > time.Hour {
			t.Errorf("SinceRead: %v", p.SinceRead())
		}
	})
}

func TestEarlyBytesAreServed(t *testing.T) {
	for _, split := range []int{0, 1, 7, 13} {
		t.Run(fmt.Sprint(split), func(t *testing.T) {
			opts := defaults()
			opts.Engine = newEngine(t, EngineConfig{})
			server, client := tcpPair(t)
			stream := append(masked(ws.OpText, true, "early"), masked(ws.OpClose, true, "\x03\xe8")...)
			var out []string
			if _, err := client.Write(stream[split:]); err != nil {
				t.Fatal(err)
			}
			c := NewConn(server, 0, &opts)
			l := begin(c, stream[:split], func(b []byte) { out = append(out, string(b)) })
			end := wait(t, l.ended)
			_ = client.Close()
			wait(t, l.finished)
			if end.Cause != CausePeerClosed || len(out) != 1 || out[0] != "early" {
				t.Errorf("%+v, %q", end, out)
			}
		})
	}
}

// A peer can end the connection in various ways, on every kind of connection.
func TestPeerEnds(t *testing.T) {
	tests := []struct {
		name   string
		frames [][]byte
		answer string
		end    End
	}{
		{
			"close frame",
			[][]byte{masked(ws.OpClose, true, closeBody(1001, "bye"))},
			closeBody(1001, "bye"),
			End{CausePeerClosed, 1001, "bye"},
		},
		{
			"empty close frame",
			[][]byte{masked(ws.OpClose, true, "")},
			"",
			End{CausePeerClosed, 1005, ""},
		},
		{
			"messages after a close frame",
			[][]byte{masked(ws.OpClose, true, closeBody(1000, "")), masked(ws.OpText, true, "too late")},
			closeBody(1000, ""),
			End{CausePeerClosed, 1000, ""},
		},
		{
			"close frame with an invalid code",
			[][]byte{masked(ws.OpClose, true, closeBody(1006, ""))},
			closeBody(1002, "invalid close code"),
			End{CauseViolation, 1002, "invalid close code"},
		},
		{
			"violation",
			[][]byte{[]byte("GET / HTTP/1.1\r\n\r\n")},
			closeBody(1002, "reserved bits set"),
			End{CauseViolation, 1002, "reserved bits set"},
		},
		{
			"not UTF-8",
			[][]byte{masked(ws.OpText, true, "\xff")},
			closeBody(1007, "text that is not UTF-8"),
			End{CauseViolation, 1007, "text that is not UTF-8"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onAll(t, func(t *testing.T, tr transport) {
				p := serve(t, tr, defaults())
				p.Enqueue(text("before"))
				p.send(t, slices.Concat(tt.frames...))
				p.expect(t, ws.OpText, "before")
				p.expect(t, ws.OpClose, tt.answer)
				if tr.name != "wrapped socket" { // it cannot close its write side
					p.expectEnd(t) // EOF, not a reset; over TLS, after a close alert
				}
				p.expectServed(t, tt.end)
				_ = p.peer.Close()
				wait(t, p.finished)
				if v := p.Enqueue(text("after")); v != closing {
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

// An EOF that arrives together with data is noticed.
func TestDataAndEOFTogether(t *testing.T) {
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

// A peer whose message is too large gets the close frame, even if it was still sending when
// the message was rejected.
func TestTooLargeGetsCloseFrame(t *testing.T) {
	longtest.Mark(t)
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
			t.Errorf("while sending: %v", err)
		}
		p.expect(t, ws.OpClose, closeBody(1009, "message over 1000 bytes"))
		_ = p.peer.Close()
		wait(t, p.finished)
	})
}

// A peer that keeps sending cannot keep the connection from closing.
func TestCloseDuringFlood(t *testing.T) {
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
						for range p.incoming { //nolint:revive // discards them
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

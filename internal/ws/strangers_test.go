package ws

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// A stranger may send a limited number of frames, and of bytes per message. Admit
// lifts both limits.
func TestLimitsForStrangers(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		opts := defaults()
		opts.StrangerPayload, opts.StrangerFrames = 100, 5
		p := serve(t, tr, opts)
		for range 5 {
			p.send(t, masked(ws.OpPing, true, "x"))
			p.expect(t, ws.OpPong, "x")
		}
		p.send(t, masked(ws.OpPing, true, "x"))
		p.expectServed(t, End{CauseStranger, closeTooMany, "Too many messages"})

		p = serve(t, tr, opts)
		p.send(t, masked(ws.OpText, true, strings.Repeat("x", 100)))
		wait(t, p.incoming)
		p.send(t, masked(ws.OpText, true, strings.Repeat("x", 101)))
		p.expectServed(t, End{CauseStranger, closeMessageLarge, "message over 100 bytes"})

		p = serve(t, tr, opts)
		p.send(t, masked(ws.OpText, true, "let me in"))
		wait(t, p.incoming)
		p.Admit()
		p.send(t, masked(ws.OpText, true, strings.Repeat("x", opts.MaxPayload)))
		if s := wait(t, p.incoming); len(s) != opts.MaxPayload {
			t.Errorf("%d bytes", len(s))
		}
		for range 10 {
			p.send(t, masked(ws.OpPing, true, "x"))
			p.expect(t, ws.OpPong, "x")
		}
	})
}

// The limit for strangers does not raise the general limit, and if it is 0, there are no
// strangers.
func TestStrangersMayNotSendMore(t *testing.T) {
	for name, payload := range map[string]int{"strangers": 1000, "no strangers": 0} {
		t.Run(name, func(t *testing.T) {
			opts := defaults()
			opts.MaxPayload, opts.StrangerPayload, opts.StrangerFrames = 100, payload, 0
			if payload > 0 {
				opts.StrangerFrames = 3
			}
			p := serve(t, transports[2], opts)
			p.send(t, masked(ws.OpText, true, strings.Repeat("x", 100)))
			wait(t, p.incoming)
			p.send(t, masked(ws.OpText, true, strings.Repeat("x", 101)))
			cause := CauseViolation
			if payload > 0 {
				cause = CauseStranger
			}
			p.expectServed(t, End{cause, closeMessageLarge, "message over 100 bytes"})
		})
	}
}

// Once a connection is closing, only the peer's close frame matters: the parser ignores
// deferred messages and limits.
func TestParserOnlyClose(t *testing.T) {
	bad := maskedPacked(ws.OpText, true, strings.Repeat("\xff", lightPacked+1)) // not valid compressed data
	for name, before := range map[string][]byte{
		"after a heavy message":  bad,
		"within a message":       masked(ws.OpText, false, "x"),
		"after a large fragment": masked(ws.OpText, false, strings.Repeat("x", 9000)),
	} {
		p := parser{max: 10_000, deflate: true, turns: true, stranger: true, frames: 1}
		f := func(op ws.OpCode, _ []byte) error {
			if op == ws.OpClose {
				return errStopped
			}
			return nil
		}
		if err := p.feed(slices.Clone(before), f); err != nil && err != errHeavy {
			t.Fatalf("%s: %v", name, err)
		}
		p.onlyClose()
		if err := p.feed(nil, f); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		more := slices.Repeat(masked(ws.OpPing, true, ""), 2*turnWork/frameWork)
		if name != "after a heavy message" {
			more = append(masked(ws.OpContinuation, true, strings.Repeat("x", 900)), more...)
		}
		if err := p.feed(append(more, masked(ws.OpClose, true, "")...), f); !errors.Is(err, errStopped) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An incomplete frame is kept in a buffer hardly larger than the frame.
func TestParserAllocatesForOneFrame(t *testing.T) {
	const size = 100_000
	p := parser{max: size}
	frame := masked(ws.OpText, true, strings.Repeat("x", size))
	for _, piece := range [][]byte{frame[:70_000], frame[70_000:90_000], frame[90_000:99_000]} {
		if err := p.feed(slices.Clone(piece), nil); err != nil {
			t.Fatal(err)
		}
		if n := cap(p.pending); n > size*11/10 {
			t.Errorf("capacity %d", n)
		}
	}
}

// Each message counts as work, but only up to a limit, so that the sum cannot overflow.
func TestFrameWork(t *testing.T) {
	for _, tt := range []struct{ length, want int }{
		{0, frameWork}, {1000, frameWork + 1000}, {4 << 20, maxWork},
	} {
		p := parser{max: 8 << 20, turns: true}
		if err := p.feed(masked(ws.OpBinary, true, strings.Repeat("x", tt.length)), func(ws.OpCode, []byte) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if int(p.spent) != tt.want {
			t.Errorf("a frame of %d bytes counts as %d, want %d", tt.length, p.spent, tt.want)
		}
	}
}

package ws

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/google/go-cmp/cmp"
)

// feedPausing feeds piece to p, pauses after each message or control frame, and continues
// until no complete one is left.
func feedPausing(t *testing.T, p *parser, piece []byte, f func(op ws.OpCode, payload []byte)) error {
	t.Helper()
	left := len(p.pending) + len(piece)
	calls := 0
	pausing := func(op ws.OpCode, payload []byte) error {
		calls++
		f(op, payload)
		return errPaused
	}
	err := p.feed(slices.Clone(piece), pausing)
	for errors.Is(err, errPaused) {
		if calls != 1 {
			t.Fatalf("%d messages before the pause", calls)
		}
		// At least the consumed header must be gone, and the capacity must not be
		// excessive.
		if n := len(p.pending); n > left-6 || cap(p.pending) > 4*n+64 || n == 0 && p.pending != nil {
			t.Fatalf("of %d bytes, %d (capacity %d) are kept", left, n, cap(p.pending))
		}
		left, calls = len(p.pending), 0
		err = p.feed(nil, pausing)
	}
	if calls != 0 {
		t.Fatal("no pause after a message")
	}
	return err
}

func TestParserPauses(t *testing.T) {
	stream := slices.Concat(
		masked(ws.OpText, true, "first"), masked(ws.OpPing, true, "1"), masked(ws.OpText, true, ""),
		masked(ws.OpText, false, "a"), masked(ws.OpPing, true, "2"), masked(ws.OpContinuation, false, "b"),
		masked(ws.OpPong, true, ""), masked(ws.OpContinuation, true, "c"),
		maskedPacked(ws.OpText, true, squeeze("packed")),
		maskedPacked(ws.OpText, false, squeeze(chat(500))), masked(ws.OpPing, true, "3"), masked(ws.OpContinuation, true, ""),
		masked(ws.OpBinary, true, strings.Repeat("x", 5000)), masked(ws.OpClose, true, "\x03\xe8"),
	)
	want, err := parseDeflate(10_000, stream)
	if err != nil || len(want) != 11 {
		t.Fatalf("%d messages, %v", len(want), err)
	}
	for _, size := range []int{1, 2, 3, 7, 20, 100, 1000, len(stream)} {
		p := parser{max: 10_000, deflate: true}
		var out []got
		for piece := range slices.Chunk(stream, size) {
			err := feedPausing(t, &p, piece, func(op ws.OpCode, b []byte) { out = append(out, got{op, string(b)}) })
			if err != nil {
				t.Fatalf("pieces of %d: %v", size, err)
			}
		}
		if diff := cmp.Diff(want, out); diff != "" {
			t.Errorf("pieces of %d (-want +got):\n%s", size, diff)
		}
		if p.pending != nil || p.partial != nil {
			t.Errorf("pieces of %d: something is left", size)
		}
	}
}

// Data that arrives while the parser is paused is handled after the input that it has kept,
// including a violation.
func TestParserFedWhilePaused(t *testing.T) {
	p := parser{max: 100}
	var out []got
	pausing := func(op ws.OpCode, b []byte) error { out = append(out, got{op, string(b)}); return errPaused }
	one, two, three := masked(ws.OpText, true, "one"), masked(ws.OpText, true, "two"), masked(ws.OpText, true, "three")
	for i, tt := range []struct {
		data []byte
		want error
	}{
		{slices.Concat(one, two, three[:3]), errPaused},
		{three[3:5], errPaused},
		{slices.Concat(three[5:], []byte("\xff\xff")), errPaused},
		{nil, breach("reserved bits set")},
	} {
		if err := p.feed(slices.Clone(tt.data), pausing); fmt.Sprint(err) != fmt.Sprint(tt.want) {
			t.Errorf("feed %d: %v, want %v", i, err, tt.want)
		}
	}
	if diff := cmp.Diff([]got{{ws.OpText, "one"}, {ws.OpText, "two"}, {ws.OpText, "three"}}, out); diff != "" {
		t.Error(diff)
	}
}

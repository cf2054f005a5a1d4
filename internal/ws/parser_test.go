package ws

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/google/go-cmp/cmp"
)

// masked returns the bytes of a frame as a client sends it.
func masked(op ws.OpCode, fin bool, payload string) []byte {
	return ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(op, fin, []byte(payload))))
}

// got is a message or control frame returned by a parser.
type got struct {
	Op      ws.OpCode
	Payload string
}

// parse feeds the pieces to a parser and returns the results.
func parse(limit int, pieces ...[]byte) ([]got, error) {
	return parseWith(&parser{max: limit}, pieces...)
}

func parseWith(p *parser, pieces ...[]byte) ([]got, error) {
	var out []got
	for _, piece := range pieces {
		err := p.feed(slices.Clone(piece), func(op ws.OpCode, payload []byte) error {
			out = append(out, got{op, string(payload)})
			return nil
		})
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

func bytewise(b []byte) [][]byte { return slices.Collect(slices.Chunk(b, 1)) }

func TestParserMessages(t *testing.T) {
	const limit = 100_000
	text := func(n int) string { return strings.Repeat("x", n) }
	tests := []struct {
		name   string
		stream [][]byte
		want   []got
	}{
		{"nothing", nil, nil},
		{"text", [][]byte{masked(ws.OpText, true, "hello")}, []got{{ws.OpText, "hello"}}},
		{"binary that is not text", [][]byte{masked(ws.OpBinary, true, "\xff\x00")}, []got{{ws.OpBinary, "\xff\x00"}}},
		{"empty", [][]byte{masked(ws.OpText, true, "")}, []got{{ws.OpText, ""}}},
		{"at the limits of the length encodings", [][]byte{
			masked(ws.OpText, true, text(125)), masked(ws.OpText, true, text(126)),
			masked(ws.OpText, true, text(0xffff)), masked(ws.OpText, true, text(0x10000)),
		}, []got{
			{ws.OpText, text(125)},
			{ws.OpText, text(126)},
			{ws.OpText, text(0xffff)},
			{ws.OpText, text(0x10000)},
		}},
		{"exactly as large as allowed", [][]byte{masked(ws.OpText, true, text(limit))}, []got{{ws.OpText, text(limit)}}},
		{"exactly as large as allowed, in fragments", [][]byte{
			masked(ws.OpText, false, text(limit-1)), masked(ws.OpContinuation, true, "y"),
		}, []got{{ws.OpText, text(limit-1) + "y"}}},
		{"empty fragments", [][]byte{
			masked(ws.OpText, false, ""), masked(ws.OpContinuation, false, ""), masked(ws.OpContinuation, true, ""),
		}, []got{{ws.OpText, ""}}},
		{"a binary message in fragments", [][]byte{
			masked(ws.OpBinary, false, "\xff"), masked(ws.OpContinuation, true, "\xfe"),
		}, []got{{ws.OpBinary, "\xff\xfe"}}},
		{"a character split by fragments", [][]byte{
			masked(ws.OpText, false, "\xe2\x82"), masked(ws.OpContinuation, true, "\xac"),
		}, []got{{ws.OpText, "€"}}},
		{"control frames between fragments", [][]byte{
			masked(ws.OpText, false, "a"), masked(ws.OpPing, true, "1"), masked(ws.OpContinuation, false, "b"),
			masked(ws.OpPong, true, "2"), masked(ws.OpContinuation, true, "c"), masked(ws.OpText, true, "d"),
		}, []got{{ws.OpPing, "1"}, {ws.OpPong, "2"}, {ws.OpText, "abc"}, {ws.OpText, "d"}}},
		{"the largest control frame", [][]byte{masked(ws.OpPing, true, text(125))}, []got{{ws.OpPing, text(125)}}},
		{"a control frame where no data would fit", [][]byte{
			masked(ws.OpText, false, text(limit)), masked(ws.OpPing, true, "p"), masked(ws.OpContinuation, true, ""),
		}, []got{{ws.OpPing, "p"}, {ws.OpText, text(limit)}}},
		{"an incomplete frame gives nothing", [][]byte{masked(ws.OpText, true, "hello")[:10]}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stream := bytes.Join(tt.stream, nil)
			for name, pieces := range map[string][][]byte{
				"whole": {stream}, "frames": tt.stream, "bytes": bytewise(stream),
			} {
				out, err := parse(limit, pieces...)
				if err != nil {
					t.Errorf("in %s: %v", name, err)
				}
				if diff := cmp.Diff(tt.want, out); diff != "" {
					t.Errorf("in %s (-want +got):\n%s", name, diff)
				}
			}
		})
	}
}

func TestParserViolations(t *testing.T) {
	const limit = 1000
	key := "\x01\x02\x03\x04"
	long := func(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }
	fragment := string(masked(ws.OpText, false, "a"))
	tests := []struct {
		name   string
		stream string
		code   uint16
	}{
		{"first reserved bit", "\xc1\x80" + key, 1002},
		{"second reserved bit", "\xa1\x80" + key, 1002},
		{"third reserved bit", "\x91\x80" + key, 1002},
		{"no mask", "\x81\x01a", 1002},
		{"unknown data opcode", "\x83\x80" + key, 1002},
		{"unknown control opcode", "\x8b\x80" + key, 1002},
		{"fragmented ping", "\x09\x80" + key, 1002},
		{"fragmented close", "\x08\x80" + key, 1002},
		{"ping of 126 bytes", "\x89\xfe\x00\x7e" + key, 1002},
		{"ping with a 64-bit length", "\x89\xff" + long(1), 1002},
		{"continuation without a message", "\x80\x80" + key, 1002},
		{"continuation of a finished message", fragment + string(masked(ws.OpContinuation, true, "b")) + "\x80\x80" + key, 1002},
		{"text within a message", fragment + "\x81\x80" + key, 1002},
		{"binary within an empty message", string(masked(ws.OpText, false, "")) + "\x82\x80" + key, 1002},
		{"length 125 in two bytes", "\x81\xfe\x00\x7d", 1002},
		{"length 65535 in eight bytes", "\x81\xff" + long(0xffff), 1002},
		{"length with the top bit", "\x81\xff" + long(1<<63|5), 1002},
		{"length of all ones", "\x81\xff" + long(1<<64-1), 1002},
		{"the largest length", "\x81\xff" + long(1<<63-1), 1009},
		{"length that is small in 32 bits", "\x81\xff" + long(1<<32|5), 1009},
		{"one byte too many", "\x81\xfe\x03\xe9", 1009},
		{"one byte too many in a fragment", string(masked(ws.OpText, false, strings.Repeat("a", limit))) + "\x80\x81", 1009},
		{"not UTF-8", string(masked(ws.OpText, true, "a\xff")), 1007},
		{"a truncated character", string(masked(ws.OpText, true, "\xe2\x82")), 1007},
		{"a surrogate", string(masked(ws.OpText, true, "\xed\xa0\x80")), 1007},
		{"not UTF-8 across fragments", string(masked(ws.OpText, false, "\xe2")) + string(masked(ws.OpContinuation, true, "a")), 1007},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			whole := append(masked(ws.OpText, true, "before"), tt.stream...)
			for name, pieces := range map[string][][]byte{"whole": {whole}, "bytes": bytewise(whole)} {
				out, err := parse(limit, pieces...)
				var v *violation
				if !errors.As(err, &v) || v.code != tt.code {
					t.Errorf("in %s: error %v, want close code %d", name, err, tt.code)
				}
				if len(out) == 0 || out[0].Payload != "before" {
					t.Errorf("in %s: the message before the violation is lost: %q", name, out)
				}
			}
		})
	}
}

// Parsing messages that arrive complete, in one piece, does not allocate.
func TestParserDoesNotAllocate(t *testing.T) {
	p := parser{max: 1000}
	frames := slices.Concat(masked(ws.OpText, true, "hello"), masked(ws.OpPing, true, "p"), masked(ws.OpBinary, true, chat(500)))
	buf := make([]byte, len(frames))
	count := 0
	if n := testing.AllocsPerRun(100, func() {
		copy(buf, frames)
		if err := p.feed(buf, func(ws.OpCode, []byte) error { count++; return nil }); err != nil {
			t.Fatal(err)
		}
	}); n > 0 || count == 0 {
		t.Errorf("%v allocations", n)
	}
}

// An unacceptable frame is rejected after its header: the parser does not wait for the
// payload.
func TestParserRejectsAfterHeader(t *testing.T) {
	if _, err := parse(10, []byte("\x81\x8b")); err == nil {
		t.Error("a message of 11 bytes is not rejected with a limit of 10")
	}
	if _, err := parse(10, []byte("\x81\x8a")); err != nil {
		t.Errorf("a message of 10 bytes with a limit of 10: %v", err)
	}
}

// An error from the callback stops the parser, and the next call of feed continues with the
// remaining input.
func TestParserStopsAndContinues(t *testing.T) {
	p := parser{max: 100}
	stop := errors.New("stop")
	stream := slices.Concat(masked(ws.OpText, true, "a"), masked(ws.OpText, true, "b"), masked(ws.OpText, true, "c"))
	var out []string
	err := p.feed(stream, func(_ ws.OpCode, b []byte) error {
		out = append(out, string(b))
		if string(b) == "b" {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) {
		t.Fatalf("feed returned %v", err)
	}
	err = p.feed(nil, func(_ ws.OpCode, b []byte) error { out = append(out, string(b)); return nil })
	if err != nil || strings.Join(out, "") != "abc" {
		t.Errorf("got %q, %v", out, err)
	}
}

// The memory kept for a peer depends on its incomplete input, not on what it announced or
// sent before.
func TestParserKeepsLittle(t *testing.T) {
	ignore := func(ws.OpCode, []byte) error { return nil }
	large := masked(ws.OpText, true, strings.Repeat("x", 100_000))
	next := masked(ws.OpText, true, "hello")

	p := parser{max: 1 << 20}
	if err := p.feed(slices.Clone(large[:20]), ignore); err != nil {
		t.Fatal(err)
	}
	if c := cap(p.pending); c > 100 {
		t.Errorf("20 bytes of a large frame take %d", c)
	}
	if err := p.feed(append(slices.Clone(large[20:]), next[:1]...), ignore); err != nil {
		t.Fatal(err)
	}
	if c := cap(p.pending); c > 100 {
		t.Errorf("one byte after a large frame takes %d", c)
	}
	if err := p.feed(slices.Clone(next[1:]), ignore); err != nil {
		t.Fatal(err)
	}
	if p.pending != nil || p.partial != nil {
		t.Error("input is kept although nothing is incomplete")
	}
	for range 10_000 {
		op := ws.OpContinuation
		if p.op == 0 {
			op = ws.OpText
		}
		if err := p.feed(masked(op, false, ""), ignore); err != nil {
			t.Fatal(err)
		}
	}
	if c := cap(p.partial); c > 100 {
		t.Errorf("empty fragments take %d", c)
	}
}

// A peer that sends single bytes or tiny fragments does not make the server copy the same
// input again and again.
func TestParserCopiesLittle(t *testing.T) {
	const size = 1 << 20
	ignore := func(ws.OpCode, []byte) error { return nil }
	moves := func(b []byte, last *byte) bool { return len(b) > 0 && &b[0] != last }

	p := parser{max: size}
	frame := masked(ws.OpBinary, true, strings.Repeat("x", size))
	grown, base := 0, (*byte)(nil)
	for i := range len(frame) - 1 {
		if err := p.feed(frame[i:i+1], ignore); err != nil {
			t.Fatal(err)
		}
		if moves(p.pending, base) {
			grown, base = grown+1, &p.pending[0]
		}
	}
	if grown > 100 {
		t.Errorf("a frame in bytes was copied %d times", grown)
	}

	p = parser{max: size, op: ws.OpBinary}
	one := masked(ws.OpContinuation, false, "x")
	grown, base = 0, nil
	for range size {
		if err := p.feed(slices.Clone(one), ignore); err != nil {
			t.Fatal(err)
		}
		if moves(p.partial, base) {
			grown, base = grown+1, &p.partial[0]
		}
	}
	if grown > 100 {
		t.Errorf("a message in fragments of one byte was copied %d times", grown)
	}
}

// The payload stays intact during the callback, and kept input does not depend on the
// reader's buffer.
func TestParserPayloadIsNotOverwritten(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var stream []byte
	var want []string
	for i := range 500 {
		text := fmt.Sprintf("%d:%s", i, strings.Repeat(string(rune('a'+i%26)), rnd.IntN(300)))
		want = append(want, text)
		stream = append(stream, masked(ws.OpText, true, text)...)
	}
	p := parser{max: 1000}
	var out []string
	for len(stream) > 0 {
		n := min(len(stream), 1+rnd.IntN(700))
		buf := slices.Clone(stream[:n])
		err := p.feed(buf, func(_ ws.OpCode, b []byte) error { out = append(out, string(b)); return nil })
		if err != nil {
			t.Fatal(err)
		}
		for i := range buf { // as if the reader reused its buffer
			buf[i] = 0xee
		}
		stream = stream[n:]
	}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Error(diff)
	}
}

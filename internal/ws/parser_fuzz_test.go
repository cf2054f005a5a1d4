package ws

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	"github.com/gobwas/ws/wsutil"
	"github.com/google/go-cmp/cmp"
)

const fuzzLimit = 300

func addStreams(f *testing.F) {
	for _, s := range [][]byte{
		{},
		masked(ws.OpText, true, "hello"),
		slices.Concat(masked(ws.OpText, true, "a"), masked(ws.OpBinary, true, "\xff"), masked(ws.OpText, true, "b")),
		slices.Concat(masked(ws.OpText, false, "\xe2"), masked(ws.OpPing, true, "p"), masked(ws.OpContinuation, true, "\x82\xac")),
		slices.Concat(masked(ws.OpText, false, ""), masked(ws.OpContinuation, false, ""), masked(ws.OpContinuation, true, "")),
		masked(ws.OpText, true, string(bytes.Repeat([]byte("x"), 200))),
		masked(ws.OpText, true, string(bytes.Repeat([]byte("x"), fuzzLimit+1))),
		masked(ws.OpClose, true, "\x03\xe8bye"),
		masked(ws.OpText, true, "\xff"),
		[]byte("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
		[]byte("\x81\x05hello"),
		slices.Concat(maskedPacked(ws.OpText, true, squeeze("hello")), masked(ws.OpText, true, "plain")),
		slices.Concat(maskedPacked(ws.OpText, false, "\xf2\x48\xcd"), masked(ws.OpPing, true, "p"), masked(ws.OpContinuation, true, "\xc9\xc9\x07\x00")),
		maskedPacked(ws.OpText, true, squeeze(string(bytes.Repeat([]byte("x"), fuzzLimit+1)))),
		maskedPacked(ws.OpBinary, true, squeeze(noise(fuzzLimit))),
		maskedPacked(ws.OpText, true, ended("a")+squeeze("b")),
	} {
		f.Add(s, []byte{1, 0, 7}, true)
		f.Add(s, []byte{100}, false)
	}
}

// FuzzParser checks that the messages and the error do not depend on how the input is split
// into pieces or on pauses between messages, and that the memory kept is bounded by the
// input.
func FuzzParser(f *testing.F) {
	addStreams(f)
	f.Fuzz(func(t *testing.T, stream, cuts []byte, deflate bool) {
		want, wantErr := parseWith(&parser{max: fuzzLimit, deflate: deflate}, stream)
		for _, m := range want {
			if m.Op == ws.OpText && !utf8.ValidString(m.Payload) {
				t.Errorf("text %q is not UTF-8", m.Payload)
			}
			if len(m.Payload) > fuzzLimit {
				t.Errorf("a message of %d bytes", len(m.Payload))
			}
			if m.Op == ws.OpClose {
				_, _, _ = closeStatus([]byte(m.Payload))
			}
		}
		for _, pausing := range []bool{false, true} {
			out, err := parsePieces(t, stream, cuts, deflate, pausing)
			if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
				t.Errorf("in pieces (pausing %v): error %v, as a whole %v", pausing, err, wantErr)
			}
			if diff := cmp.Diff(want, out); diff != "" {
				t.Errorf("as a whole (-) and in pieces (+, pausing %v):\n%s", pausing, diff)
			}
		}
	})
}

// parsePieces feeds stream to a parser in pieces of the lengths in cuts, and checks how much
// the parser keeps.
func parsePieces(t *testing.T, stream, cuts []byte, deflate, pausing bool) (out []got, err error) {
	// A compressed message may be larger before it is decompressed.
	const most = fuzzLimit + fuzzLimit/8 + 64
	p := parser{max: fuzzLimit, deflate: deflate}
	take := func(op ws.OpCode, b []byte) { out = append(out, got{op, string(b)}) }
	fed := 0
	for i := 0; len(stream) > fed && err == nil; i++ {
		n := 1
		if len(cuts) > 0 {
			n = min(len(stream)-fed, int(cuts[i%len(cuts)]))
		}
		piece := stream[fed : fed+n]
		if pausing {
			err = feedPausing(t, &p, piece, take)
		} else {
			err = p.feed(slices.Clone(piece), func(op ws.OpCode, b []byte) error { take(op, b); return nil })
		}
		fed += n
		if n == 0 && i > len(cuts) {
			cuts = nil // all zeros
		}
		if len(p.pending)+len(p.partial) > fed || len(p.partial) > most ||
			err == nil && len(p.pending) > most+14 ||
			cap(p.pending) > 4*len(p.pending)+64 || cap(p.partial) > 4*len(p.partial)+64 {
			t.Fatalf("of %d bytes, %d (capacity %d) and %d (capacity %d) are kept", fed,
				len(p.pending), cap(p.pending), len(p.partial), cap(p.partial))
		}
	}
	return out, err
}

// FuzzParserAgainstGobwas checks that another implementation reads the same messages from
// every valid stream.
func FuzzParserAgainstGobwas(f *testing.F) {
	addStreams(f)
	f.Fuzz(func(t *testing.T, stream, _ []byte, deflate bool) {
		want, err := parseWith(&parser{max: fuzzLimit, deflate: deflate}, stream)
		if err != nil {
			return // the two need to agree only on valid input
		}
		out, err := readWithGobwas(stream, deflate)
		if err != nil {
			t.Fatalf("gobwas rejects a stream that our parser accepts: %v", err)
		}
		if diff := cmp.Diff(out, want); diff != "" {
			t.Errorf("gobwas (-) and our parser (+):\n%s", diff)
		}
	})
}

// readWithGobwas returns the complete messages and control frames in stream.
func readWithGobwas(stream []byte, deflate bool) (out []got, err error) {
	control := func(h ws.Header, r io.Reader) error {
		b := make([]byte, h.Length)
		if _, err := io.ReadFull(r, b); err != nil {
			return err
		}
		out = append(out, got{h.OpCode, string(b)})
		return nil
	}
	// CheckUTF8 stays off, because it rejects invalid text in incomplete messages.
	r := wsutil.Reader{Source: bytes.NewReader(stream), State: ws.StateServerSide, OnIntermediate: control}
	var compression wsflate.MessageState
	if deflate {
		r.State = r.State.Set(ws.StateExtended)
		r.Extensions = append(r.Extensions, &compression)
	}
	for {
		h, err := r.NextFrame()
		if err == nil && h.OpCode.IsControl() {
			err = control(h, &r)
		} else if err == nil {
			var b []byte
			if b, err = io.ReadAll(&r); err == nil && !r.State.Fragmented() {
				s := string(b)
				if compression.IsCompressed() && s != "" {
					if s, err = inflate(b, fuzzLimit); err != nil {
						return out, err // do not mistake it for the end of the stream
					}
				}
				out = append(out, got{h.OpCode, s})
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
	}
}

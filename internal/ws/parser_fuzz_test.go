package ws

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/gobwas/ws"
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
	} {
		f.Add(s, []byte{1, 0, 7})
	}
}

// FuzzParser holds the parser to this: however the bytes of a peer are cut into
// pieces, the same messages and the same error come out, and what is kept is
// bounded by what came in.
func FuzzParser(f *testing.F) {
	addStreams(f)
	f.Fuzz(func(t *testing.T, stream, cuts []byte) {
		want, wantErr := parse(fuzzLimit, stream)
		for _, m := range want {
			if m.Op == ws.OpText && !utf8.ValidString(m.Payload) {
				t.Errorf("text %q is not UTF-8", m.Payload)
			}
			if len(m.Payload) > fuzzLimit {
				t.Errorf("a message of %d bytes", len(m.Payload))
			}
		}
		p := parser{max: fuzzLimit}
		var out []got
		var err error
		fed := 0
		for i := 0; len(stream) > fed && err == nil; i++ {
			n := 1
			if len(cuts) > 0 {
				n = min(len(stream)-fed, int(cuts[i%len(cuts)]))
			}
			err = p.feed(slices.Clone(stream[fed:fed+n]), func(op ws.OpCode, b []byte) error {
				out = append(out, got{op, string(b)})
				return nil
			})
			fed += n
			if n == 0 && i > len(cuts) {
				cuts = nil // all zeros
			}
			if len(p.pending)+len(p.partial) > fed || len(p.partial) > fuzzLimit ||
				err == nil && len(p.pending) > fuzzLimit+14 ||
				cap(p.pending) > 4*len(p.pending)+64 || cap(p.partial) > 4*len(p.partial)+64 {
				t.Fatalf("%d bytes came, %d (%d) and %d (%d) are kept", fed,
					len(p.pending), cap(p.pending), len(p.partial), cap(p.partial))
			}
		}
		if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
			t.Errorf("in pieces: error %v, as a whole %v", err, wantErr)
		}
		if diff := cmp.Diff(want, out); diff != "" {
			t.Errorf("as a whole (-) and in pieces (+):\n%s", diff)
		}
		for _, m := range want {
			if m.Op == ws.OpClose {
				_, _, _ = closeStatus([]byte(m.Payload))
			}
		}
	})
}

// FuzzParserAgainstGobwas compares with another implementation: of a stream in
// which nothing is wrong, both read the same.
func FuzzParserAgainstGobwas(f *testing.F) {
	addStreams(f)
	f.Fuzz(func(t *testing.T, stream, _ []byte) {
		want, err := parse(fuzzLimit, stream)
		if err != nil {
			return // only of what is valid do both have to think the same
		}
		out, err := readWithGobwas(stream)
		if err != nil {
			t.Fatalf("gobwas refuses what we accept: %v", err)
		}
		if diff := cmp.Diff(out, want); diff != "" {
			t.Errorf("gobwas (-) and we (+):\n%s", diff)
		}
	})
}

// readWithGobwas returns the complete messages and control frames in stream.
func readWithGobwas(stream []byte) (out []got, err error) {
	control := func(h ws.Header, r io.Reader) error {
		b := make([]byte, h.Length)
		if _, err := io.ReadFull(r, b); err != nil {
			return err
		}
		out = append(out, got{h.OpCode, string(b)})
		return nil
	}
	// CheckUTF8 stays off: it refuses bad text in messages that are not complete.
	r := wsutil.Reader{Source: bytes.NewReader(stream), State: ws.StateServerSide, OnIntermediate: control}
	for {
		h, err := r.NextFrame()
		if err == nil && h.OpCode.IsControl() {
			err = control(h, &r)
		} else if err == nil {
			var b []byte
			if b, err = io.ReadAll(&r); err == nil && !r.State.Fragmented() {
				out = append(out, got{h.OpCode, string(b)})
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

package ws

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

func TestMessageRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 65535, 65536, 200_000} {
		s := strings.Repeat("z", n)
		for _, m := range []*Message{text(s), Text(0, func(b []byte) []byte { return append(b, s...) }), text(s).Clear()} {
			f, err := readFrame(bytes.NewReader(m.frame))
			if err != nil || f != (got{ws.OpText, s}) {
				t.Errorf("%d bytes: %v of %d, %v", n, f.Op, len(f.Payload), err)
			}
			if string(m.Payload()) != s || m.Size() != len(m.frame) {
				t.Errorf("%d bytes: payload or size is wrong", n)
			}
		}
		if got := appendText([]byte("."), []byte(s)); string(got[1:]) != string(text(s).frame) {
			t.Errorf("%d bytes: appendText and Text differ", n)
		}
	}
}

// readRaw reads one frame sent by a server, compressed or not.
func readRaw(t testing.TB, r io.Reader) ws.Frame {
	t.Helper()
	h, err := ws.ReadHeader(r)
	if err != nil {
		t.Fatal(err)
	}
	f := ws.Frame{Header: h, Payload: make([]byte, h.Length)}
	if _, err := io.ReadFull(r, f.Payload); err != nil {
		t.Fatal(err)
	}
	return f
}

// readPacked returns the text of one frame as a client that has negotiated compression reads
// it.
func readPacked(t testing.TB, frame []byte) []byte {
	t.Helper()
	r := bytes.NewReader(frame)
	f := readRaw(t, r)
	if r.Len() > 0 || !f.Header.Fin || f.Header.OpCode != ws.OpText {
		t.Fatalf("%+v, %d bytes left", f.Header, r.Len())
	}
	f, err := wsflate.DecompressFrame(f)
	if err != nil || f.Header.Rsv != 0 {
		t.Fatalf("%+v, %v", f.Header, err)
	}
	return f.Payload
}

func TestMessageCompressed(t *testing.T) {
	for _, tt := range []struct {
		name    string
		text    string
		smaller bool
	}{
		{"empty", "", false},
		{"too short to be worth it", strings.Repeat("x", deflateMin-1), false},
		{"just long enough", strings.Repeat("x", deflateMin), true},
		{"cannot be compressed", noise(1000), false},
		{"chat", chat(1000), true},
		{"as long as the compressor's window", strings.Repeat("x", 65535), true},
		{"long", chat(300_000), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := text(tt.text)
			plain := slices.Clone(m.frame)
			frame := m.bytes(maxWindow)
			if got := readPacked(t, frame); string(got) != tt.text {
				t.Errorf("%d bytes were decompressed to %d", len(tt.text), len(got))
			}
			if (len(frame) < len(plain)) != tt.smaller {
				t.Errorf("%d bytes, and %d compressed", len(plain), len(frame))
			}
			if !bytes.Equal(m.bytes(0), plain) || m.Size() != len(plain) || string(m.Payload()) != tt.text {
				t.Error("the plain frame, its size or the text has changed")
			}
		})
	}
	for _, m := range []*Message{control(ws.OpPing, make([]byte, maxControl)), closeFrame(1000, strings.Repeat("x", 200))} {
		if !bytes.Equal(m.bytes(maxWindow), m.frame) {
			t.Error("a control frame is compressed")
		}
	}
}

// A message is compressed once, however many callers ask for it, and not before the first
// one does.
func TestMessageIsCompressedOnce(t *testing.T) {
	m := text(chat(1000))
	m.bytes(0)
	if m.forms.Load() != nil {
		t.Error("compressed before it was needed")
	}
	frames := make([][]byte, 100)
	var asking sync.WaitGroup
	for i := range frames {
		asking.Go(func() { frames[i] = m.bytes(maxWindow) })
	}
	asking.Wait()
	for _, f := range frames {
		if &f[0] != &frames[0][0] {
			t.Fatal("compressed again")
		}
	}
	if n := testing.AllocsPerRun(100, func() { m.bytes(maxWindow) }); n > 0 {
		t.Errorf("%v allocations for each connection", n)
	}
}

// Messages share compressors, each of which takes 1.1 MB. The limit allows for the race
// detector, which makes a pool drop a quarter of its elements.
func TestCompressorsAreReused(t *testing.T) {
	const n = 200
	s := chat(1000)
	if b := allocated(func() {
		for range n {
			text(s).bytes(maxWindow)
		}
	}); b > n*600<<10 {
		t.Errorf("%d bytes for each message of %d", b/n, len(s))
	}
}

// FuzzMessageDeflate checks that a client can read the compressed form of any text.
func FuzzMessageDeflate(f *testing.F) {
	for _, n := range []int{0, 1, deflateMin - 1, deflateMin, 1000, 70_000} {
		f.Add([]byte(chat(n)))
		f.Add([]byte(noise(n)))
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		m := text(string(s))
		frame := m.bytes(maxWindow)
		if string(readPacked(t, frame)) != string(s) {
			t.Error("the client reads a different text")
		}
		for _, window := range []uint8{minWindow, minWindow + uint8(len(s)%8)} {
			if out, _, err := readStrictly(m.bytes(window), window); err != nil || out != string(s) {
				t.Errorf("window %d: %d bytes were decompressed to %d, %v", window, len(s), len(out), err)
			}
		}
		if len(frame) > m.Size() {
			t.Errorf("%d bytes, and %d uncompressed", len(frame), m.Size())
		}
		if !bytes.Equal(m.bytes(0), text(string(s)).bytes(0)) {
			t.Error("the plain frame has changed")
		}
	})
}

func TestCutReason(t *testing.T) {
	for _, tt := range []struct {
		s    string
		n    int
		want string
	}{
		{"", 3, ""}, {"abc", 3, "abc"}, {"abcd", 3, "abc"}, {"abé", 3, "ab"}, {"é", 1, ""}, {"\xffa", 10, "\uFFFDa"},
	} {
		if got := cut(tt.s, tt.n); got != tt.want {
			t.Errorf("cut(%q, %d) = %q", tt.s, tt.n, got)
		}
	}
}

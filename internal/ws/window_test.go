package ws

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/internal/longtest"
)

// A client gets the window that it requests for the server, whatever else it requests.
func TestNegotiateWindows(t *testing.T) {
	flags := []string{"", "; server_no_context_takeover", "; client_no_context_takeover", "; client_no_context_takeover; server_no_context_takeover"}
	ours, theirs := []string{""}, []string{"", "; client_max_window_bits"}
	for bits := minWindow; bits <= maxWindow; bits++ {
		ours = append(ours, fmt.Sprintf("; server_max_window_bits=%d", bits))
		theirs = append(theirs, fmt.Sprintf("; client_max_window_bits=%d", bits))
	}
	for i, server := range ours {
		want := uint8(maxWindow)
		if i > 0 {
			want = uint8(minWindow + i - 1)
		}
		for _, client := range theirs {
			for _, flag := range flags {
				offer := "permessage-deflate" + client + flag + server
				answer, window, err := negotiate([]string{offer})
				wanted := "permessage-deflate; server_no_context_takeover; client_no_context_takeover" + server
				if err != nil || window != want || answer != wanted {
					t.Errorf("%s: %q, %d, %v", offer, answer, window, err)
				}
			}
		}
	}
}

// repetitive returns a text with repetitions at all distances.
func repetitive(n int) string {
	rnd := rand.New(rand.NewPCG(3, 4))
	b := []byte(`{"event":"list","data":"`)
	for len(b) < n {
		if at := len(b) - 1 - rnd.IntN(min(len(b), 40_000)); rnd.IntN(3) > 0 {
			b = append(b, b[at:min(len(b), at+4+rnd.IntN(60))]...)
		} else {
			b = fmt.Appendf(b, "%x,", rnd.Uint64())
		}
	}
	return string(b[:n])
}

// Compressed messages refer back no further than the peer's window allows, but make use of
// all of it.
func TestMessageForWindow(t *testing.T) {
	longtest.Mark(t)
	texts := []string{strings.Repeat("x", 70_000), noise(5000)}
	for _, n := range []int{256, 257, 300, 511, 512, 513, 1000, 4096, 4097, 33_000, 65_535, 65_536, 200_000} {
		texts = append(texts, chat(n), repetitive(n))
	}
	for window := uint8(minWindow); window <= maxWindow; window++ {
		farthest := 0
		for _, s := range texts {
			m := text(s)
			out, far, err := readStrictly(m.bytes(window), window)
			if err != nil || out != s {
				t.Errorf("window %d: %d bytes were decompressed to %d, %v", window, len(s), len(out), err)
			}
			farthest = max(farthest, far)
		}
		if farthest < 1<<window*9/10 {
			t.Errorf("window %d: no reference goes back farther than %d", window, farthest)
		}
	}
}

// A message is compressed once for each window, except that windows larger than the message
// share one form.
func TestMessageForms(t *testing.T) {
	m := text(chat(1000))
	if m.Size() > 1<<10 {
		t.Fatal("too long for this test")
	}
	small, again, fits, full := m.bytes(9), m.bytes(9), m.bytes(10), m.bytes(15)
	if &small[0] != &again[0] || &fits[0] != &full[0] || &small[0] == &full[0] {
		t.Error("a form was made twice, or is for the wrong window")
	}
	if _, _, err := readStrictly(full, 9); err == nil {
		t.Error("the form for the large window also suits the small one, so this test proves nothing")
	}
	// The parts of a joined message are compressed separately, and the forms are shared.
	long, short := text(chat(3000)), text(chat(400))
	joined := Join(long, short)
	if want := slices.Concat(long.bytes(9), short.bytes(15)); string(joined.bytes(9)) != string(want) {
		t.Error("the joined message has other forms")
	}
	if string(joined.bytes(15)) != string(slices.Concat(long.bytes(15), short.bytes(15))) {
		t.Error("the joined message has the forms for another window")
	}
}

// A joiner does not reuse its buffer for a connection with another window.
func TestJoinerWindows(t *testing.T) {
	one, two := text(chat(3000)), text(chat(5000))
	j := joiner{batch: []*Message{one, two}}
	for _, window := range []uint8{15, 9, 0, 12, 12, 15} {
		want := slices.Concat(one.bytes(window), two.bytes(window))
		if got := j.bytes(&Conn{window: window}); string(got) != string(want) {
			t.Errorf("window %d: %d bytes, want %d", window, len(got), len(want))
		}
	}
}

// Each window works over a real connection, from the offer to the message.
func TestWindowsOverTheWire(t *testing.T) {
	s := repetitive(50_000)
	e := newEngine(t, EngineConfig{})
	var lives sync.WaitGroup
	t.Cleanup(lives.Wait) // before the engine is closed
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nc, early, window, err := Upgrade(w, r, Terms{Deflate: true})
		if err != nil {
			t.Error(err)
			return
		}
		lives.Add(1)
		defer lives.Done()
		opts := defaults()
		opts.Engine = e
		c := NewConn(nc, window, &opts)
		l := begin(c, early, ignore)
		c.Enqueue(text(s))
		wait(t, l.finished)
	}))
	defer server.Close()
	for window := uint8(minWindow); window <= maxWindow; window++ {
		request := with(fmt.Sprintf("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=%d", window))
		nc, r, res := shake(t, server, request)
		f := readRaw(t, r)
		if !f.Header.Rsv1() || res.StatusCode != http.StatusSwitchingProtocols {
			t.Errorf("window %d: %s, %+v", window, res.Status, f.Header)
		}
		out, far, err := inflateStrictly(f.Payload, window)
		if err != nil || out != s || far < 1<<window*9/10 {
			t.Errorf("window %d: %d bytes from %d back, %v", window, len(out), far, err)
		}
		_ = ws.WriteFrame(nc, ws.MaskFrame(ws.NewCloseFrame(nil)))
		_ = nc.Close()
	}
}

// readStrictly returns the texts of the frames, and the largest distance of a
// back-reference. It fails if that exceeds the window.
func readStrictly(frames []byte, window uint8) (out string, farthest int, err error) {
	r := strings.NewReader(string(frames))
	for r.Len() > 0 {
		h, err := ws.ReadHeader(r)
		if err != nil {
			return "", 0, err
		}
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(r, payload); err != nil {
			return "", 0, err
		}
		s, far := string(payload), 0
		if h.Rsv1() {
			if s, far, err = inflateStrictly(payload, window); err != nil {
				return "", 0, err
			}
		}
		out += s
		farthest = max(farthest, far)
	}
	return out, farthest, nil
}

// inflateStrictly decompresses a message like a peer that keeps only its window. It is a
// simple and slow implementation of RFC 1951.
func inflateStrictly(b []byte, window uint8) (out string, farthest int, err error) {
	d := strict{in: append(slices.Clone(b), flushTail...), window: 1 << window}
	for d.at < 8*len(d.in) && d.err == nil {
		d.block()
	}
	return string(d.out), d.farthest, d.err
}

type strict struct {
	in               []byte
	at               int // in bits
	out              []byte
	window, farthest int
	err              error
}

func (d *strict) bits(n int) (v int) {
	for i := range n {
		if d.at >= 8*len(d.in) {
			d.err = errors.New("cut off")
			return 0
		}
		v |= int(d.in[d.at/8]>>(d.at%8)&1) << i
		d.at++
	}
	return v
}

func (d *strict) block() {
	final, kind := d.bits(1), d.bits(2)
	switch {
	case final == 1 || kind == 3:
		d.err = fmt.Errorf("a block of kind %d, final: %d", kind, final)
	case kind == 0:
		d.at = (d.at + 7) / 8 * 8
		n, inverted := d.bits(16), d.bits(16)
		if n != inverted^0xffff {
			d.err = errors.New("the lengths of a block disagree")
		}
		for range n {
			d.out = append(d.out, byte(d.bits(8)))
		}
	case kind == 1:
		lengths := slices.Concat(slices.Repeat([]int{8}, 144), slices.Repeat([]int{9}, 112), slices.Repeat([]int{7}, 24), slices.Repeat([]int{8}, 8))
		d.symbols(newCode(lengths), newCode(slices.Repeat([]int{5}, 30)))
	case kind == 2:
		literals, distances := d.bits(5)+257, d.bits(5)+1
		all := d.lengths(literals + distances)
		if d.err == nil {
			d.symbols(newCode(all[:literals]), newCode(all[literals:]))
		}
	}
}

// lengths reads the code lengths of a dynamic block.
func (d *strict) lengths(n int) []int {
	order := []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	first := make([]int, len(order))
	for _, i := range order[:d.bits(4)+4] {
		first[i] = d.bits(3)
	}
	c := newCode(first)
	var all []int
	for len(all) < n && d.err == nil {
		switch s := d.symbol(c); {
		case s < 16:
			all = append(all, s)
		case s == 16 && len(all) == 0:
			d.err = errors.New("nothing to repeat")
		case s == 16:
			all = append(all, slices.Repeat(all[len(all)-1:], 3+d.bits(2))...)
		case s == 17:
			all = append(all, make([]int, 3+d.bits(3))...)
		default:
			all = append(all, make([]int, 11+d.bits(7))...)
		}
	}
	if len(all) != n && d.err == nil {
		d.err = errors.New("too many lengths")
	}
	return all
}

// symbols reads the content of a block.
func (d *strict) symbols(literals, distances map[string]int) {
	for d.err == nil {
		s := d.symbol(literals)
		switch {
		case s < 256:
			d.out = append(d.out, byte(s))
			continue
		case s == 256:
			return
		}
		length := 258
		if s < 285 {
			length = scaled(d, s-257, 4, 3)
		}
		distance := scaled(d, d.symbol(distances), 2, 1)
		if d.farthest = max(d.farthest, distance); distance > d.window || distance > len(d.out) {
			d.err = fmt.Errorf("%d back, with a window of %d and %d bytes", distance, d.window, len(d.out))
		}
		for range length {
			if d.err == nil {
				d.out = append(d.out, d.out[len(d.out)-distance])
			}
		}
	}
}

// scaled returns the length or distance of a code. Codes from 2*every on have extra bits,
// one more for each group of that many codes.
func scaled(d *strict, code, every, base int) int {
	if code < 2*every {
		return base + code
	}
	extra := code/every - 1
	return base + (every+code%every)<<extra + d.bits(extra)
}

func (d *strict) symbol(code map[string]int) int {
	for word := ""; d.err == nil; {
		word += string('0' + rune(d.bits(1)))
		if s, ok := code[word]; ok {
			return s
		}
		if len(word) > 15 {
			d.err = errors.New("no such code")
		}
	}
	return 256
}

// newCode returns the canonical Huffman code with these lengths, keyed by code word.
func newCode(lengths []int) map[string]int {
	code, next := make(map[string]int), 0
	for n := 1; n <= 15; n++ {
		for s, length := range lengths {
			if length == n {
				code[fmt.Sprintf("%0*b", n, next)] = s
				next++
			}
		}
		next <<= 1
	}
	return code
}

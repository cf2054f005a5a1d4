package ws

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/google/go-cmp/cmp"
)

// squeeze returns the payload of a compressed message as a client would send it.
func squeeze(s string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	_, _ = io.WriteString(w, s)
	_ = w.Flush()
	return strings.TrimSuffix(b.String(), flushTail)
}

// ended is like squeeze, but ends with a final block.
func ended(s string) string { return squeeze(s) + finalTail }

// maskedPacked returns a frame with the bit that marks a compressed message.
func maskedPacked(op ws.OpCode, fin bool, payload string) []byte {
	b := masked(op, fin, payload)
	b[0] |= rsv1
	return b
}

func parseDeflate(limit int, pieces ...[]byte) ([]got, error) {
	return parseWith(&parser{max: limit, deflate: true}, pieces...)
}

// noise returns n incompressible bytes.
func noise(n int) string {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b)
	return string(b)
}

// chat returns the JSON of a message of n bytes, or a few more if n is small.
func chat(n int) string {
	const head, tail = `{"event":"chat:message","data":{"user":"user-4711","sentAt":1795430000123,"text":"`, `"}}`
	rnd := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields("the room hello you are now going to message about time people would there what so if who get")
	var b strings.Builder
	b.WriteString(head)
	for b.Len() < n-len(tail) {
		b.WriteString(words[rnd.IntN(len(words))])
		b.WriteByte(' ')
	}
	return b.String()[:max(len(head), n-len(tail))] + tail
}

func TestParserDeflateMessages(t *testing.T) {
	const limit = 100_000
	long, hard := chat(limit), noise(limit)
	halves := func(s string) (string, string) { return s[:len(s)/2], s[len(s)/2:] }
	chat1, chat2 := halves(squeeze(chat(1000)))
	hard1, hard2 := halves(squeeze(hard))
	tests := []struct {
		name   string
		stream [][]byte
		want   []got
	}{
		{"text", [][]byte{maskedPacked(ws.OpText, true, squeeze("hello"))}, []got{{ws.OpText, "hello"}}},
		{"binary that is not text", [][]byte{maskedPacked(ws.OpBinary, true, squeeze("\xff\x00"))}, []got{{ws.OpBinary, "\xff\x00"}}},
		{"empty", [][]byte{maskedPacked(ws.OpText, true, "\x00")}, []got{{ws.OpText, ""}}},
		{"empty without a block", [][]byte{maskedPacked(ws.OpText, true, "")}, []got{{ws.OpText, ""}}},
		{"not compressed", [][]byte{masked(ws.OpText, true, "hello")}, []got{{ws.OpText, "hello"}}},
		{"one after the other", [][]byte{
			maskedPacked(ws.OpText, true, squeeze("aaaaaaaaaaaaaaaa")), masked(ws.OpText, true, "b"),
			maskedPacked(ws.OpText, true, squeeze("c")),
		}, []got{{ws.OpText, "aaaaaaaaaaaaaaaa"}, {ws.OpText, "b"}, {ws.OpText, "c"}}},
		{"in fragments", [][]byte{
			maskedPacked(ws.OpText, false, chat1), masked(ws.OpContinuation, true, chat2),
		}, []got{{ws.OpText, chat(1000)}}},
		{"in fragments, some empty, with control frames between", [][]byte{
			maskedPacked(ws.OpBinary, false, ""), masked(ws.OpPing, true, "1"), masked(ws.OpContinuation, false, chat1),
			masked(ws.OpContinuation, false, chat2), masked(ws.OpContinuation, true, ""), masked(ws.OpText, true, "plain"),
		}, []got{{ws.OpPing, "1"}, {ws.OpBinary, chat(1000)}, {ws.OpText, "plain"}}},
		{"plain fragments after compressed ones", [][]byte{
			maskedPacked(ws.OpText, false, chat1), masked(ws.OpContinuation, true, chat2),
			masked(ws.OpText, false, "a"), masked(ws.OpContinuation, true, "b"),
		}, []got{{ws.OpText, chat(1000)}, {ws.OpText, "ab"}}},
		{"exactly as large as allowed", [][]byte{maskedPacked(ws.OpText, true, squeeze(long))}, []got{{ws.OpText, long}}},
		{"exactly as large as allowed, incompressible", [][]byte{maskedPacked(ws.OpBinary, true, squeeze(hard))}, []got{{ws.OpBinary, hard}}},
		{"exactly as large as allowed, incompressible, in fragments", [][]byte{
			maskedPacked(ws.OpBinary, false, hard1), masked(ws.OpContinuation, true, hard2),
		}, []got{{ws.OpBinary, hard}}},
		// RFC 7692, section 7.2.3.
		{"one block", [][]byte{maskedPacked(ws.OpText, true, "\xf2\x48\xcd\xc9\xc9\x07\x00")}, []got{{ws.OpText, "Hello"}}},
		{"fragments of one block", [][]byte{
			maskedPacked(ws.OpText, false, "\xf2\x48\xcd"), masked(ws.OpContinuation, true, "\xc9\xc9\x07\x00"),
		}, []got{{ws.OpText, "Hello"}}},
		{"a block that is not compressed", [][]byte{
			maskedPacked(ws.OpText, true, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"),
		}, []got{{ws.OpText, "Hello"}}},
		{"a final block", [][]byte{maskedPacked(ws.OpText, true, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00")}, []got{{ws.OpText, "Hello"}}},
		{"two blocks", [][]byte{
			maskedPacked(ws.OpText, true, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"),
		}, []got{{ws.OpText, "Hello"}}},
		// Variants made by other implementations.
		{"nothing after a final block", [][]byte{maskedPacked(ws.OpText, true, "\xf3\x48\xcd\xc9\xc9\x07\x00")}, []got{{ws.OpText, "Hello"}}},
		{"a final block in place of the removed tail", [][]byte{
			maskedPacked(ws.OpText, true, strings.TrimSuffix(ended("Hello"), flushTail)),
		}, []got{{ws.OpText, "Hello"}}},
		{"several final blocks", [][]byte{
			maskedPacked(ws.OpText, true, strings.Repeat("\xf3\x48\xcd\xc9\xc9\x07\x00", 3)+ended("!")+squeeze("?")),
		}, []got{{ws.OpText, "HelloHelloHello!?"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stream := bytes.Join(tt.stream, nil)
			for name, pieces := range map[string][][]byte{
				"whole": {stream}, "frames": tt.stream, "bytes": bytewise(stream),
			} {
				out, err := parseDeflate(limit, pieces...)
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

func TestParserDeflateViolations(t *testing.T) {
	const limit = 1000
	key := "\x01\x02\x03\x04"
	text := func(s string) string { return string(maskedPacked(ws.OpText, true, s)) }
	fragment := string(maskedPacked(ws.OpText, false, squeeze("hello")))
	tests := []struct {
		name   string
		stream string
		code   uint16
	}{
		{"compressed ping", "\xc9\x80" + key, 1002},
		{"compressed close", "\xc8\x80" + key, 1002},
		{"the bit in a continuation", fragment + "\xc0\x80" + key, 1002},
		{"the bit in a plain message's continuation", string(masked(ws.OpText, false, "a")) + "\xc0\x80" + key, 1002},
		{"the bit in a continuation without a message", "\xc0\x80" + key, 1002},
		{"compressed message within a message", fragment + "\xc1\x80" + key, 1002},
		{"unknown opcode", "\xc3\x80" + key, 1002},
		{"second reserved bit", "\xa1\x80" + key, 1002},
		{"second reserved bit too", "\xe1\x80" + key, 1002},
		{"third reserved bit too", "\xd1\x80" + key, 1002},
		{"no mask", "\xc1\x01a", 1002},
		{"unknown kind of block", text("\x06"), 1007},
		{"a distance before the start", text("\x02\x08\x20\x00"), 1007},
		{"lengths of a block that disagree", text("\x00\x05\x00\x00\x00hello\x00"), 1007},
		{"not compressed at all", text("hello"), 1007},
		{"cut off in a block", text("\x00\xff\x00\x00\xffhello"), 1007},
		{"without its last byte", text(squeeze(noise(100))[:100]), 1007},
		{"without the end of a final block", text("\x03"), 1007},
		{"garbage after a final block", text("\xf3\x48\xcd\xc9\xc9\x07\x00\x06"), 1007},
		{"not UTF-8", text(squeeze("a\xff")), 1007},
		{"UTF-8 only while compressed", text("\x00\x01\x00\xfe\xff\xff\x00"), 1007},
		{"one byte too many", text(squeeze(strings.Repeat("a", limit+1))), 1009},
		{"one byte too many after a final block", text(ended(strings.Repeat("a", limit)) + squeeze("b")), 1009},
		{"far too many", text(squeeze(strings.Repeat("a", 1<<20))), 1009},
		{"too many, then garbage", text(squeeze(strings.Repeat("a", limit+1)) + "\x06"), 1009},
		{"too many while compressed", "\xc1\xfe\x04\xbe", 1009},
		{"too many while compressed, in fragments", string(maskedPacked(ws.OpText, false, strings.Repeat("\x00", limit))) + "\x80\xfe\x00\xbe", 1009},
		{"too many, not compressed", "\x81\xfe\x03\xe9", 1009},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			whole := append(masked(ws.OpText, true, "before"), tt.stream...)
			for name, pieces := range map[string][][]byte{"whole": {whole}, "bytes": bytewise(whole)} {
				out, err := parseDeflate(limit, pieces...)
				var v *violation
				if !errors.As(err, &v) || v.code != tt.code {
					t.Errorf("in %s: error %v, want close code %d", name, err, tt.code)
				}
				if len(out) != 1 || out[0].Payload != "before" {
					t.Errorf("in %s: got %q", name, out)
				}
			}
		})
	}
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A message that is small when compressed and enormous when decompressed takes memory in
// proportion to the limit, not to its size.
func TestZipBomb(t *testing.T) {
	const limit = 128 << 10
	meg := squeeze(strings.Repeat("\x00", 1<<20))
	for _, tt := range []struct {
		name string
		bomb []byte
	}{
		{"one frame", maskedPacked(ws.OpText, true, strings.Repeat(meg+flushTail, 100)+"\x00")},
		{"many final blocks", maskedPacked(ws.OpText, true, strings.Repeat(ended(strings.Repeat("\x00", 10_000)), 1000))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if len(tt.bomb) > limit {
				t.Fatalf("the bomb itself has %d bytes", len(tt.bomb))
			}
			p := parser{max: limit, deflate: true}
			var err error
			n := allocated(func() {
				err = p.feed(tt.bomb, func(ws.OpCode, []byte) error { t.Error("a message was delivered"); return nil })
			})
			if v := (*violation)(nil); !errors.As(err, &v) || v.code != closeMessageLarge {
				t.Errorf("got %v", err)
			}
			// A decompressor takes 60 KB; its buffer grows to the limit in steps.
			if n > 4*limit {
				t.Errorf("%d bytes were allocated", n)
			}
		})
	}
}

// A large message does not leave a large buffer in the pool.
func TestUnpackerKeepsLittle(t *testing.T) {
	u := unpackers.New().(*unpacker)
	if _, err := u.unpack([]byte(squeeze(strings.Repeat("a", 1<<20))), 1<<20); err != nil {
		t.Fatal(err)
	}
	u.free()
	if cap(u.out) > keepBuffer || u.src.b != nil {
		t.Errorf("%d bytes are kept, and %d of the payload", cap(u.out), len(u.src.b))
	}
}

// inflate is a simple version of unpack that does not protect against hostile peers.
func inflate(b []byte, limit int) (string, error) {
	src := bytes.NewReader(slices.Concat(b, []byte("\x00\x00\xff\xff\x01\x00\x00\xff\xff")))
	var out []byte
	for first := true; first || src.Len() > 9; first = false {
		part, err := io.ReadAll(io.LimitReader(flate.NewReader(src), int64(limit)+1))
		if out = append(out, part...); len(out) > limit {
			return "", errUnpackedLarge
		}
		if err != nil {
			return "", err
		}
	}
	// Nothing may remain, or the block added here, or that block and the end of another
	// one.
	if n := src.Len(); n != 0 && n != 5 && n != 9 {
		return "", errors.New("the tail was read as data")
	}
	return string(out), nil
}

func FuzzUnpack(f *testing.F) {
	for _, s := range []string{"", "a", chat(300), noise(300), strings.Repeat("x", 5000)} {
		f.Add([]byte(squeeze(s)))
		f.Add(append([]byte(squeeze(s)), "\xf3\x48\xcd\xc9\xc9\x07\x00"+squeeze(s)...))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 1000
		if len(b) == 0 {
			return // the only case in which unpack and inflate differ
		}
		want, wantErr := inflate(b, limit)
		u := unpackers.Get().(*unpacker)
		defer u.free()
		out, err := u.unpack(b, limit)
		var v, wantV *violation
		switch {
		case err == nil:
			if wantErr != nil || string(out) != want {
				t.Errorf("got %q; want %q, %v", out, want, wantErr)
			}
		case !errors.As(err, &v) || wantErr == nil:
			t.Errorf("error %v; want %v", err, wantErr)
		case (v.code == closeMessageLarge) != errors.As(wantErr, &wantV):
			t.Errorf("error %v; want %v", err, wantErr)
		}
	})
}

func BenchmarkDeflate(b *testing.B) {
	for _, n := range []int{128, 256, 1024, 16 << 10} {
		s := []byte(chat(n))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(s)))
			var out []byte
			for b.Loop() {
				out = deflated(s, maxWindow, len(s))
			}
			b.ReportMetric(float64(len(out))/float64(len(s)), "ratio")
		})
	}
}

// BenchmarkMessageBytesShared measures the cost for each connection after the first one.
func BenchmarkMessageBytesShared(b *testing.B) {
	m := text(chat(1024))
	m.bytes(maxWindow)
	b.ReportAllocs()
	for b.Loop() {
		if len(m.bytes(maxWindow)) >= m.Size() {
			b.Fatal("not compressed")
		}
	}
}

func BenchmarkParserDeflate(b *testing.B) {
	for _, n := range []int{128, 1024, 64 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			frame := maskedPacked(ws.OpText, true, squeeze(chat(n)))
			p := parser{max: 1 << 17, deflate: true}
			buf := make([]byte, len(frame))
			b.ReportAllocs()
			b.SetBytes(int64(n))
			for b.Loop() {
				copy(buf, frame)
				if err := p.feed(buf, func(ws.OpCode, []byte) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

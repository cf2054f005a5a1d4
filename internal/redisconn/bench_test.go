package redisconn_test

import (
	"io"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/redisconn"
)

// BenchmarkRead measures checking a message, with 64 KiB of messages per Read. For
// comparison, "bare" only copies them.
func BenchmarkRead(b *testing.B) {
	message := pushed("pmessage", "ws:room:*", "ws:room:r", strings.Repeat("x", 300))
	n := (64 << 10) / len(message)
	sends := []byte(strings.Repeat(message, n))
	for _, name := range []string{"bare", "checked", "byte by byte"} {
		b.Run(name, func(b *testing.B) {
			s := &server{piece: all}
			c := redisconn.Wrap(s, 0)
			if _, err := io.WriteString(c, commands(hello3, "PSUBSCRIBE ws:room:*")); err != nil {
				b.Fatal(err)
			}
			buf := make([]byte, 64<<10)
			s.sends = []byte(isRESP + pushed("psubscribe", "ws:room:*", ":1"))
			if _, err := c.Read(buf); err != nil {
				b.Fatal(err)
			}
			r := io.Reader(c)
			switch name {
			case "bare":
				r = s
			case "byte by byte": // no message is complete in one Read
				s.piece = func() int { return len(message) - 1 }
			}
			for b.Loop() {
				for s.sends = sends; len(s.sends) > 0; {
					if _, err := r.Read(buf); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/message")
		})
	}
}

// BenchmarkWrite measures following a PUBLISH command and its reply.
func BenchmarkWrite(b *testing.B) {
	s := &server{piece: all}
	c := redisconn.Wrap(s, 0)
	publishes := []byte(strings.Repeat(command("PUBLISH", "ws:room:r", strings.Repeat("x", 300)), 100))
	replies := []byte(strings.Repeat(":12\r\n", 100))
	buf := make([]byte, 64<<10)
	for b.Loop() {
		s.sends = replies
		if _, err := c.Write(publishes); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*100), "ns/publish")
}

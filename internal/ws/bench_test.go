package ws

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
)

func BenchmarkParser(b *testing.B) {
	frame := masked(ws.OpText, true, strings.Repeat("x", 128))
	p := parser{max: 1 << 17}
	buf := make([]byte, len(frame))
	b.ReportAllocs()
	b.SetBytes(int64(len(frame)))
	for b.Loop() {
		copy(buf, frame)
		if err := p.feed(buf, func(ws.OpCode, []byte) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDeliver sends one message, or a burst, to many connections over real sockets,
// until the kernel has everything.
func BenchmarkDeliver(b *testing.B) {
	for _, conns := range []int{1, 100, 5000} {
		for _, burst := range []int{1, 200} {
			b.Run(fmt.Sprintf("%d connections, %d messages", conns, burst), func(b *testing.B) {
				deliver(b, conns, burst)
			})
		}
	}
}

func deliver(b *testing.B, conns, burst int) {
	opts := defaults()
	opts.Engine = NewEngine(EngineConfig{Threads: runtime.GOMAXPROCS(0), PollFailed: func(err error) { b.Error(err) }})
	list := make([]*Conn, conns)
	var running sync.WaitGroup
	for i := range list {
		server, client := tcpPair(b)
		list[i] = NewConn(server, 0, &opts)
		l := begin(list[i], nil, ignore)
		running.Go(func() { <-l.finished })
		running.Go(func() {
			_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{client}, make([]byte, 4096))
			_ = client.Close()
		})
	}
	m := text(strings.Repeat("x", 186))
	b.ReportAllocs()
	for b.Loop() {
		for range burst {
			for _, c := range list {
				c.Enqueue(m)
			}
		}
		for _, c := range list {
			for busy(c) {
				runtime.Gosched()
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*conns*burst), "ns/delivery")
	for _, c := range list {
		c.Abort(CauseAborted)
	}
	running.Wait()
	opts.Engine.Close()
}

func busy(c *Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.scheduled
}

// BenchmarkQueue measures queueing a message on a connection and taking it for the writer,
// without a socket.
func BenchmarkQueue(b *testing.B) {
	for _, burst := range []int{1, 64} {
		b.Run(fmt.Sprintf("%d messages", burst), func(b *testing.B) {
			c := &Conn{opts: &Options{Engine: new(Engine), BackpressureLimit: 1 << 20}, held: true}
			m := text(strings.Repeat("x", 186))
			var j joiner
			for b.Loop() {
				for range burst {
					c.Enqueue(m)
				}
				c.held = false
				c.take(&j)
				out := j.bytes(c)
				c.sent(&j, out, len(out))
				c.held = true
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*burst), "ns/message")
		})
	}
}

// BenchmarkBehind measures sending to a peer that does not read and for which thousands of
// small messages are waiting.
func BenchmarkBehind(b *testing.B) {
	const waiting = 8000
	for _, policy := range []Policy{DropNewest, DropOldest, Latest} {
		b.Run(fmt.Sprintf("policy %d", policy), func(b *testing.B) {
			c := &Conn{opts: &Options{Engine: new(Engine), BackpressureLimit: waiting * text("x").cost()}, held: true, blocked: true}
			messages := make([]*Message, waiting)
			for i := range messages {
				messages[i] = text("x").Under(policy, fmt.Sprint(i))
				c.Enqueue(messages[i])
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				c.Enqueue(messages[i*7919%waiting])
			}
		})
	}
}

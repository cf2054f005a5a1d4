package ignis_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/promignis"
	"github.com/ignis-go/ignis/wire"
)

// crowdVariable turns this test program into a crowd of clients. It contains the address
// of the server and the number of clients.
const crowdVariable = "BENCH_CROWD"

// beCrowd connects and authenticates clients, which read everything, until its standard
// input ends. It runs in a separate process, because one process may not have enough
// descriptors for both ends.
func beCrowd(address string, clients int) error {
	for range clients {
		c, _, _, err := ws.Dial(context.Background(), "ws://"+address)
		if err != nil {
			return err
		}
		if _, err := c.Write(encode(ws.NewTextFrame([]byte(authenticate)))); err != nil {
			return err
		}
		go func() {
			_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, 4<<10))
		}()
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// withMetrics adds the hooks of promignis to the servers of the benchmarks, to measure what
// metrics cost.
var withMetrics = flag.Bool("metrics", false, "run the benchmarks with the hooks of promignis")

func benchHooks() ignis.Hooks {
	if *withMetrics {
		return promignis.NewRecorder().Hooks()
	}
	return ignis.Hooks{}
}

// populated returns a server with that many clients in room "lobby", over real sockets.
func populated(b *testing.B, clients int) *node {
	n := start(b, ignis.Config{
		Hooks:             benchHooks(),
		Logger:            slog.New(slog.DiscardHandler),
		BackpressureLimit: 1 << 30,
		IdleTimeout:       -1,
		HeartbeatTimeout:  time.Hour,
	})
	c, err := n.dial(context.Background(), "", "")
	if err != nil {
		b.Fatal(err)
	}
	_ = c.Close()
	cmd := childproc.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", crowdVariable, c.RemoteAddr(), clients))
	cmd.Stderr = os.Stderr
	leave, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = leave.Close()
		_ = cmd.Wait()
	})
	n.until("all clients are authenticated", func() bool { return n.Stats().Authenticated == clients })
	for _, c := range n.Clients() {
		_ = n.Join(c.ID, "lobby")
	}
	return n
}

const benchData = `{"id":12345,"text":"a message of a usual size, as chats have them, and some more","tags":["a","b"],"at":1234567890}`

// BenchmarkDispatch measures from the bytes on the socket to the handler.
func BenchmarkDispatch(b *testing.B) {
	got := make(chan struct{}, 1)
	var count atomic.Int64
	const batch = 50
	n := start(b, ignis.Config{
		Hooks:  benchHooks(),
		Logger: slog.New(slog.DiscardHandler), MessageRate: 1e9, MessageBurst: 1e9, ByteRate: 1e9, ByteBurst: 1e9,
		OnMessage: func(context.Context, *ignis.Client, wire.Message) (any, error) {
			if count.Add(1)%batch == 0 {
				got <- struct{}{}
			}
			return nil, nil
		},
	})
	p := n.login("ann")
	var frames []byte
	for range batch {
		frames = append(frames, encode(ws.NewTextFrame([]byte(`{"event":"chat","data":{"room":"lobby","text":"a message of a usual size"},"id":"7"}`)))...)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(frames) / batch))
	for i := 0; i < b.N; i += batch {
		if _, err := p.conn.Write(frames); err != nil {
			b.Fatal(err)
		}
		<-got
	}
}

// BenchmarkSendToRoom measures from Send until the kernel has the message for each member,
// with one message or 100 in a row.
func BenchmarkSendToRoom(b *testing.B) {
	for _, members := range []int{1, 100, 10_000} {
		for _, messages := range []int{1, 100} {
			b.Run(fmt.Sprintf("members=%d/messages=%d", members, messages), func(b *testing.B) {
				n := populated(b, members)
				fanOut(b, n, members*messages, func() {
					for range messages {
						if err := n.SendLocal(ignis.ToRoom("lobby"), "chat", json.RawMessage(benchData)); err != nil {
							b.Fatal(err)
						}
					}
				})
			})
		}
	}
}

// BenchmarkReceive measures from an envelope on the bus until the kernel has the message for
// each member.
func BenchmarkReceive(b *testing.B) {
	envelope := []byte(`{"serverId":"emitter","type":"room","target":"lobby","event":"chat","data":` + benchData + `}`)
	for _, members := range []int{1, 100} {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			n := populated(b, members)
			fanOut(b, n, 100*members, func() {
				for range 100 {
					ignis.Receive(n.Server, envelope)
				}
			})
		})
	}
}

// fanOut measures send, which makes the given number of deliveries.
func fanOut(b *testing.B, n *node, deliveries int, send func()) {
	send()
	ignis.Settle(n.Server) // exclude one-time initialization
	b.ReportAllocs()
	for b.Loop() {
		send()
		ignis.Settle(n.Server)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*deliveries), "ns/delivery")
}

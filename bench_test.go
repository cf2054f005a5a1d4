package ignis_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// replay is a connection whose peer sends what is in its channel and takes
// everything at once.
type replay struct {
	in      chan []byte
	rest    []byte
	written *atomic.Int64
	once    sync.Once
	closed  chan struct{}
}

func (c *replay) Read(b []byte) (int, error) {
	if len(c.rest) == 0 {
		select {
		case c.rest = <-c.in:
		case <-c.closed:
			return 0, io.EOF
		}
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func (c *replay) Write(b []byte) (int, error) { c.written.Add(int64(len(b))); return len(b), nil }
func (c *replay) Close() error                { c.once.Do(func() { close(c.closed) }); return nil }
func (c *replay) LocalAddr() net.Addr         { return (&pipes{}).Addr() }
func (c *replay) RemoteAddr() net.Addr        { return (&pipes{}).Addr() }
func (c *replay) SetReadDeadline(t time.Time) error {
	if !t.IsZero() {
		return c.Close()
	}
	return nil
}
func (c *replay) SetWriteDeadline(time.Time) error { return nil }
func (c *replay) SetDeadline(t time.Time) error    { return c.SetReadDeadline(t) }

// populated returns a server with that many clients in room "lobby", of which
// the first is returned.
func populated(b *testing.B, clients int, cfg ignis.Config) (*node, *replay) {
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.BackpressureLimit = 1 << 30
	cfg.DropWhenFull = true
	cfg.IdleTimeout = -1
	cfg.HeartbeatTimeout = time.Hour
	n := newNode(b, cfg)
	<-n.Ready()
	var first *replay
	var written atomic.Int64
	for range clients {
		c := &replay{in: make(chan []byte, 1), closed: make(chan struct{}), written: &written}
		c.in <- encode(ws.NewTextFrame([]byte(`{"event":"authenticate","data":{"user":"ann"}}`)))
		ignis.Adopt(n.Server, c)
		if first == nil {
			first = c
		}
	}
	n.until("all are in", func() bool { return n.Stats().Authenticated == clients })
	for _, c := range n.Clients() {
		_ = n.Join(c.ID, "lobby")
	}
	return n, first
}

var payload = map[string]any{"id": 12345, "text": "a message of a usual size, as chats have them", "tags": []string{"a", "b"}}

// From the bytes on the socket to the handler.
func BenchmarkDispatch(b *testing.B) {
	got := make(chan struct{}, 1)
	var count atomic.Int64
	const batch = 50
	_, c := populated(b, 1, ignis.Config{OnMessage: func(context.Context, *ignis.Client, wire.Message) error {
		if count.Add(1)%batch == 0 {
			got <- struct{}{}
		}
		return nil
	}})
	var frames []byte
	for range batch {
		frames = append(frames, encode(ws.NewTextFrame([]byte(`{"event":"chat","data":{"room":"lobby","text":"a message of a usual size"},"id":"7"}`)))...)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(frames) / batch))
	for i := 0; i < b.N; i += batch {
		c.in <- frames
		<-got
	}
}

// From Send to the queue of each member and out of it. A write costs nothing
// here: what is left is the server's own work.
func BenchmarkSendToRoom(b *testing.B) {
	for _, members := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(members), func(b *testing.B) {
			n, _ := populated(b, members, ignis.Config{})
			b.ReportAllocs()
			for b.Loop() {
				if err := n.SendToRoom("lobby", "chat", payload); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*members), "ns/member")
		})
	}
}

// From an envelope of the bus to the queue of each member of its room.
func BenchmarkReceive(b *testing.B) {
	for _, members := range []int{1, 100} {
		b.Run(fmt.Sprint(members), func(b *testing.B) {
			n, _ := populated(b, members, ignis.Config{})
			envelope := []byte(`{"serverId":"emitter","type":"room","target":"lobby","event":"chat","data":{"id":12345,"text":"a message of a usual size, as chats have them"}}`)
			b.ReportAllocs()
			b.SetBytes(int64(len(envelope)))
			for b.Loop() {
				ignis.Receive(n.Server, envelope)
			}
		})
	}
}

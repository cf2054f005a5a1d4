package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/client"
)

// Tests in fake time, over unbuffered in-memory connections.

// pipe connects to an in-memory server.
func pipe(t *testing.T, cfg client.Config, script func(p *peer)) *client.Conn {
	t.Helper()
	cfg.NetDial = inMemory(t, func(p *peer) {
		p.accept()
		script(p)
	})
	return dial(t, "ws://server/ws", cfg)
}

func TestHeartbeats(t *testing.T) {
	for _, tt := range []struct{ set, want time.Duration }{{0, 30 * time.Second}, {time.Minute, time.Minute}} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			c := pipe(t, client.Config{HeartbeatInterval: tt.set}, func(p *peer) {
				for i := range 20 {
					p.expect(heartbeat)
					if got, want := time.Since(start), time.Duration(i+1)*tt.want; got != want {
						p.t.Errorf("heartbeat %d after %v, want %v", i, got, want)
					}
					if op, _, _ := p.next(); op != ws.OpPing {
						p.fatalf("got %x, want a ping", op)
					}
					p.raw(encode(ws.OpPong, ""))
				}
				p.raw(numbered(0))
				p.drain()
			})
			wantReceive(t, c, 0, 1)
		})
	}
}

func TestNoHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipe(t, client.Config{HeartbeatInterval: -1}, func(p *peer) {
			_ = p.conn.SetReadDeadline(time.Now().Add(24 * time.Hour))
			if op, got, ok := p.next(); ok {
				p.t.Errorf("got %x %q, want nothing", op, got)
			}
			_ = p.conn.SetReadDeadline(time.Time{})
			p.raw(numbered(0)) // the client tolerates the silence
			p.drain()
		})
		wantReceive(t, c, 0, 1)
	})
}

func TestSilentServerIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipe(t, client.Config{}, func(p *peer) { _, _ = io.Copy(io.Discard, p.r) })
		_, err := c.Receive(t.Context())
		if !errors.Is(err, client.ErrLost) || !strings.Contains(err.Error(), "silent for 1m30s") {
			t.Errorf("Receive: %v, want ErrLost for silence", err)
		}
	})
}

// A slow application does not make the server count as silent.
func TestSlowReceiverKeepsConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000 // more than the queue holds
		c := pipe(t, client.Config{}, func(p *peer) {
			go func() {
				for i := range n {
					p.raw(numbered(i))
				}
			}()
			p.drain()
		})
		time.Sleep(time.Hour)
		wantReceive(t, c, 0, n)
	})
}

func TestBackpressure(t *testing.T) {
	tests := []struct {
		name      string
		size      int // of data
		low, high int // messages that the client may read before Receive is called
	}{
		{"by number", 0, 256, 258},
		{"by bytes", 300 << 10, 4, 6},
		{"a single large one", 1200 << 10, 1, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 25
				if tt.size == 0 {
					n = 600
				}
				var sent atomic.Int64
				c := pipe(t, client.Config{HeartbeatInterval: -1}, func(p *peer) {
					go p.drain()
					for i := range n {
						p.text(fmt.Sprintf(`{"event":"n","data":%d,"x":"%s"}`, i, strings.Repeat("x", tt.size)))
						sent.Add(1)
					}
				})
				synctest.Wait()
				if got := int(sent.Load()); got < tt.low || got > tt.high {
					t.Errorf("the client took %d messages, want %d to %d", got, tt.low, tt.high)
				}
				wantReceive(t, c, 0, 10)
				synctest.Wait()
				if got := int(sent.Load()); got < tt.low+10 || got > tt.high+10 {
					t.Errorf("the client took %d messages after 10 were received", got)
				}
				wantReceive(t, c, 10, n)
			})
		})
	}
}

// Large messages may take longer than the write timeout, as long as they make
// progress.
func TestSlowServerIsNotStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipe(t, client.Config{HeartbeatInterval: -1}, func(p *peer) {
			b := make([]byte, 16<<10)
			for range 40 {
				time.Sleep(4 * time.Second)
				if _, err := io.ReadFull(p.conn, b); err != nil {
					p.fatalf("read: %v", err)
				}
			}
			_, _ = io.Copy(io.Discard, p.conn)
		})
		if err := c.Send(t.Context(), "x", strings.Repeat("x", 40*16<<10)); err != nil {
			t.Error(err)
		}
	})
}

// Receive returns the server's close reason, not the error of a write that failed.
func TestCloseReasonSurvivesFailedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := client.Config{NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := inMemory(t, func(p *peer) {
				p.accept()
				for i := range 300 {
					p.raw(numbered(i))
				}
				p.close(1001, "Server shutting down")
			})(ctx, network, addr)
			return &brokenWrites{Conn: conn, after: 2}, err
		}}
		c := dial(t, "ws://server/ws", cfg)
		synctest.Wait() // the queue is full, and the reason unread
		within(t, 0, func() {
			for range 2 {
				if err := c.Send(t.Context(), "x", nil); !errors.Is(err, client.ErrLost) {
					t.Errorf("Send: %v, want ErrLost", err)
				}
			}
		})
		wantReceive(t, c, 0, 300)
		_, err := c.Receive(t.Context())
		var closed *client.CloseError
		if !errors.As(err, &closed) || closed.Code != 1001 {
			t.Errorf("Receive: %v, want the server's 1001", err)
		}
	})
}

// brokenWrites is a connection whose writes fail after a while.
type brokenWrites struct {
	net.Conn
	after int
}

func (b *brokenWrites) Write(p []byte) (int, error) {
	if b.after--; b.after < 0 {
		return 0, errors.New("broken pipe")
	}
	return b.Conn.Write(p)
}

// Both sides send more than the buffers hold, and the server does not read until it
// is done.
func TestNoDeadlockOfWriters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 2000
		c := pipe(t, client.Config{HeartbeatInterval: -1}, func(p *peer) {
			for i := range n {
				p.raw(encode(ws.OpPing, "answer me"))
				p.raw(numbered(i))
			}
			p.drain()
		})
		go func() { _ = c.Send(t.Context(), "x", strings.Repeat("x", 1<<20)) }()
		wantReceive(t, c, 0, n)
	})
}

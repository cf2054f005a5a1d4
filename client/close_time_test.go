package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/client"
)

// Tests in fake time of how connections end.

// within fails the test when f takes longer than limit of the bubble's time.
func within(t *testing.T, limit time.Duration, f func()) {
	t.Helper()
	start := time.Now()
	f()
	if took := time.Since(start); took > limit {
		t.Errorf("took %v, want %v at most", took, limit)
	}
}

// Close and the end of the connection work while the reader waits for room.
func TestCloseWithFullQueue(t *testing.T) {
	for size, queued := range map[int]int{0: 256, 600 << 10: 2} {
		synctest.Test(t, func(t *testing.T) {
			padding := strings.Repeat(" ", size)
			c := pipe(t, client.Config{}, func(p *peer) {
				go p.drain()
				for i := 0; ; i++ {
					if _, err := p.conn.Write(encode(ws.OpText, fmt.Sprintf(`{"event":"n","data":%d%s}`, i, padding))); err != nil {
						return
					}
				}
			})
			synctest.Wait()
			within(t, 0, func() {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			})
			wantReceive(t, c, 0, queued)
			if _, err := c.Receive(t.Context()); !errors.Is(err, client.ErrClosed) {
				t.Errorf("Receive: %v, want ErrClosed", err)
			}
		})
	}
}

// On a connection that has ended, Close does not wait for the server.
func TestCloseAfterEnd(t *testing.T) {
	for name, raw := range map[string][]byte{
		"by the server": encode(ws.OpClose, "\x03\xe9"),
		"by an error":   encode(ws.OpText, "broken"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := pipe(t, client.Config{}, func(p *peer) {
					p.raw(raw)
					_, _ = io.Copy(io.Discard, p.r)
				})
				_, _ = c.Receive(t.Context())
				within(t, 0, func() { _ = c.Close() })
			})
		})
	}
}

// A Dial that fails does not wait for the server either.
func TestDialFailsImmediately(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := client.Config{NetDial: inMemory(t, func(p *peer) {
			_, _, _ = p.next()
			p.raw(encode(ws.OpClose, "\x0f\xa3"))
			_, _ = io.Copy(io.Discard, p.r)
		})}
		within(t, 0, func() {
			_, err := client.Dial(t.Context(), "ws://server/ws", cfg)
			if !errors.Is(err, client.ErrAuthentication) {
				t.Errorf("Dial: %v, want ErrAuthentication", err)
			}
		})
	})
}

// A server that does not answer or read delays Close by 5 s at most.
func TestCloseWithoutAnswer(t *testing.T) {
	for name, script := range map[string]func(p *peer, done <-chan struct{}){
		"deaf":         func(_ *peer, done <-chan struct{}) { <-done },
		"mute":         func(p *peer, _ <-chan struct{}) { _, _ = io.Copy(io.Discard, p.r) },
		"never closes": func(p *peer, done <-chan struct{}) { p.drain(); <-done },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				done := make(chan struct{})
				defer close(done)
				c := pipe(t, client.Config{}, func(p *peer) { script(p, done) })
				within(t, 5*time.Second, func() {
					if err := c.Close(); err != nil {
						t.Error(err)
					}
				})
				if err := c.Close(); err != nil {
					t.Error(err)
				}
				if _, err := c.Receive(t.Context()); !errors.Is(err, client.ErrClosed) {
					t.Errorf("Receive: %v, want ErrClosed", err)
				}
			})
		})
	}
}

// A message that the server does not read blocks neither Send beyond the deadline of its
// context nor Close.
func TestStuckServer(t *testing.T) {
	stuck := func(t *testing.T) *client.Conn {
		done := make(chan struct{})
		t.Cleanup(func() { close(done) })
		return pipe(t, client.Config{}, func(*peer) { <-done })
	}
	t.Run("context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := stuck(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			var wg sync.WaitGroup
			for range 3 { // one is being written, two wait for their turn
				wg.Go(func() {
					if err := c.Send(ctx, "x", nil); !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("Send: %v, want DeadlineExceeded", err)
					}
				})
			}
			wg.Wait()
		})
	})
	t.Run("write timeout", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := stuck(t)
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					if err := c.Send(t.Context(), "x", nil); !errors.Is(err, client.ErrLost) {
						t.Errorf("Send: %v, want ErrLost", err)
					}
				})
			}
			wg.Wait()
			if _, err := c.Receive(t.Context()); !errors.Is(err, client.ErrLost) {
				t.Errorf("Receive: %v, want ErrLost", err)
			}
		})
	})
	t.Run("close", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := stuck(t)
			sent := make(chan error)
			go func() { sent <- c.Send(t.Context(), "x", strings.Repeat("x", 1<<20)) }()
			synctest.Wait()
			within(t, 5*time.Second, func() {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			})
			if err := <-sent; err == nil {
				t.Error("Send succeeded")
			}
		})
	})
}

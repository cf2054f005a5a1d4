package client_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/wire"
)

// Requests in fake time.

// The answer to an abandoned request is dropped. Until it arrives, the request counts
// toward MaxRequests.
func TestAbandonedRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pipe2(t, client.Config{MaxRequests: 2, HeartbeatInterval: -1}, func(p *peer) {
			late := []wire.Message{p.message(), p.message()}
			time.Sleep(time.Minute)
			p.ack(late[0], "")
			p.refuse(late[1], `{"code":"timeout"}`)
			p.text(`{"event":"next"}`)
			p.ack(p.message(), "3")
			p.drain()
		})
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := c.Request(ctx, "x", nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Request: %v, want DeadlineExceeded", err)
			}
			cancel()
		}
		if _, err := c.Request(t.Context(), "x", nil); err == nil || !strings.Contains(err.Error(), "MaxRequests") {
			t.Errorf("a third request: %v", err)
		}
		if got := receive(t, c); got != "next " {
			t.Errorf("received %s", got)
		}
		if m, err := c.Request(t.Context(), "x", nil); err != nil || string(m.Data) != "3" {
			t.Errorf("Request: %s, %v", m.Data, err)
		}
	})
}

// The client does not wait for answers to requests that could not be sent.
func TestRequestNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read := make(chan struct{})
		c := pipe2(t, client.Config{MaxRequests: 2, HeartbeatInterval: -1, WriteTimeout: time.Hour}, func(p *peer) {
			<-read
			p.expect(`{"event":"long"}`)
			p.ack(p.message(), "")
			p.drain()
		})
		go func() { _ = c.Send(t.Context(), "long", nil) }() // the server does not read it
		synctest.Wait()
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := c.Request(ctx, "x", nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Request: %v, want DeadlineExceeded", err)
			}
			cancel()
		}
		close(read)
		if _, err := c.Request(t.Context(), "x", nil); err != nil {
			t.Errorf("Request: %v", err)
		}
	})
}

// An answer arrives even if more messages precede it than normally wait for Receive,
// whether or not they were read before the request.
func TestRequestWithFullQueue(t *testing.T) {
	for name, row := range map[string]struct{ n, size int }{"by number": {4000, 0}, "by bytes": {30, 500 << 10}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				messages := func(p *peer, from, to int) {
					for i := from; i < to; i++ {
						p.text(fmt.Sprintf(`{"event":"n","data":%d%s}`, i, strings.Repeat(" ", row.size)))
					}
				}
				c := pipe2(t, client.Config{HeartbeatInterval: -1}, func(p *peer) {
					requests := make(chan wire.Message, 1)
					go func() {
						defer func() { _ = recover() }() // recovers quit at the end
						requests <- p.message()
						p.drain()
					}()
					messages(p, 0, row.n)
					p.ack(<-requests, "")
					messages(p, row.n, 2*row.n)
				})
				synctest.Wait() // the queue is full
				if _, err := c.Request(t.Context(), "x", nil); err != nil {
					t.Fatal(err)
				}
				wantReceive(t, c, 0, 2*row.n)
			})
		})
	}
}

// After a request has been answered, the normal limit for waiting messages applies again.
func TestQueueAfterRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int64
		c := pipe2(t, client.Config{HeartbeatInterval: -1}, func(p *peer) {
			p.ack(p.message(), "")
			go p.drain()
			for i := range 1000 {
				p.raw(numbered(i))
				sent.Add(1)
			}
		})
		if _, err := c.Request(t.Context(), "x", nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := sent.Load(); got > 300 {
			t.Errorf("the client took %d messages", got)
		}
		wantReceive(t, c, 0, 1000)
	})
}

// If too many messages precede an answer, the answer arrives only after calls of Receive.
// Request still notices when its context is done.
func TestRequestBehindFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 5000
		c := pipe2(t, client.Config{HeartbeatInterval: -1}, func(p *peer) {
			go p.drain()
			for i := range n {
				p.raw(numbered(i))
			}
			p.text(`{"event":"ack","id":"#2"}`)
			p.close(1001, "")
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Request(ctx, "x", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Request: %v, want DeadlineExceeded", err)
		}
		answered := make(chan error)
		go func() { answered <- second(c.Request(t.Context(), "x", nil)) }()
		synctest.Wait()
		wantReceive(t, c, 0, n)
		if err := <-answered; err != nil {
			t.Errorf("Request: %v", err)
		}
	})
}

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/wire"
)

// herd is the clients. Each reconnects when its connection ends, when the server has asked it to.
// Every fourth uses protocol 1, which has no event draining.
type herd struct {
	url     string
	traffic traffic
	clients int
	cancel  context.CancelFunc
	all     sync.WaitGroup
	open    atomic.Int64 // connections

	mu        sync.Mutex
	problems  []error
	ends      []end // of this round
	reconnect []time.Time
	began     time.Time // of this round
	received  int       // messages
	lost      int
}

// end is the end of a connection.
type end struct {
	at     time.Time
	warned bool
	away   time.Duration // until the client was connected again; 0: not yet
}

func newHerd(url string, clients int) *herd {
	return &herd{url: url, clients: clients, cancel: func() {}}
}

// connect connects all clients.
func (h *herd) connect(ctx context.Context) error {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	h.cancel = cancel
	slots := make(chan struct{}, 50) // connects that are in progress
	for i := range h.clients {
		h.all.Go(func() {
			slots <- struct{}{}
			c, err := h.dial(running, i)
			<-slots
			if err == nil {
				h.live(running, i, c)
			}
		})
	}
	return eventually(ctx, "the clients to connect", func() bool { return h.settledNow() || h.failed() })
}

func (h *herd) settledNow() bool { return int(h.open.Load()) == h.clients }

func (h *herd) failed() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.problems) > 0
}

// settled waits until all clients are connected.
func (h *herd) settled(ctx context.Context) error {
	return eventually(ctx, "the clients to reconnect", func() bool { return h.settledNow() || h.failed() })
}

func (h *herd) stop() {
	h.cancel()
	h.all.Wait()
}

// dial connects a client. A failure is a problem, because there are always servers that accept
// clients.
func (h *herd) dial(ctx context.Context, i int) (*client.Conn, error) {
	credentials := map[string]any{"userId": fmt.Sprint("user", i)}
	if i%4 == 0 {
		credentials["protocol"] = 1
	}
	c, err := client.Dial(ctx, h.url, client.Config{Credentials: credentials})
	if err != nil && ctx.Err() == nil {
		h.problem(fmt.Errorf("client %d could not connect: %w", i, err))
	}
	return c, err
}

func (h *herd) problem(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.problems = append(h.problems, err)
}

// live receives messages and reconnects until ctx is done.
func (h *herd) live(ctx context.Context, i int, c *client.Conn) {
	for {
		h.open.Add(1)
		e, after := h.receive(ctx, i, c)
		h.open.Add(-1)
		_ = c.Close()
		if ctx.Err() != nil {
			return
		}
		pause(ctx, after)
		var err error
		if c, err = h.dial(ctx, i); err != nil {
			return
		}
		e.away = time.Since(e.at)
		h.mu.Lock()
		h.ends, h.reconnect = append(h.ends, e), append(h.reconnect, time.Now())
		h.mu.Unlock()
	}
}

// receive receives messages until the connection ends, and returns how long to wait before the
// next one.
func (h *herd) receive(ctx context.Context, i int, c *client.Conn) (e end, after time.Duration) {
	s := h.traffic.session()
	for {
		m, err := c.Receive(ctx)
		if err == nil {
			if m.Event == wire.EventDraining {
				e.warned = true
			}
			if m.Event == "n" {
				s.got(m)
			}
			continue
		}
		e.at = time.Now()
		if ctx.Err() != nil {
			return e, 0
		}
		received, lost := h.traffic.ended(s, e.at)
		h.mu.Lock()
		h.received, h.lost = h.received+received, h.lost+lost
		h.mu.Unlock()
		var closed *client.CloseError
		if !errors.As(err, &closed) || closed.Code != wire.CloseGoingAway {
			h.problem(fmt.Errorf("client %d: %w", i, err))
			return e, 0
		}
		if e.warned != (i%4 != 0) {
			h.problem(fmt.Errorf("client %d was warned before the close: %v", i, e.warned))
		}
		_, after = closed.Reconnect()
		if !e.warned {
			after = time.Duration(rand.Int64N(int64(time.Second)))
		}
		return e, after
	}
}

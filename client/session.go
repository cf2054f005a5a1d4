package client

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ignis-go/ignis/wire"
)

// Refresh extends a session that expires: it sends new credentials, encoded like
// [Config.Credentials], and returns the new end of the session, or the zero time if
// it no longer ends. The credentials must be of the same user. If the server refuses,
// the error wraps an [*Error] and the session is unchanged. Refresh waits for the
// answer as [Conn.Request] does.
func (c *Conn) Refresh(ctx context.Context, credentials any) (expires time.Time, err error) {
	reply, err := c.Request(ctx, wire.EventRefresh, credentials)
	if err != nil {
		return time.Time{}, err
	}
	var data struct {
		Expires time.Time `json:"expires"`
	}
	if reply.Data != nil {
		if err := reply.Decode(&data); err != nil {
			return time.Time{}, fmt.Errorf("event %q: %w: answer: %w", wire.EventRefresh, ErrProtocol, err)
		}
	}
	c.expires.Store(&data.Expires)
	return data.Expires, nil
}

// refreshing tracks the refreshes that expiring events cause with Config.Refresh.
type refreshing struct {
	mu      sync.Mutex
	running bool
	again   bool  // another event arrived in the meantime
	err     error // of the latest refresh
}

// expiring calls Config.Refresh in a new goroutine. If a call is already running, the
// goroutine calls Refresh again when it returns.
func (c *Conn) expiring() {
	r := &c.refresh
	r.mu.Lock()
	defer r.mu.Unlock()
	r.again = r.running
	if r.running {
		return
	}
	r.running = true
	c.wg.Go(func() {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		c.wg.Go(func() {
			select {
			case <-c.over:
				cancel()
			case <-ctx.Done():
			}
		})
		for r.finish(c.refreshOnce(ctx)) {
		}
	})
}

func (c *Conn) refreshOnce(ctx context.Context) error {
	credentials, err := c.cfg.Refresh(ctx)
	if err != nil {
		return err
	}
	_, err = c.Refresh(ctx, credentials)
	return err
}

// finish records the result of a refresh and reports whether to refresh again.
func (r *refreshing) finish(err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
	r.running, r.again = r.again, false
	return r.running
}

// draining records when the server wants the client to connect again.
func (c *Conn) draining(m wire.Message) {
	if d, ok := wire.DecodeDraining(m.Data); ok {
		c.retryAt = time.Now().Add(d.RetryAfter)
	}
}

// closedBy returns the error for a connection that the server closed. If the session
// ended because a refresh failed, the error says why.
func (c *Conn) closedBy(closed *CloseError) error {
	if closed.Code == wire.CloseGoingAway {
		closed.retryAt = c.retryAt
	}
	c.refresh.mu.Lock()
	defer c.refresh.mu.Unlock()
	if err := c.refresh.err; err != nil && closed.Code == wire.CloseExpired {
		return fmt.Errorf("%w; the session was not refreshed: %w", closed, err)
	}
	return closed
}

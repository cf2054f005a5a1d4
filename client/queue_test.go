package client_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/client"
)

// Messages that arrive together wake as many receivers, and the end of the connection wakes
// all others.
func TestManyReceivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const receivers, messages = 5, 3
		send, end := make(chan struct{}), make(chan struct{})
		c := pipe(t, client.Config{HeartbeatInterval: -1}, func(p *peer) {
			<-send
			var b []byte
			for i := range messages {
				b = append(b, numbered(i)...)
			}
			p.raw(b)
			<-end
			p.close(ws.StatusGoingAway, "")
			p.drain()
		})
		results := make(chan error, receivers)
		for range receivers {
			go func() {
				_, err := c.Receive(t.Context())
				results <- err
			}()
		}
		synctest.Wait()
		close(send)
		synctest.Wait()
		if got := len(results); got != messages {
			t.Errorf("%d of %d receivers returned with %d messages", got, receivers, messages)
		}
		close(end)
		synctest.Wait()
		if got := len(results); got != receivers {
			t.Fatalf("%d of %d receivers returned at the end", got, receivers)
		}
		closed := 0
		for range receivers {
			if errors.As(<-results, new(*client.CloseError)) {
				closed++
			}
		}
		if closed != receivers-messages {
			t.Errorf("%d receivers returned a CloseError, want %d", closed, receivers-messages)
		}
	})
}

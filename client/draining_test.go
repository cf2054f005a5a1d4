package client_test

import (
	"errors"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/client"
)

// The error of a connection that ends after a draining event says when to connect again.
func TestDraining(t *testing.T) {
	for _, row := range []struct {
		event    string
		code     ws.StatusCode
		min, max time.Duration
	}{
		{`{"event":"draining","data":{"retryAfter":3600000}}`, 1001, 50 * time.Minute, time.Hour},
		{`{"event":"draining","data":{"retryAfter":0}}`, 1001, 0, 0},
		{`{"event":"draining","data":{"retryAfter":3600000}}`, 1013, 5 * time.Second, 5 * time.Second}, // for another reason
		{`{"event":"draining","data":{"retryAfter":-1}}`, 1001, 0, 0},
		{`{"event":"draining","data":{"retryAfter":"soon"}}`, 1001, 0, 0},
		{`{"event":"draining","data":{"retryAfter":1e300}}`, 1001, 0, 0},
		{`{"event":"draining"}`, 1001, 0, 0},
	} {
		url := serve(t, func(p *peer) {
			p.accept2("")
			p.text(row.event)
			p.close(row.code, "")
			p.expectClose(row.code)
		})
		c := dial(t, url, client.Config{})
		if m, err := c.Receive(t.Context()); err != nil || m.Event != "draining" {
			t.Errorf("%s: received %+v, %v", row.event, m, err)
		}
		_, err := c.Receive(t.Context())
		var closed *client.CloseError
		if !errors.As(err, &closed) {
			t.Fatalf("%s: %v", row.event, err)
		}
		if again, after := closed.Reconnect(); !again || after < row.min || after > row.max {
			t.Errorf("%s and %d: reconnect %v, after %v", row.event, row.code, again, after)
		}
	}
}

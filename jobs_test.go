package ignis_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// A panic in Accept ends only its request, and does not prevent a graceful shutdown.
func TestAcceptPanics(t *testing.T) {
	n := startMem(t, ignis.Config{Accept: func(*http.Request) (ignis.Accepted, error) { panic("no luck") }})
	func() {
		defer func() {
			if recover() != "no luck" {
				t.Error("Accept was not called")
			}
		}()
		n.ServeHTTP(httptest.NewRecorder(), upgradeRequest())
	}()
	n.stop()
	if err := <-n.ran; err != nil {
		t.Error(err)
	}
	n.ran <- nil
}

// A callback that calls runtime.Goexit, like FailNow of a test, affects only that call.
func TestCallbackEndsItsGoroutine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := &diary{t: t}
		cfg := d.config()
		message, connect, disconnect := cfg.OnMessage, cfg.OnConnect, cfg.OnDisconnect
		cfg.OnConnect = func(ctx context.Context, c *ignis.Client) { connect(ctx, c); runtime.Goexit() }
		cfg.OnMessage = func(ctx context.Context, c *ignis.Client, m wire.Message) (any, error) {
			defer runtime.Goexit()
			return message(ctx, c, m)
		}
		cfg.OnDisconnect = func(ctx context.Context, c *ignis.Client, e ignis.Disconnect) {
			disconnect(ctx, c, e)
			runtime.Goexit()
		}
		n := startMem(t, cfg)
		p := n.login("ann")
		for range 9 {
			p.text(`{"event":"x"}`)
		}
		synctest.Wait()
		_ = p.conn.Close()
		synctest.Wait()
		want := "authenticate connect" + strings.Repeat(" x", 9) + " disconnect"
		if got := strings.Join(d.done[p.id], " "); got != want {
			t.Errorf("callbacks: %s", got)
		}
		if s := n.Stats(); s.CallbackErrors != 11 || s.Clients != 0 || !n.log.Has("OnMessage called runtime.Goexit") {
			t.Errorf("counted %+v; log: %s", s, n.log)
		}
		n.stop()
		if err := <-n.ran; err != nil {
			t.Error(err)
		}
		n.ran <- nil
	})
}

package ignis_test

import (
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis"
)

// A client is not taken for silent while the server does not read from it because it has sent too
// fast.
func TestThrottledIsNotSilent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := &heard{}
		n := startMem(t, ignis.Config{
			OnMessage: h.message, MessageRate: 1, MessageBurst: 2, ThrottleTimeout: time.Hour,
			IdleTimeout: 2400 * time.Millisecond, HeartbeatTimeout: 4 * time.Second, HeartbeatInterval: 700 * time.Millisecond,
		})
		p := n.raw()
		go p.sendCredentials("ann", "good")
		p.frame()
		go func() { _, _ = io.Copy(io.Discard, p.r) }() // does not answer pings
		frame := encode(ws.NewTextFrame([]byte(`{"event":"x"}`)))
		p.bytes(slices.Repeat(frame, 30)) // in one write, which is read at once
		go func() { _, _ = p.conn.Write(frame) }()
		synctest.Wait()
		for range 30 { // the pause ends after 29 seconds, not at the time of a check
			time.Sleep(time.Second)
			if s := n.Stats(); s.Throttled != 1 || s.Clients != 1 {
				t.Fatalf("counted %+v", s)
			}
		}
		if got := len(h.take()); got != 31 {
			t.Errorf("%d messages were handled", got)
		}
	})
}

package ignis_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis"
)

// Credentials that are too large are logged. Otherwise only a counter would show that users
// cannot connect.
func TestTooLargeBeforeAuthenticationIsLogged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{})
		p := n.connect()
		p.bytes(encode(ws.NewTextFrame([]byte(strings.Repeat(" ", 8<<10+1))))[:8])
		p.expect("<close 1009 message over 8192 bytes>", "<end>")
		if !n.log.Has("message over 8192 bytes") {
			t.Errorf("log: %s", n.log)
		}
	})
}

// Clients that send their credentials too slowly are counted, and logged once.
func TestSlowFramesAreLogged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{})
		var list []*peer
		for range 20 {
			list = append(list, n.connect())
		}
		frame := encode(ws.NewTextFrame([]byte(`{"event":"authenticate","data":{"user":"ann","token":"good"}}`)))
		for _, b := range frame[:49] {
			for _, p := range list {
				p.bytes([]byte{b})
			}
			time.Sleep(100 * time.Millisecond)
		}
		if s := n.Stats(); s.Clients != 20 {
			t.Errorf("%d clients are left before AuthTimeout", s.Clients)
		}
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if s := n.Stats(); s.Disconnects[ignis.CauseAuthTimeout] != 20 || n.log.Count("it did not authenticate in time") != 1 {
			t.Errorf("counted %v, log: %s", s.Disconnects, n.log)
		}
		for _, p := range list {
			p.expect(closed(4001)[0])
		}
	})
}

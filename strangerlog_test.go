package ignis_test

import (
	"strings"
	"testing"

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
		if !n.log.has("message over 8192 bytes") {
			t.Errorf("log: %s", n.log)
		}
	})
}

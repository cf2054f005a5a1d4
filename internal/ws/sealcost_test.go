package ws

import (
	"testing"

	"github.com/gobwas/ws"
)

// A message that waited when the connection was sealed costs as much when it leaves
// as when it was queued, even if it is a joined message.
func TestSealKeepsWhatWaitingCosts(t *testing.T) {
	onAll(t, func(t *testing.T, tr transport) {
		p := serve(t, tr, defaults(), (*Conn).Hold)
		parts := make([]*Message, 100)
		for i := range parts {
			parts[i] = text("x")
		}
		p.Enqueue(Join(parts...))
		before := p.Queued()
		p.Seal(tilde, false)
		if n := p.Queued(); n != before {
			t.Errorf("%d bytes waited, and %d when it was sealed", before, n)
		}
		p.Release()
		for range parts {
			p.expect(t, ws.OpText, "x")
		}
		until(t, "nothing to wait", func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.backlog == nil && p.rest == nil && !p.scheduled
		})
		if n := p.Queued(); n != 0 {
			t.Errorf("%d bytes count, but nothing waits", n)
		}
	})
}

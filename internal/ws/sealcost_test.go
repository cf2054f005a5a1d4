package ws

import (
	"testing"

	"github.com/gobwas/ws"
)

// Seal does not change the cost of messages that are already queued, even of joined ones.
func TestSealKeepsCost(t *testing.T) {
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
			t.Errorf("%d bytes were queued before Seal, and %d after", before, n)
		}
		p.Release()
		for range parts {
			p.expect(t, ws.OpText, "x")
		}
		until(t, "everything to be written", func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.backlog == nil && p.rest == nil && !p.scheduled
		})
		if n := p.Queued(); n != 0 {
			t.Errorf("%d bytes are queued, but none are waiting", n)
		}
	})
}

package ignis_test

import (
	"context"
	"maps"
	"testing"
	"testing/synctest"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

func TestClientStats(t *testing.T) {
	bubble(t, func(t *testing.T) {
		release := make(chan struct{})
		n := startMem(t, ignis.Config{
			Encryption: ignis.EncryptionOptional,
			OnMessage: func(context.Context, *ignis.Client, wire.Message) (any, error) {
				<-release
				return nil, nil //nolint:nilnil // no answer
			},
		})
		if st := n.ClientStats(); st.Unauthenticated != 0 || len(st.Authenticated) != 0 {
			t.Errorf("without clients: %+v", st)
		}
		n.connect()
		n.login("ann")
		busy := n.login2()
		busy.text(`{"event":"x"}`)
		synctest.Wait() // it is being handled, so the others fit into the queue
		for range 64 {
			busy.text(`{"event":"x"}`)
		}
		n.raw().text(`{"event":"authenticate","data":{"user":"deaf","protocol":2}}`)
		synctest.Wait()
		for range 10 {
			_ = n.SendLocal(ignis.ToUser("deaf"), "x", make([]byte, 10_000))
		}
		synctest.Wait()
		st := n.ClientStats()
		if want := map[int]int{1: 1, 2: 2}; st.Unauthenticated != 1 || !maps.Equal(st.Authenticated, want) || st.Encrypted != 0 {
			t.Errorf("clients: %+v, want 1 unauthenticated and %v", st, want)
		}
		if st.Slow != 1 || st.Behind != 1 {
			t.Errorf("slow and behind: %+v, want 1 each", st)
		}
		// All messages wait, because the client reads nothing.
		if st.QueuedBytes < 10*13_000 || st.QueuedBytes > 10*15_000 || st.MaxQueuedBytes != st.QueuedBytes {
			t.Errorf("queued: %+v", st)
		}
		close(release)
	})
	var none *ignis.Server
	if st := none.ClientStats(); st.Authenticated == nil {
		t.Errorf("of a nil server: %+v", st)
	}
}

func TestEncryptedClientStats(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{Encryption: ignis.EncryptionOptional})
		n.vault("ann")
		if st := n.ClientStats(); st.Encrypted != 1 {
			t.Errorf("%+v, want 1 encrypted client", st)
		}
	})
}

// Stats.ReceivedBytes is the size of the messages, without the headers of their frames.
func TestReceivedBytes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{})
		p := n.login("ann")
		before := n.Stats().ReceivedBytes
		p.text(`{"event":"x"}`)
		p.text(`not JSON`)
		synctest.Wait()
		if got := n.Stats().ReceivedBytes - before; got != 21 {
			t.Errorf("counted %d bytes, want 21", got)
		}
	})
}

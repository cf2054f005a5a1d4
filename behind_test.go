package ignis_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// The server reads from a client until 64 messages or 256 KiB wait for its callbacks, and
// again when half of them are left.
func TestWhenReadingStopsAndResumes(t *testing.T) {
	for name, tt := range map[string]struct {
		message string
		most    int // waiting messages
	}{
		"messages": {`{"event":"x"}`, 64},
		"bytes":    {`{"event":"xxxxx","id":"yyy","data":"` + strings.Repeat("z", 8192-10) + `"}`, 32},
		// With one more byte per message, one more message must be handled before reading
		// resumes.
		"a byte more": {`{"event":"xxxxx","id":"yyyy","data":"` + strings.Repeat("z", 8192-10) + `"}`, 32},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				next := make(chan struct{})
				n := startMem(t, ignis.Config{OnMessage: func(context.Context, *ignis.Client, wire.Message) (any, error) {
					<-next
					return nil, nil
				}})
				p := n.login("ann")
				before := n.Stats().Received
				// The callback takes the first message before others come, so that it is not one
				// of those that wait.
				p.text(tt.message)
				synctest.Wait()
				done := make(chan struct{})
				go func() {
					defer close(done)
					for range 3*tt.most - 1 {
						p.text(tt.message)
					}
				}()
				received := func(want int, when string) {
					t.Helper()
					synctest.Wait()
					if got := int(n.Stats().Received - before); got != want {
						t.Errorf("%s %d messages were received, want %d", when, got, want)
					}
				}
				received(1+tt.most, "at first,")
				half := tt.most / 2
				if name == "a byte more" {
					half++
				}
				for range half - 1 {
					next <- struct{}{}
				}
				received(1+tt.most, "just before half is done,")
				next <- struct{}{}
				received(1+tt.most+half, "when half is done,")
				close(next)
				<-done
				received(3*tt.most, "finally")
			})
		})
	}
}

// Messages that only one client receives, such as its connected event and errors, are
// counted like those that many receive.
func TestMessagesToOneClientAreCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{})
		p := n.login("ann")
		if s := n.Stats(); s.Sent != 1 {
			t.Errorf("%d messages sent after the connected event", s.Sent)
		}
		p.text("x")
		p.only(failure(wire.ErrorFormat))
		_ = n.SendLocal(ignis.ToEveryone(), "x", 1)
		p.only(line)
		if s := n.Stats(); s.Sent != 3 {
			t.Errorf("%d messages sent", s.Sent)
		}
	})
}

// A Seal that hangs releases its slot after SealTimeout, even if it does not return.
func TestHangingSealReleasesItsSlot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hang := make(chan struct{})
		n := startMem(t, ignis.Config{
			Encryption: ignis.EncryptionRequired, SealConcurrency: 1, SealTimeout: time.Second,
			BeforeSeal: func(_ context.Context, c *ignis.Client, _ wire.Message) (*wire.Message, error) {
				if c.UserID == "ann" {
					<-hang
				}
				return nil, nil //nolint:nilnil // unchanged
			},
		})
		ann, bob := n.vault("ann"), n.vault("bob")
		_ = n.SendLocal(ignis.ToClient(ann.id), "x", 1)
		synctest.Wait()
		_ = n.SendLocal(ignis.ToClient(bob.id), "x", 1)
		bob.only()
		time.Sleep(time.Second)
		bob.only(line)
		ann.only("<end>")
		if n.log.Count("client cut off: BeforeSeal or Seal took too long") != 1 {
			t.Errorf("log: %s", n.log)
		}
		close(hang)
		synctest.Wait()
	})
}

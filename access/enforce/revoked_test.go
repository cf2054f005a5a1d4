package enforce_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/access/enforce"
)

const quiz = `
- match: quiz
  join: anyone
  send: {events: [answer], from: anyone, to: both}
`

// A message is not relayed if the access of its sender is revoked while the webhook is asked.
func TestRevokedWhileTheWebhookDecides(t *testing.T) {
	bubble(t, enforce.Config{Rules: parse(t, quiz)}, func(t *testing.T, f *fixture) {
		ann, bob := f.login("ann", "{}"), f.login("bob", "{}")
		bob.Join("quiz")
		var now bool
		f.hook.during = func() {
			if now {
				if _, err := f.Revoke(t.Context(), ignis.Revocation{UserID: "ann", Until: time.Now().Add(time.Hour)}); err != nil {
					t.Error(err)
				}
			}
		}
		f.send(ann, "quiz", "answer", "1")
		if m := bob.Receive(); string(m.Data) != "1" {
			t.Errorf("received %+v", m)
		}
		now = true
		ann.Send("answer", map[string]any{"room": "quiz"})
		synctest.Wait()
		bob.ExpectNothing()
	})
}

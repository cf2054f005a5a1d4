package redisbus_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/redistest"
)

// When the password changes while the bus runs, the refusal is logged with the address, but
// not for each attempt.
func TestPasswordChanges(t *testing.T) {
	t.Parallel()
	r := redistest.StartWith(t, redistest.Config{Password: "before"})
	n := run(t, impatient(r.URL()), nil)
	r.Do("config", "set", "requirepass", "after")
	_, _ = r.Try("-a", "after", "client", "kill", "type", "pubsub")
	n.down()
	redistest.Wait(t, "the reason to be logged", func() bool { return n.log.Count("WRONGPASS") > 0 })
	if !strings.Contains(n.log.String(), `level=WARN msg="redis is not back" name=ignis redis="redis at `+r.Addr()+`" error="`+r.Addr()+": refused: WRONGPASS") {
		t.Errorf("log:\n%s", n.log)
	}
	before := n.Health().Error()
	if !strings.Contains(before, "WRONGPASS") || !strings.Contains(before, r.Addr()) {
		t.Errorf("Health = %s", before)
	}
	if _, err := r.Try("-a", "after", "config", "set", "requirepass", "before"); err != nil {
		t.Fatal(err)
	}
	n.healthy()
	if got := n.log.Count("WRONGPASS"); got > 2 {
		t.Errorf("logged %d times:\n%s", got, n.log)
	}
	exchange(t, "again", n, n)
}

// If Redis cannot be reached at the start, the first failed attempt is logged with its reason
// and the address.
func TestStartLogsReason(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	r.Kill()
	n, ready := launch(t, impatient(r.URL()), nil)
	redistest.Wait(t, "the reason to be logged", func() bool {
		return n.log.Count(`level=WARN msg="redis is not ready" name=ignis redis="redis at `+r.Addr()+`" error="dial tcp `+r.Addr()+": ") == 1
	})
	r.Restart()
	n.await(ready)
	if got := n.log.Count("redis is not ready"); got != 1 {
		t.Errorf("logged %d times:\n%s", got, n.log)
	}
}

// After invalid data on a working link, the log says what was wrong, not only that the
// connection is closed.
func TestGarbageOnWorkingLink(t *testing.T) {
	t.Parallel()
	for name, subscribed := range map[string]bool{"publishing": false, "subscribed": true} {
		t.Run(name, func(t *testing.T) {
			f := redistest.Pretend(t)
			c := impatient(f.URL())
			c.ProbeInterval = time.Minute // so that no command is in flight
			n := run(t, c, nil)
			f.Send(subscribed, "HTTP/1.1 400 Bad Request\r\n\r\n")
			redistest.Wait(t, "the bus to reconnect", func() bool { return n.Stats().Reconnects > 0 })
			n.healthy()
			log := n.log.String()
			if strings.Contains(log, "closed network connection") ||
				!strings.Contains(log, `error="`+f.Addr()+": redis: 'H' at the start of a reply or element; is this a Redis server?") {
				t.Errorf("log:\n%s", log)
			}
		})
	}
}

package interop

import (
	"syscall"
	"testing"

	"github.com/ignis-go/ignis/internal/redistest"
)

// TestReplaceServers replaces the servers of a fleet one by one while clients use it, as
// docs/from-ignis.md describes, and goes back. After each step, clients and the reference's emitter
// reach everyone.
func TestReplaceServers(t *testing.T) {
	redis := redistest.Start(t)
	emitter := newEmitter(t, kindReference, redis)
	start := func(kind string) *server { t.Helper(); return startServer(t, kind, redis, settings{}) }
	join := func(user string, s *server) *client { t.Helper(); return dial(t, s).login(user, "lobby") }
	stop := func(s *server, clients ...*client) {
		t.Helper()
		if s.kind == kindReference {
			s.call("shutdown", nil)
		} else if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		for _, c := range clients {
			c.expect("close 1001 Server shutting down", "lost")
		}
	}
	reach := func(clients ...*client) {
		t.Helper()
		for _, from := range clients {
			from.send(`{"event":"say","data":{"room":"lobby"}}`)
			for _, c := range clients {
				c.expect(`{"event":"say","data":{"room":"lobby","from":{"id":"` + from.id + `","userId":"` + from.user + `"}}}`)
			}
			emitter(emission{to: "user", target: from.user, event: "personal", data: "1"})
			from.expect(`{"event":"personal","data":1}`)
		}
		emitter(emission{to: "room", target: "lobby", event: "notice", data: "2"})
		for _, c := range clients {
			c.expect(`{"event":"notice","data":2}`)
		}
	}

	first, second := start(kindReference), start(kindReference)
	ann, ben := join("ann", first), join("ben", second)
	reach(ann, ben)

	third := start(kindIgnis) // beside the others
	carl := join("carl", third)
	reach(ann, ben, carl)

	stop(first, ann)
	ann = join("ann", third)
	reach(ann, ben, carl)

	fourth := start(kindIgnis)
	stop(second, ben)
	ben = join("ben", fourth)
	reach(ann, ben, carl)

	last := start(kindReference) // and back
	stop(third, ann, carl)
	ann, carl = join("ann", last), join("carl", last)
	reach(ann, ben, carl)
}

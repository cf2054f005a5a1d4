package redistest_test

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/ignis-go/ignis/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServerSurvivesKillAndPause(t *testing.T) {
	r := redistest.StartWith(t, redistest.Config{Password: "hunter2"})
	if got := r.Do("ping"); got != "PONG" {
		t.Fatalf("ping = %q", got)
	}
	r.Do("set", "key", "value")
	addr := r.Addr()
	r.Kill()
	r.Kill()
	r.Restart()
	if r.Addr() != addr {
		t.Fatalf("restarted on %s, was %s", r.Addr(), addr)
	}
	if got := r.Do("get", "key"); got != "" {
		t.Fatalf("a restarted Redis still has key = %q", got)
	}
	r.Pause()
	r.Resume()
	if got := r.Do("ping"); got != "PONG" {
		t.Fatalf("ping after resume = %q", got)
	}
}

func TestSentinelPromotesTheReplica(t *testing.T) {
	c := redistest.StartSentinel(t, 3)
	c.Master.Kill()
	redistest.Wait(t, "the replica to be promoted", func() bool {
		role, err := c.Replica.Try("role") // a promotion cuts connections
		return err == nil && strings.HasPrefix(role, "master")
	})
}

func TestClusterServesAllSlots(t *testing.T) {
	c := redistest.StartCluster(t)
	if got := c.Nodes[0].Do("cluster", "info"); !strings.Contains(got, "cluster_slots_ok:16384") {
		t.Fatalf("cluster info:\n%s", got)
	}
}

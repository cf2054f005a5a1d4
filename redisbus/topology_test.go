package redisbus_test

import (
	"regexp"
	"testing"

	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
)

func TestSentinelFailover(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	c := redistest.StartSentinel(t, 3)
	a, b := run(t, impatient(c.URL()), nil), run(t, impatient(c.URL()), nil)
	exchange(t, "before", a, b)
	f := startFlow(t, a)
	c.Master.Kill()
	for _, n := range []*node{a, b} {
		redistest.Wait(t, "the bus to follow the master", func() bool {
			return n.Stats().Addr == c.Replica.Addr() && n.Health() == nil
		})
	}
	f.stop()
	a.balance(f.accepted.Load() + 2000)
	exchange(t, "after", a, b)
	exchange(t, "afterwards, the other way", b, a)
}

// The old master continues as a replica. It would still accept messages, which do not reach the
// subscribers of the new master.
func TestSentinelFailoverOfRunningMaster(t *testing.T) {
	t.Parallel()
	c := redistest.StartSentinel(t, 3)
	a, b := run(t, impatient(c.URL()), nil), run(t, impatient(c.URL()), nil)
	exchange(t, "before", a, b)
	c.Failover()
	for _, n := range []*node{a, b} {
		redistest.Wait(t, "the bus to follow the master", func() bool {
			return n.Stats().Addr == c.Replica.Addr() && n.Health() == nil
		})
	}
	if want := `msg="redis connection restored on another node" name=ignis redis=` + c.Replica.Addr() + ` .*left=` + c.Master.Addr(); !regexp.MustCompile(want).MatchString(a.log.String()) {
		t.Errorf("the log does not match %s:\n%s", want, a.log)
	}
	exchange(t, "after", a, b)
}

// The bus leaves a demoted master even if the Sentinels did not order the demotion and no
// connection was closed.
func TestDemotedMasterIsLeft(t *testing.T) {
	t.Parallel()
	c := redistest.StartSentinel(t, 1)
	n := run(t, impatient(c.URL()), nil)
	c.Sentinels[0].Pause() // it cannot report the demotion
	c.Master.Do("replicaof", "127.0.0.1", "1")
	n.down()
	c.Master.Do("replicaof", "no", "one")
	c.Sentinels[0].Resume()
	n.healthy()
	exchange(t, "after", n, n)
}

func TestMasterIsKeptWithoutSentinels(t *testing.T) {
	t.Parallel()
	c := redistest.StartSentinel(t, 1)
	n := run(t, impatient(c.URL()), nil)
	c.Sentinels[0].Kill()
	probes := func() string { return c.Master.Do("info", "commandstats") }
	first := roleCalls(probes())
	redistest.Wait(t, "some probes", func() bool { return roleCalls(probes()) > first+3 })
	exchange(t, "without", n, n)
	if s := n.Stats(); s.Reconnects != 0 {
		t.Errorf("the bus reconnected: %+v", s)
	}
}

func TestClusterNodeKilled(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	first := c.Nodes[0]
	a := run(t, impatient(c.URL()), nil)
	// The other bus is configured with a single node and must discover the others.
	b := run(t, impatient("redis+cluster://"+first.Addr()), nil)
	exchange(t, "on one node", a, b)
	exchange(t, "and back", b, a)
	f := startFlow(t, b)
	first.Kill()
	for _, n := range []*node{a, b} {
		n.awaitOn(c.Nodes[1])
	}
	f.stop()
	b.balance(f.accepted.Load() + 2000)
	exchange(t, "after", b, a)
	exchange(t, "afterwards, the other way", a, b)
}

// A bus leaves a node that is cut off from the majority, although the node still accepts
// messages.
func TestClusterMinorityIsLeft(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	c := redistest.StartCluster(t)
	n := run(t, impatient(c.URL()), nil)
	for _, s := range c.Nodes {
		if s.Addr() != n.Stats().Addr {
			s.Pause()
			defer s.Resume()
		}
	}
	n.down()
	for _, s := range c.Nodes {
		s.Resume()
	}
	n.healthy()
	exchange(t, "after", n, n)
}

package redisbus_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

// A bus and a publisher leave a node that was removed from its Cluster. It keeps running and
// accepts messages, but no other instance receives them.
func TestNodeRemovedFromCluster(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	c := redistest.StartCluster(t)
	n := run(t, impatient(c.URL()), nil)
	var out *redistest.Server
	for _, s := range c.Nodes {
		if s.Addr() == n.Stats().Addr {
			out = s
		}
	}
	p := dial(t, impatient("redis+cluster://"+out.Addr())) // finds the other nodes
	id := out.Do("cluster", "myid")
	for _, s := range c.Nodes {
		if s != out {
			s.Do("cluster", "forget", id)
		}
	}
	out.Do("cluster", "reset", "soft")
	redistest.Wait(t, "the bus to use another node", func() bool {
		return n.Health() == nil && n.Stats().Addr != out.Addr()
	})
	if n.log.Count("not part of a Cluster: it knows no master with slots") == 0 {
		t.Errorf("the log does not say why:\n%s", n.log)
	}
	exchange(t, "elsewhere", n, n)
	redistest.Wait(t, "the publisher to use another node", func() bool {
		_ = p.Publish(t.Context(), numbered(0, 1)...)
		return len(n.got) > 0
	})
	checkOutsider(t, out)
}

// checkOutsider checks that neither a bus nor a publisher can start on a node outside any
// Cluster.
func checkOutsider(t *testing.T, r *redistest.Server) {
	t.Helper()
	for _, c := range []redisbus.Config{
		impatient("redis+cluster://" + r.Addr()),
		{Option: &rueidis.ClientOption{InitAddress: []string{r.Addr()}}},
	} {
		c.StartTimeout, c.Logger = time.Second, discard()
		bus, err := redisbus.New(c)
		if err != nil {
			t.Fatal(err)
		}
		err = bus.Run(t.Context(), func() { t.Error("ready outside any Cluster") }, func(...[]byte) {})
		if err == nil || !strings.Contains(err.Error(), "not part of a Cluster") {
			t.Errorf("Run = %v", err)
		}
		if _, err := redisbus.Dial(t.Context(), c); err == nil || !strings.Contains(err.Error(), "not part of a Cluster") {
			t.Errorf("Dial = %v", err)
		}
	}
}

func TestBlankClusterNode(t *testing.T) {
	t.Parallel()
	checkOutsider(t, redistest.StartWith(t, redistest.Config{Args: []string{"--cluster-enabled", "yes"}}))
}

// If the user has no right to query the Cluster, the skipped check is logged once.
func TestClusterWithoutRights(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	c := redistest.StartCluster(t)
	for _, s := range c.Nodes {
		s.Do("acl", "setuser", "app", "on", ">secret", "+@all", "-cluster", "allchannels")
		s.Do("acl", "setuser", "half", "on", ">secret", "+@all", "-cluster|slots", "allchannels")
	}
	for user, says := range map[string]string{
		"app":  "allow CLUSTER NODES and CLUSTER SLOTS",
		"half": "allow CLUSTER SLOTS",
	} {
		n := run(t, impatient(strings.Replace(c.URL(), "//", "//"+user+":secret@", 1)), nil)
		redistest.Wait(t, "some probes", func() bool { return n.Probes() > 3 })
		if got := n.log.Count(says); got != 1 {
			t.Errorf("%s: logged %d times, want once:\n%s", user, got, n.log)
		}
		exchange(t, user, n, n)
	}
	// A Redis outside a Cluster is rejected nevertheless.
	r := redistest.Start(t)
	r.Do("acl", "setuser", "app", "on", ">secret", "+@all", "-cluster", "allchannels")
	bus, err := redisbus.New(redisbus.Config{URL: "redis+cluster://app:secret@" + r.Addr(), Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	err = bus.Run(t.Context(), func() { t.Error("ready") }, func(...[]byte) {})
	if err == nil || !strings.Contains(err.Error(), "refused: this Redis is not part of a Cluster") {
		t.Errorf("Run = %v", err)
	}
}

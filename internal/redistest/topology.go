package redistest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// clusterTimeout is how long a topology may take to become ready.
const clusterTimeout = 2 * time.Minute

// MasterSet is the name of the master in the Sentinels of [StartSentinel].
const MasterSet = "mymaster"

// Sentinel is a master and a replica that are monitored by Sentinels. A majority of the Sentinels
// promotes the replica about a second after the master dies.
type Sentinel struct {
	Master, Replica *Server
	Sentinels       []*Server
}

// StartSentinel starts a master, a replica and n Sentinels, where n is 1 to 3.
func StartSentinel(t testing.TB, n int) *Sentinel {
	t.Helper()
	c := &Sentinel{Master: Start(t)}
	c.Replica = StartWith(t, Config{Args: []string{"--replicaof", "127.0.0.1 " + strconv.Itoa(c.Master.port)}})
	Wait(t, "the replica to follow its master", func() bool {
		out, err := c.Replica.Try("info", "replication")
		return err == nil && strings.Contains(out, "master_link_status:up")
	})
	for range n {
		c.Sentinels = append(c.Sentinels, startSentinel(t, c.Master.port, n/2+1))
	}
	Wait(t, "the Sentinels to know each other and the replica", func() bool {
		for _, s := range c.Sentinels {
			out, err := s.Try("sentinel", "master", MasterSet)
			if err != nil || field(out, "num-slaves") != "1" || field(out, "num-other-sentinels") != strconv.Itoa(n-1) {
				return false
			}
		}
		return true
	})
	return c
}

func startSentinel(t testing.TB, masterPort, quorum int) *Server {
	t.Helper()
	s := &Server{t: t, conf: fmt.Sprintf(`sentinel monitor %[1]s 127.0.0.1 %[2]d %[3]d
sentinel down-after-milliseconds %[1]s 1000
sentinel failover-timeout %[1]s 4000
`, MasterSet, masterPort, quorum)}
	s.start()
	return s
}

// Failover makes the Sentinels promote the replica while the master is running. It returns when a
// Sentinel has accepted the command.
func (c *Sentinel) Failover() {
	s := c.Sentinels[0]
	s.t.Helper()
	Wait(s.t, "a Sentinel to accept the failover", func() bool {
		// It refuses until it has enough information about the replica.
		out, err := s.Try("sentinel", "failover", MasterSet)
		return err == nil && out == "OK"
	})
}

// URL returns redis+sentinel://host:port,.../mymaster/0.
func (c *Sentinel) URL() string {
	return "redis+sentinel://" + strings.Join(addrs(c.Sentinels), ",") + "/" + MasterSet + "/0"
}

// Cluster is a Redis Cluster of masters without replicas. When a node dies, its slots become
// unavailable, and the other nodes continue to serve theirs. The first node owns slot 0, the
// second the slots that follow, the third the rest.
type Cluster struct {
	Nodes []*Server
}

// StartCluster starts a Cluster of three masters.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	c := &Cluster{}
	for range 3 {
		c.Nodes = append(c.Nodes, startNode(t))
	}
	c.create(t)
	return c
}

func startNode(t testing.TB, args ...string) *Server {
	t.Helper()
	return StartWith(t, Config{Args: append([]string{
		"--cluster-enabled", "yes", "--cluster-node-timeout", "2500", "--cluster-require-full-coverage", "no",
	}, args...)})
}

// create makes the nodes a Cluster.
func (c *Cluster) create(t testing.TB) {
	t.Helper()
	create := append([]string{"--cluster", "create"}, addrs(c.Nodes)...)
	create = append(create, "--cluster-replicas", "0", "--cluster-yes")
	if out, err := c.Nodes[0].Try(create...); err != nil {
		t.Fatalf("redis-cli --cluster create: %v\n%s", err, out)
	}
	Wait(t, "all nodes to see the whole Cluster", func() bool {
		for _, n := range c.Nodes {
			out, err := n.Try("cluster", "info")
			if err != nil || !strings.Contains(out, "cluster_state:ok") || !strings.Contains(out, "cluster_known_nodes:3") {
				return false
			}
		}
		return true
	})
	c.AwaitWhole(t)
}

// AwaitWhole waits until each node is connected to all others.
func (c *Cluster) AwaitWhole(t testing.TB) {
	t.Helper()
	Wait(t, "the nodes to see each other", func() bool {
		for _, n := range c.Nodes {
			out, err := n.Try("cluster", "nodes")
			if err != nil || strings.Count(out, " connected ") != len(c.Nodes) || strings.Contains(out, "fail") || strings.Contains(out, "handshake") {
				return false
			}
		}
		return true
	})
}

// URL returns redis+cluster://host:port,... with all nodes.
func (c *Cluster) URL() string { return "redis+cluster://" + strings.Join(addrs(c.Nodes), ",") }

func addrs(servers []*Server) []string {
	var list []string
	for _, s := range servers {
		list = append(list, s.Addr())
	}
	return list
}

// field returns the value of a field in redis-cli's output of a map, in which names and values are
// on alternating lines.
func field(out, name string) string {
	lines := strings.Split(out, "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		if lines[i] == name {
			return lines[i+1]
		}
	}
	return ""
}

// Wait waits until the condition holds, which it checks every 20 ms. If the condition does not hold
// within two minutes, the test fails.
func Wait(t testing.TB, what string, condition func() bool) {
	t.Helper()
	WaitFor(t, clusterTimeout, what, condition)
}

// WaitFor is like [Wait] with a given timeout.
func WaitFor(t testing.TB, timeout time.Duration, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(timeout)
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %v for %s", timeout, what)
		}
	}
}

package rediscron_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/cron/rediscron"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

// When a name resolves to another node than before, the store leaves the old node, which is
// now a replica.
func TestMasterBecomesReplica(t *testing.T) {
	t.Parallel()
	old, next := redistest.Start(t), redistest.Start(t)
	var name atomic.Pointer[redistest.Server]
	name.Store(old)
	option := rueidis.ClientOption{InitAddress: []string{"redis.example:6379"}, ForceSingleClient: true}
	option.DialCtxFn = func(ctx context.Context, _ string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
		return d.DialContext(ctx, "tcp", name.Load().Addr())
	}
	s := open(t, rediscron.Config{Redis: &redisbus.Config{Option: &option}})
	at := whole(redisTime(t, s)).Add(time.Second)
	await(t, s, at)
	before := claim(t, s, at, "a", cron.Granted)
	next.Do("replicaof", "127.0.0.1", strconv.Itoa(old.Port()))
	redistest.Wait(t, "the other node to have the job", func() bool {
		return next.Do("exists", "ignis:cron:{job}:claims") == "1"
	})
	next.Do("replicaof", "no", "one")
	old.Do("replicaof", "127.0.0.1", strconv.Itoa(next.Port()))
	name.Store(next)
	_, err := s.Claim(t.Context(), cron.Claim{Job: "job", Scheduled: at, Token: "b"})
	if err == nil || !strings.Contains(err.Error(), "READONLY") || errors.Is(err, rediscron.ErrRefused) {
		t.Errorf("a claim on a replica: %v", err)
	}
	claim(t, s, at, "b", cron.Taken)
	at = whole(redisTime(t, s)).Add(time.Second)
	await(t, s, at)
	if g := claim(t, s, at, "b", cron.Granted); g.Fence <= before.Fence {
		t.Errorf("fence %d after %d", g.Fence, before.Fence)
	}
}

// clusterNode is the master of a job's slot, together with the node to which the slot moves.
type clusterNode struct {
	t        *testing.T
	slot     string
	of, to   *redistest.Server
	ofID, id string
	all      []*redistest.Server
}

func slotOf(t *testing.T, c *redistest.Cluster, job string) *clusterNode {
	t.Helper()
	n := &clusterNode{t: t, slot: c.Nodes[0].Do("cluster", "keyslot", "{"+job+"}"), all: c.Nodes}
	slot, err := strconv.Atoi(n.slot)
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range c.Nodes {
		for line := range strings.Lines(node.Do("cluster", "nodes")) {
			field := strings.Fields(line)
			if !strings.Contains(field[2], "myself") {
				continue
			}
			var from, to int
			if _, err := fmt.Sscanf(field[8], "%d-%d", &from, &to); err != nil {
				t.Fatal(err)
			}
			if from <= slot && slot <= to {
				n.of, n.ofID = node, field[0]
			} else {
				n.to, n.id = node, field[0]
			}
		}
	}
	return n
}

// move moves keys of the slot.
func (n *clusterNode) move(keys ...string) {
	n.t.Helper()
	n.of.Do(append([]string{"migrate", "127.0.0.1", strconv.Itoa(n.to.Port()), "", "0", "10000", "keys"}, keys...)...)
}

// begin starts to move the slot, and finish ends the move.
func (n *clusterNode) begin() {
	n.t.Helper()
	n.to.Do("cluster", "setslot", n.slot, "importing", n.ofID)
	n.of.Do("cluster", "setslot", n.slot, "migrating", n.id)
}

func (n *clusterNode) finish() {
	n.t.Helper()
	for _, node := range append([]*redistest.Server{n.to, n.of}, n.all...) {
		node.Do("cluster", "setslot", n.slot, "node", n.id)
	}
}

// The keys of a job move to another node, one after the other. Claims that Redis refuses in the
// meantime are accepted afterwards, and no instant is granted twice.
func TestSlotInMotion(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	s := open(t, rediscron.Config{URL: c.URL()})
	at := whole(redisTime(t, s)).Add(time.Second)
	await(t, s, at)
	before := claim(t, s, at, "a", cron.Granted)
	n := slotOf(t, c, "job")
	n.begin()
	claim(t, s, at, "b", cron.Taken)
	n.move("ignis:cron:{job}:state")
	_, err := s.Claim(t.Context(), cron.Claim{Job: "job", Scheduled: at, Token: "b"})
	if err == nil || !strings.Contains(err.Error(), "TRYAGAIN") || errors.Is(err, rediscron.ErrRefused) {
		t.Errorf("with half of the keys moved: %v", err)
	}
	n.move("ignis:cron:{job}:claims")
	claim(t, s, at, "b", cron.Taken) // asks the other node
	n.finish()
	claim(t, s, at, "b", cron.Taken)
	at = whole(redisTime(t, s)).Add(time.Second)
	await(t, s, at)
	if g := claim(t, s, at, "b", cron.Granted); g.Fence <= before.Fence {
		t.Errorf("fence %d after %d", g.Fence, before.Fence)
	}
}

// While no node serves a slot, claims fail.
func TestSlotNotServed(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	s := open(t, rediscron.Config{URL: c.URL()})
	redisTime(t, s)
	n := slotOf(t, c, "job")
	for _, node := range c.Nodes {
		node.Do("cluster", "delslots", n.slot)
	}
	_, err := s.Last(t.Context(), cron.Query{Job: "job"})
	if err == nil || !strings.Contains(err.Error(), "CLUSTERDOWN") || errors.Is(err, rediscron.ErrRefused) {
		t.Errorf("a slot that no node serves: %v", err)
	}
	n.of.Do("cluster", "addslots", n.slot)
	redistest.Wait(t, "the slot to be served", func() bool {
		_, err = s.Last(t.Context(), cron.Query{Job: "job"})
		return err == nil
	})
}

// If a node of a Cluster is configured as a single Redis, claims in other nodes' slots fail.
func TestClusterConfiguredAsSingleRedis(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	n := slotOf(t, c, "job")
	s := open(t, rediscron.Config{URL: n.to.URL()})
	_, err := s.Last(t.Context(), cron.Query{Job: "job"})
	if !errors.Is(err, rediscron.ErrRefused) || !strings.Contains(err.Error(), "redis+cluster://") {
		t.Errorf("the error is %v", err)
	}
}

// A Cluster that does not know its nodes' addresses names them only by port. They are on the
// host at which the Cluster was reached.
func TestClusterThatNamesOnlyPorts(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	for _, node := range c.Nodes {
		node.Do("config", "set", "cluster-preferred-endpoint-type", "unknown-endpoint")
	}
	const host = "redis.example"
	option := rueidis.ClientOption{}
	for _, node := range c.Nodes[:2] {
		option.InitAddress = append(option.InitAddress, net.JoinHostPort(host, strconv.Itoa(node.Port())))
	}
	option.DialCtxFn = func(ctx context.Context, addr string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
		name, port, err := net.SplitHostPort(addr)
		if err != nil || name != host {
			t.Errorf("dialed %q (%v)", addr, err)
		}
		return d.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", port))
	}
	s := open(t, rediscron.Config{Redis: &redisbus.Config{Option: &option}})
	ask := func(job string) {
		if _, err := s.Last(t.Context(), cron.Query{Job: job}); err != nil {
			t.Errorf("%s: %v", job, err)
		}
	}
	for i := range 20 {
		ask(fmt.Sprint("job-", i))
	}
	learned := func() (times int) {
		for _, node := range c.Nodes {
			for line := range strings.Lines(node.Do("info", "commandstats")) {
				if strings.HasPrefix(line, "cmdstat_cluster|slots:") {
					var calls int
					_, _ = fmt.Sscanf(line, "cmdstat_cluster|slots:calls=%d", &calls)
					times += calls
				}
			}
		}
		return times
	}
	// The client already knows the Cluster and is redirected. A little later it
	// queries the Cluster again, perhaps from the node to which it was redirected.
	before := learned()
	slotOf(t, c, "job").finish()
	ask("job")
	redistest.Wait(t, "the client to query the Cluster again", func() bool { return learned() > before })
	for i := range 20 {
		ask(fmt.Sprint("job-", i))
	}
}

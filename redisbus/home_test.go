package redisbus_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

// cutOff is a configuration that cannot reach an address as long as reach is false.
func cutOff(c *redistest.Cluster, from string, reach *atomic.Bool) redisbus.Config {
	config := impatient("")
	o := &rueidis.ClientOption{DialCtxFn: func(ctx context.Context, addr string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
		if addr == from && !reach.Load() {
			return nil, errors.New("the network is cut")
		}
		return d.DialContext(ctx, "tcp", addr)
	}}
	for _, n := range c.Nodes {
		o.InitAddress = append(o.InitAddress, n.Addr())
	}
	config.Option = o
	return config
}

// isOn reports whether a client of that name is connected to a node.
func isOn(r *redistest.Server, name string) bool {
	return strings.Contains(r.Do("client", "list"), " name="+name+" ")
}

// Whichever nodes they are told of, all use the owner of slot 0.
func TestEveryoneUsesOneNode(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	var nodes []*node
	for i := range c.Nodes {
		n := run(t, impatient("redis+cluster://"+c.Nodes[2-i].Addr()), nil)
		if got := n.Stats().Addr; got != c.Nodes[0].Addr() {
			t.Errorf("told of node %d, a bus uses %s, want %s", 2-i, got, c.Nodes[0].Addr())
		}
		nodes = append(nodes, n)
		e := impatient("redis+cluster://" + c.Nodes[i].Addr())
		e.Name = fmt.Sprint("emitter", i)
		dial(t, e)
		if !isOn(c.Nodes[0], e.Name) || isOn(c.Nodes[1], e.Name) || isOn(c.Nodes[2], e.Name) {
			t.Errorf("told of node %d, an emitter uses another than the first", i)
		}
	}
	exchange(t, "on one node", nodes[0], nodes[2])
}

// Two nodes are cut from each other, and both see the majority. Who is on the first node
// loses nothing; who cannot reach it is told, and joins the others when it can, although
// its own node takes that one for failed.
func TestCutBetweenNodes(t *testing.T) {
	t.Parallel()
	c := redistest.StartPartition(t)
	first, second := c.Nodes[0], c.Nodes[1]
	var reach atomic.Bool
	a, b := run(t, impatient(c.URL()), nil), run(t, impatient(c.URL()), nil)
	away := run(t, cutOff(c.Cluster, first.Addr(), &reach), nil)
	e := dial(t, impatient(c.URL()))
	if a.Stats().Addr != first.Addr() || b.Stats().Addr != first.Addr() || away.Stats().Addr != second.Addr() {
		t.Fatalf("on %s, %s and %s", a.Stats().Addr, b.Stats().Addr, away.Stats().Addr)
	}
	exchange(t, "before", a, away)
	exchange(t, "before", away, b)
	c.Cut(first, second)
	for n, other := range map[*node]*redistest.Server{a: second, b: second, away: first} {
		redistest.Wait(t, "the bus to say what is cut off", func() bool { return n.Stats().CutOff == 1 })
		says := regexp.MustCompile("node " + other.Addr() + " of the Cluster is (disconnected|failing): messages of instances connected to it may be missing")
		if err := n.Health(); !errors.Is(err, redisbus.ErrPartial) || !says.MatchString(err.Error()) {
			t.Errorf("health: %v, want %q", err, says)
		}
		if log := n.log.String(); n.log.count("a part of the Cluster is cut off") != 1 || !says.MatchString(log) || !strings.Contains(log, "lost=unknown missed=unknown") {
			t.Errorf("log:\n%s", n.log)
		}
	}
	exchange(t, "cut", a, b)
	if errs := e.Publish(t.Context(), numbered(1, 1)); errs != nil || b.next() != "1" {
		t.Errorf("the emitter is not heard: %v", errs)
	}
	reach.Store(true)
	redistest.Wait(t, "the bus to join the others", func() bool { return away.Stats().Addr == first.Addr() })
	exchange(t, "joined", a, away)
	exchange(t, "joined", away, b)
	if away.log.count("moved to the node of the Cluster that all instances prefer") != 1 || away.Lost() != 0 {
		t.Errorf("log:\n%s", away.log)
	}
	c.Heal()
	for _, n := range []*node{a, b, away} {
		n.healthy()
		if n.log.count(`the Cluster is whole again`) == 0 || n.log.count("lost=unknown missed=unknown missed_for=") != 1 {
			t.Errorf("log:\n%s", n.log)
		}
	}
	for _, n := range []*node{a, b} {
		if s := n.Stats(); s.Reconnects != 0 || s.Gaps != 1 || s.GapTime <= 0 || s.CutOff != 0 {
			t.Errorf("stats %+v", s)
		}
	}
}

// When the preferred node is back, all return to it, and nothing that is published
// meanwhile is lost, repeated or out of order.
func TestAllReturnToThePreferredNode(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	first := c.Nodes[0]
	a, b := run(t, impatient(c.URL()), nil), run(t, impatient(c.URL()), nil)
	config := impatient(c.URL())
	config.Name = "an-emitter"
	e := dial(t, config)
	first.Kill()
	for _, n := range []*node{a, b} {
		redistest.Wait(t, "the bus to go to the next node", func() bool { return n.connected() && n.Stats().Addr == c.Nodes[1].Addr() })
	}
	publish := func() bool {
		return e.Publish(t.Context(), []redisbus.Item{{Channel: "other", Envelope: []byte("x")}}) == nil
	}
	redistest.Wait(t, "the emitter to go elsewhere", publish)
	exchange(t, "elsewhere", a, b)
	f := startFlow(t, a)
	first.Restart()
	for _, n := range []*node{a, b} {
		redistest.Wait(t, "the bus to return", func() bool { return n.Health() == nil && n.Stats().Addr == first.Addr() })
	}
	f.stop()
	a.balance(f.accepted.Load() + 2000)
	if f.refused.Load() != 0 || a.Lost() != 0 {
		t.Errorf("%d lost, %d refused", a.Lost(), f.refused.Load())
	}
	if heardInOrder(t, b) == 0 {
		t.Error("nothing was heard")
	}
	redistest.Wait(t, "the emitter to return", func() bool { return publish() && isOn(first, config.Name) })
	exchange(t, "returned", a, b)
	for _, n := range []*node{a, b} {
		if s := n.Stats(); s.Reconnects != 2 || n.log.count("missed=unknown missed_for=") < 2 {
			t.Errorf("stats %+v, log:\n%s", s, n.log)
		}
	}
}

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
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

// cutOff returns a configuration with which an address cannot be reached while reach is false.
func cutOff(c *redistest.Cluster, from string, reach *atomic.Bool) redisbus.Config {
	config := patient("")
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

// patient returns a configuration with a long timeout, so that a busy machine does not look
// like a fault.
func patient(url string) redisbus.Config {
	c := impatient(url)
	c.ProbeTimeout = 20 * time.Second
	return c
}

// awaitOn waits until a bus uses a node. If the node replied too slowly at first, the bus may
// have started on another one.
func (n *node) awaitOn(r *redistest.Server) {
	n.t.Helper()
	redistest.Wait(n.t, "the bus to use "+r.Addr(), func() bool { return n.connected() && n.Stats().Addr == r.Addr() })
}

// isOn reports whether a client with that name is connected to a node.
func isOn(r *redistest.Server, name string) bool {
	return strings.Contains(r.Do("client", "list"), " name="+name+" ")
}

// All buses and emitters use the owner of slot 0, whichever node they are configured with.
func TestAllUseOneNode(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	var nodes []*node
	for i := range c.Nodes {
		n := run(t, patient("redis+cluster://"+c.Nodes[2-i].Addr()), nil)
		n.awaitOn(c.Nodes[0])
		nodes = append(nodes, n)
		config := patient("redis+cluster://" + c.Nodes[i].Addr())
		config.Name = fmt.Sprint("emitter", i)
		e := dial(t, config)
		redistest.Wait(t, "the emitter to use the first node", func() bool {
			return e.Publish(t.Context(), numbered(0, 1)...) == nil &&
				isOn(c.Nodes[0], config.Name) && !isOn(c.Nodes[1], config.Name) && !isOn(c.Nodes[2], config.Name)
		})
	}
	exchange(t, "on one node", nodes[0], nodes[2])
}

// Two nodes lose contact, but both see the majority. Instances on the preferred node lose
// nothing. An instance that cannot reach that node reports that it is cut off, and joins the
// others as soon as it can, although its own node considers the preferred one failed.
func TestCutBetweenNodes(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	c := redistest.StartPartition(t)
	first, second := c.Nodes[0], c.Nodes[1]
	var reach atomic.Bool
	a, b := run(t, patient(c.URL()), nil), run(t, patient(c.URL()), nil)
	away := run(t, cutOff(c.Cluster, first.Addr(), &reach), nil)
	e := dial(t, patient(c.URL()))
	a.awaitOn(first)
	b.awaitOn(first)
	away.awaitOn(second)
	before := a.Stats().Reconnects
	exchange(t, "before", a, away)
	exchange(t, "before", away, b)
	c.Cut(first, second)
	for n, other := range map[*node]*redistest.Server{a: second, b: second, away: first} {
		says := regexp.MustCompile("node " + other.Addr() + " of the Cluster is (disconnected|failing): messages of instances connected to it may be missing")
		redistest.Wait(t, "Health to return "+says.String(), func() bool {
			err := n.Health()
			return n.Stats().CutOff > 0 && errors.Is(err, redisbus.ErrPartial) && says.MatchString(err.Error())
		})
		if log := n.log.String(); n.log.Count("a part of the Cluster is cut off") == 0 || !says.MatchString(log) || !strings.Contains(log, "lost=unknown missed=unknown") {
			t.Errorf("log:\n%s", n.log)
		}
	}
	exchange(t, "cut", a, b)
	if errs := e.Publish(t.Context(), numbered(1, 1)...); errs != nil || b.next() != "1" {
		t.Errorf("the emitter's message did not arrive: %v", errs)
	}
	reach.Store(true)
	away.awaitOn(first)
	exchange(t, "joined", a, away)
	exchange(t, "joined", away, b)
	if away.log.Count("moved to the node of the Cluster that all instances prefer") == 0 || away.Lost() != 0 {
		t.Errorf("log:\n%s", away.log)
	}
	c.Heal()
	for _, n := range []*node{a, b, away} {
		n.healthy()
		if n.log.Count(`the Cluster is whole again`) == 0 || n.log.Count("lost=unknown missed=unknown missed_for=") == 0 {
			t.Errorf("log:\n%s", n.log)
		}
	}
	if s := a.Stats(); s.Reconnects != before || s.Gaps <= before || s.GapTime <= 0 {
		t.Errorf("stats %+v", s)
	}
}

// When the preferred node is back, all buses and emitters return to it, and no message that is
// published in the meantime is duplicated, reordered, or lost without being counted.
func TestAllReturnToPreferredNode(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	c := redistest.StartCluster(t)
	first := c.Nodes[0]
	a, b := run(t, patient(c.URL()), nil), run(t, patient(c.URL()), nil)
	a.awaitOn(first)
	b.awaitOn(first)
	config := patient(c.URL())
	config.Name = "an-emitter"
	e := dial(t, config)
	first.Kill()
	for _, n := range []*node{a, b} {
		n.awaitOn(c.Nodes[1])
	}
	publish := func() bool {
		return e.Publish(t.Context(), wire.Publication{Channel: "other", Envelope: []byte("x")}) == nil
	}
	redistest.Wait(t, "the emitter to use another node", publish)
	exchange(t, "elsewhere", a, b)
	f := startFlow(t, a)
	first.Restart()
	for _, n := range []*node{a, b} {
		n.awaitOn(first)
	}
	f.stop()
	a.balance(f.accepted.Load() + 2000)
	if f.refused.Load() != 0 || a.Lost() != 0 {
		t.Errorf("%d lost, %d refused", a.Lost(), f.refused.Load())
	}
	if heardInOrder(t, b) == 0 {
		t.Error("nothing was received")
	}
	redistest.Wait(t, "the emitter to return", func() bool { return publish() && isOn(first, config.Name) })
	exchange(t, "returned", a, b)
	for _, n := range []*node{a, b} {
		if s := n.Stats(); s.Reconnects < 2 || n.log.Count("missed=unknown missed_for=") < 2 {
			t.Errorf("stats %+v, log:\n%s", s, n.log)
		}
	}
}

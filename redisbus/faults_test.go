package redisbus_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

// faultCase is a row of the table in docs/redis.md.
type faultCase struct {
	url    string
	prefix string
	begin  func()      // causes the fault
	show   func() bool // whether the fault is present; nil if the buses notice it
	cause  string      // reason in Health and the log; "" if the buses are not affected
	dead   uint64      // DeadSubscriptions of each bus
	astray bool        // the node accepted messages without delivering them, so the number of lost ones is unknown
	end    func()      // ends a lasting fault, during which Health returns cause and Publish fails
	tries  bool        // failed attempts to reconnect are logged
	says   string      // the only line of the log if cause is ""; "" if there is none
}

// logged reports whether the log of a bus that is not affected is as it should be.
func (f *faultCase) logged(n *node) bool {
	if f.says == "" {
		return n.log.String() == ""
	}
	return n.log.Count("\n") == 1 && n.log.Count(f.says) == 1
}

// Two servers and an emitter run during each fault. Health, the log and the counters report
// what is lost, and afterwards all can reach each other again.
func TestFaults(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	for name, prepare := range map[string]func(t *testing.T) faultCase{
		"disk full": func(t *testing.T) faultCase {
			r := redistest.Start(t)
			return faultCase{url: r.URL(), begin: func() { breakSaving(t, r) }, show: func() bool {
				_, err := r.Try("ping")
				return err != nil && strings.Contains(err.Error(), "MISCONF")
			}}
		},
		"an address that moves": func(t *testing.T) faultCase {
			first, second := redistest.Start(t), redistest.Start(t)
			p := startProxy(t, first.Addr())
			return faultCase{url: "redis://" + p.addr(), astray: true, cause: "this node is a replica of " + second.Addr(), begin: func() {
				p.lead(second.Addr())
				first.Do("replicaof", "127.0.0.1", portOf(second))
			}}
		},
		"dead subscriptions": func(t *testing.T) faultCase {
			first, second := redistest.Start(t), redistest.Start(t)
			p := startProxy(t, first.Addr())
			return faultCase{url: "redis://" + p.addr(), astray: true, cause: "the subscription is dead", dead: 1, begin: func() {
				p.swap(t, second.Addr())
			}}
		},
		"dead subscriptions, with a prefix": func(t *testing.T) faultCase {
			first, second := redistest.Start(t), redistest.Start(t)
			p := startProxy(t, first.Addr())
			return faultCase{url: "redis://" + p.addr(), prefix: "shop:", astray: true, cause: "the subscription is dead", dead: 1, begin: func() {
				p.swap(t, second.Addr())
			}}
		},
		"cut subscribers": func(t *testing.T) faultCase {
			r := redistest.Start(t)
			return faultCase{url: r.URL(), cause: "EOF", begin: func() { r.Do("client", "kill", "type", "pubsub") }}
		},
		"a node taken out of its Cluster": func(t *testing.T) faultCase {
			c := redistest.StartCluster(t)
			out := c.Nodes[0]
			return faultCase{url: "redis+cluster://" + out.Addr(), astray: true, cause: "this node is not part of a Cluster", begin: func() {
				id := out.Do("cluster", "myid")
				c.Nodes[1].Do("cluster", "forget", id)
				c.Nodes[2].Do("cluster", "forget", id)
				out.Do("cluster", "reset", "soft")
			}}
		},
		"Redis killed": func(t *testing.T) faultCase {
			r := redistest.Start(t)
			return faultCase{url: r.URL(), cause: "connection refused", begin: r.Kill, end: r.Restart, tries: true}
		},
		"Redis frozen": func(t *testing.T) faultCase {
			r := redistest.Start(t)
			return faultCase{url: r.URL(), cause: "does not answer within", begin: r.Pause, end: r.Resume}
		},
		"a failover by Sentinels": func(t *testing.T) faultCase {
			c := redistest.StartSentinel(t, 3)
			return faultCase{
				url: c.URL(), cause: c.Master.Addr() + ": connect: connection refused", begin: c.Master.Kill,
				end: func() {}, tries: true, // the Sentinels end it
			}
		},
		"a node without the majority": func(t *testing.T) faultCase {
			c := redistest.StartCluster(t)
			others := func(do func(*redistest.Server)) func() {
				return func() {
					do(c.Nodes[1])
					do(c.Nodes[2])
				}
			}
			return faultCase{
				url: c.URL(), cause: "sees 1 of the Cluster's 3 masters, no majority", astray: true,
				begin: others((*redistest.Server).Pause), end: others((*redistest.Server).Resume),
			}
		},
		"a stale Sentinel": func(t *testing.T) faultCase {
			c := redistest.StartSentinel(t, 2)
			stale := staleSentinel(t, c.Master.Addr())
			url := sentinelURL(stale.Addr(), c.Sentinels[0].Addr(), c.Sentinels[1].Addr())
			return faultCase{url: url, begin: func() { name(t, stale, c.Replica.Addr()) }, show: func() bool { return true }, says: "a sentinel names another master than the others"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := prepare(t)
			c := impatient(f.url)
			c.Prefix = f.prefix
			c.ProbeTimeout = 8 * time.Second // so that a busy machine does not look like another fault
			a, b, e := run(t, c, nil), run(t, c, nil), dial(t, c)
			exchange(t, "before", a, b)
			f.begin()
			for _, n := range []*node{a, b} {
				f.during(t, n)
			}
			if f.end != nil {
				f.end()
			}
			for _, n := range []*node{a, b} {
				f.check(t, n)
			}
			exchange(t, "a to b", a, b)
			exchange(t, "b to a", b, a)
			received := func() bool {
				_ = e.Publish(t.Context(), wire.Publication{Channel: "ws:broadcast", Envelope: []byte("from the emitter")})
				return len(a.got) > 0 && len(b.got) > 0
			}
			for _, n := range []*node{a, b} {
				for len(n.got) > 0 {
					<-n.got
				}
			}
			redistest.Wait(t, "the emitter to reach both", received)
		})
	}
}

// during checks what a bus reports while a fault lasts.
func (f *faultCase) during(t *testing.T, n *node) {
	t.Helper()
	if f.end == nil {
		return
	}
	redistest.Wait(t, "Health to return "+f.cause, func() bool {
		failed := n.Publish("ws:broadcast", []byte("x"))
		err := n.Health()
		return errors.Is(failed, redisbus.ErrUnavailable) && errors.Is(err, redisbus.ErrUnavailable) && strings.Contains(err.Error(), f.cause)
	})
	if s := n.Stats(); s.Rejected == 0 || s.Connected {
		t.Errorf("stats %+v", s)
	}
}

func (f *faultCase) check(t *testing.T, n *node) {
	t.Helper()
	if f.cause == "" {
		before := n.Probes()
		redistest.Wait(t, "some probes", func() bool { return n.Probes() > before+6 })
		if s := n.Stats(); !f.show() || s.Reconnects+s.Gaps+n.Lost() != 0 || n.Health() != nil || !f.logged(n) {
			t.Errorf("fault present: %v; stats %+v, health %v, log:\n%s", f.show(), s, n.Health(), n.log)
		}
		return
	}
	redistest.Wait(t, "the bus to reconnect, and to record the gap", func() bool {
		s := n.Stats()
		return s.Reconnects > 0 && s.Gaps >= s.Reconnects && n.Health() == nil
	})
	if s := n.Stats(); s.GapTime <= 0 || s.DeadSubscriptions != f.dead {
		t.Errorf("stats %+v", s)
	}
	lost := `lost=\d+ `
	if f.astray {
		lost = "lost=unknown "
	}
	log := n.log.String()
	for _, line := range []string{f.cause, "redis connection lost"} {
		if !strings.Contains(log, line) {
			t.Errorf("the log does not contain %q:\n%s", line, log)
		}
	}
	if line := "redis connection restored.* " + lost + `missed=unknown missed_for=\S+ kept=\d`; !regexp.MustCompile(line).MatchString(log) {
		t.Errorf("the log does not match %q:\n%s", line, log)
	}
	if f.tries && !strings.Contains(log, "redis is not back") {
		t.Errorf("the log does not contain the failed attempts:\n%s", log)
	}
}

package redisbus_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

// staleSentinel returns a Sentinel that is cut off from the others and names the node at
// addr, whatever they have agreed on.
func staleSentinel(t *testing.T, addr string) *redistest.Pretender {
	f := redistest.Pretend(t)
	name(t, f, addr)
	return f
}

// name makes a Sentinel name the node at addr.
func name(t *testing.T, f *redistest.Pretender, addr string) {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	f.Answer("SENTINEL", fmt.Sprintf("*2\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(host), host, len(port), port))
}

func sentinelURL(addrs ...string) string {
	return "redis+sentinel://" + strings.Join(addrs, ",") + "/" + redistest.MasterSet
}

// One of three Sentinels names the replica at the start, while the bus runs, and when it
// reconnects.
func TestStaleSentinelNamesAReplica(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	c := redistest.StartSentinel(t, 2)
	stale := staleSentinel(t, c.Replica.Addr())
	for name, url := range map[string]string{
		"first": sentinelURL(stale.Addr(), c.Sentinels[0].Addr(), c.Sentinels[1].Addr()),
		"last":  sentinelURL(c.Sentinels[0].Addr(), c.Sentinels[1].Addr(), stale.Addr()),
	} {
		t.Run(name, func(t *testing.T) {
			n, p := run(t, impatient(url), nil), dial(t, impatient(url))
			before := n.Probes()
			redistest.Wait(t, "each Sentinel to be asked", func() bool { return n.Probes() > before+6 })
			if s := n.Stats(); s.Addr != c.Master.Addr() || s.Reconnects != 0 {
				t.Errorf("the bus left the master: %+v\n%s", s, n.log)
			}
			line := `msg="a sentinel names another master than the others" name=ignis redis=` + c.Master.Addr() + ` sentinel=` + stale.Addr() + ` error="it names ` + c.Replica.Addr()
			if got := n.log.Count(line); got != 1 {
				t.Errorf("%d lines %s:\n%s", got, line, n.log)
			}
			c.Master.Do("client", "kill", "type", "pubsub")
			redistest.Wait(t, "the bus to reconnect", func() bool { return n.Stats().Reconnects == 1 && n.Health() == nil })
			exchange(t, "again", n, n)
			if errs := p.Publish(t.Context(), numbered(0, 1)...); errs != nil {
				t.Error(errs)
			}
			if n.Stats().Addr != c.Master.Addr() {
				t.Errorf("the bus uses %s", n.Stats().Addr)
			}
		})
	}
}

// In a split brain, a minority names another node, which claims to be a master. The bus
// follows only a majority.
func TestMinorityNamesAnotherMaster(t *testing.T) {
	t.Parallel()
	master, rival := redistest.Start(t), redistest.Start(t)
	a, b, c := staleSentinel(t, master.Addr()), staleSentinel(t, master.Addr()), staleSentinel(t, rival.Addr())
	n := run(t, impatient(sentinelURL(c.Addr(), a.Addr(), b.Addr())), nil)
	p := dial(t, impatient(sentinelURL(c.Addr(), a.Addr(), b.Addr())))
	before := n.Probes()
	redistest.Wait(t, "each Sentinel to be asked", func() bool { return n.Probes() > before+6 })
	if s := n.Stats(); s.Addr != master.Addr() || s.Reconnects != 0 {
		t.Fatalf("the bus followed a minority: %+v\n%s", s, n.log)
	}
	// The bus does not leave a working master because of a single Sentinel either.
	a.Answer("SENTINEL", "-ERR out of order\r\n")
	before = n.Probes()
	redistest.Wait(t, "each Sentinel to be asked", func() bool { return n.Probes() > before+6 })
	if s := n.Stats(); s.Addr != master.Addr() || s.Reconnects != 0 {
		t.Fatalf("the bus followed one of two: %+v\n%s", s, n.log)
	}
	if line := `msg="a sentinel does not answer" name=ignis redis=` + master.Addr() + ` sentinel=` + a.Addr() + ` error=`; n.log.Count(line) != 1 {
		t.Errorf("not one line %s:\n%s", line, n.log)
	}
	name(t, a, master.Addr())
	redistest.Wait(t, "the bus to trust it again", func() bool {
		return n.log.Count(`msg="the sentinel names the master again" name=ignis redis=`+master.Addr()+` sentinel=`+a.Addr()) == 1
	})
	// The bus follows a majority, although the old master works and claims to be one.
	name(t, a, rival.Addr())
	redistest.Wait(t, "the bus to follow the majority", func() bool { return n.Stats().Addr == rival.Addr() && n.Health() == nil })
	if n.log.Count("2 of 3 sentinels name another master, "+rival.Addr()) != 1 {
		t.Errorf("log:\n%s", n.log)
	}
	redistest.Wait(t, "the publisher to follow as well", func() bool {
		_ = p.Publish(t.Context(), numbered(0, 1)...)
		return len(n.got) > 0
	})
}

// If the only Sentinel that answers is wrong, the error names it. The others are asked again
// as soon as they are back.
func TestErrorNamesSentinel(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	c := redistest.StartSentinel(t, 2)
	stale := staleSentinel(t, c.Replica.Addr())
	c.Sentinels[0].Kill()
	c.Sentinels[1].Pause()
	config := impatient(sentinelURL(c.Sentinels[0].Addr(), c.Sentinels[1].Addr(), stale.Addr()))
	n, ready := launch(t, config, nil)
	want := "named by sentinel " + stale.Addr() + ": " + c.Replica.Addr() + ": this node is a replica of " + c.Master.Addr()
	redistest.Wait(t, "Health to name it", func() bool { return n.log.Count(want) > 0 })
	c.Sentinels[1].Resume()
	n.await(ready)
	if s := n.Stats(); s.Addr != c.Master.Addr() {
		t.Errorf("the bus uses %s", s.Addr)
	}
	exchange(t, "after", n, n)
}

// If a Sentinel refuses the credentials, the attempts continue as long as another may
// answer.
func TestOneSentinelRefuses(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	good, bad := staleSentinel(t, master.Addr()), redistest.Pretend(t)
	bad.Answer("SENTINEL", "-NOAUTH Authentication required.\r\n")
	good.Answer("PING", "-LOADING not yet\r\n")
	good.Answer("SENTINEL", "-LOADING not yet\r\n")
	n, ready := launch(t, impatient(sentinelURL(bad.Addr(), good.Addr())), nil)
	redistest.Wait(t, "an attempt", func() bool { return n.log.Count("NOAUTH") > 0 })
	name(t, good, master.Addr())
	n.await(ready)
	exchange(t, "after", n, n)
	c := redisbus.Config{URL: sentinelURL(bad.Addr()), Logger: discard(), StartTimeout: time.Hour}
	if _, err := redisbus.Dial(t.Context(), c); err == nil || !strings.Contains(err.Error(), "sentinel "+bad.Addr()+": refused: NOAUTH") {
		t.Errorf("Dial = %v", err)
	}
	// A Redis is not a Sentinel, and a Sentinel is not a Redis.
	c.URL = sentinelURL(master.Addr())
	if _, err := redisbus.Dial(t.Context(), c); err == nil || !strings.Contains(err.Error(), "refused: ") {
		t.Errorf("Dial = %v", err)
	}
	s := redistest.StartSentinel(t, 1)
	c.URL = "redis://" + s.Sentinels[0].Addr()
	if _, err := redisbus.Dial(t.Context(), c); err == nil || !strings.Contains(err.Error(), "this is a Sentinel") || errors.Is(err, redisbus.ErrUnavailable) {
		t.Errorf("Dial = %v", err)
	}
}

// Sentinels are asked in turn, so one that still names the old master, which still works,
// does not hide the failover.
func TestStaleSentinelNamesOldMaster(t *testing.T) {
	t.Parallel()
	old, next := redistest.Start(t), redistest.Start(t)
	for stale := range 3 {
		var sentinels []*redistest.Pretender
		var addrs []string
		for range 3 {
			s := staleSentinel(t, old.Addr())
			sentinels, addrs = append(sentinels, s), append(addrs, s.Addr())
		}
		n := run(t, impatient(sentinelURL(addrs...)), nil)
		for i, s := range sentinels {
			if i != stale {
				name(t, s, next.Addr())
			}
		}
		redistest.Wait(t, "the bus to follow the majority", func() bool { return n.Stats().Addr == next.Addr() && n.Health() == nil })
	}
}

package redisbus_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

// A replica is refused, because messages published on it do not reach its master's
// subscribers.
func TestReplicaIsRefused(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	master := redistest.Start(t)
	r := redistest.Start(t)
	r.Do("replicaof", "127.0.0.1", portOf(master))
	r.Do("acl", "setuser", "app", "on", ">secret", "+@all", "-role", "allchannels")
	for name, c := range map[string]redisbus.Config{
		"url":            impatient(r.URL()),
		"unix socket":    impatient("unix://" + r.Socket()),
		"without rights": impatient("redis://app:secret@" + r.Addr()),
		"one address": {Option: &rueidis.ClientOption{
			InitAddress: []string{r.Addr()},
		}},
		"old protocol": {Option: &rueidis.ClientOption{
			InitAddress: []string{r.Addr()}, AlwaysRESP2: true, ForceSingleClient: true,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c.StartTimeout, c.Logger = 2*time.Second, discard()
			bus, err := redisbus.New(c)
			if err != nil {
				t.Fatal(err)
			}
			err = bus.Run(t.Context(), func() { t.Error("ready on a replica") }, func(...[]byte) {})
			want := "this node is a replica of " + master.Addr()
			if name == "without rights" {
				want = "this node is a replica:"
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Run = %v, want %q", err, want)
			}
			if _, err := redisbus.Dial(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Dial = %v, want %q", err, want)
			}
		})
	}
}

func portOf(r *redistest.Server) string {
	_, port, _ := strings.Cut(r.Addr(), ":")
	return port
}

// When an address moves to another node, the old node continues as a replica, and its
// connections stay open.
func TestAddressMoves(t *testing.T) {
	t.Parallel()
	first, second := redistest.Start(t), redistest.Start(t)
	p := startProxy(t, first.Addr())
	url := "redis://" + p.addr()
	n, e := run(t, impatient(url), nil), dial(t, impatient(url))
	exchange(t, "before", n, n)
	p.lead(second.Addr())
	first.Do("replicaof", "127.0.0.1", portOf(second))
	redistest.Wait(t, "the bus to reconnect", func() bool { return n.Stats().Reconnects == 1 })
	n.healthy()
	other := run(t, impatient(second.URL()), nil)
	exchange(t, "after", n, other)
	if n.log.Count("this node is a replica of "+second.Addr()) != 1 {
		t.Errorf("the log does not say why exactly once:\n%s", n.log)
	}
	redistest.Wait(t, "the publisher to move as well", func() bool {
		_ = e.Publish(t.Context(), numbered(0, 1)...)
		return len(other.got) > 0
	})
}

// While no master is available, Publish fails and Health says why.
func TestDemotedRedisIsReported(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	n, p := run(t, impatient(r.URL()), nil), dial(t, impatient(r.URL()))
	r.Do("replicaof", "127.0.0.1", "1")
	n.down()
	redistest.Wait(t, "Health to say why", func() bool { return strings.Contains(n.Health().Error(), "is a replica of 127.0.0.1:1") })
	redistest.Wait(t, "the publisher to refuse the replica", func() bool {
		errs := p.Publish(t.Context(), numbered(0, 1)...)
		return errs != nil && errors.Is(errs[0], redisbus.ErrUnavailable) && strings.Contains(errs[0].Error(), "is a replica of")
	})
	r.Do("replicaof", "no", "one")
	n.healthy()
	exchange(t, "after", n, n)
}

// If the user may not query the role, the log says once what is not detected.
func TestRoleWithoutRights(t *testing.T) {
	t.Parallel()
	f := redistest.Pretend(t)
	f.Answer("ROLE", "-NOPERM no\r\n")
	f.Answer("HELLO", "-ERR unknown command 'HELLO'\r\n")
	n := run(t, impatient(f.URL()), nil)
	redistest.Wait(t, "some probes", func() bool { return n.Probes() > 3 })
	n.stop() // logs how often a line was left out
	if got := n.log.Count("allow ROLE"); got != 1 || n.log.Count("more=") > 0 {
		t.Errorf("logged %d times, want once:\n%s", got, n.log)
	}
}

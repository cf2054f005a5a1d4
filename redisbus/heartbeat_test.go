package redisbus_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

// When a proxy changes the backend of a connection, PING is answered and messages are
// accepted, but the subscription is gone.
func TestDeadSubscriptionIsReplaced(t *testing.T) {
	t.Parallel()
	first, second := redistest.Start(t), redistest.Start(t)
	p := startProxy(t, first.Addr())
	c := impatient("redis://" + p.addr())
	c.ProbeTimeout = 500 * time.Millisecond
	n := run(t, c, nil)
	exchange(t, "before", n, n)
	p.swap(t, second.Addr())
	n.down()
	if err := n.Health(); !errors.Is(err, redisbus.ErrDeadSubscription) && n.Stats().Reconnects == 0 {
		t.Errorf("Health = %v", err)
	}
	n.healthy()
	if s := n.Stats(); s.DeadSubscriptions != 1 || s.Reconnects != 1 || s.Gaps != 1 {
		t.Errorf("stats %+v", s)
	}
	exchange(t, "after", run(t, impatient(second.URL()), nil), n)
	if n.log.Count("the subscription is dead") != 1 {
		t.Errorf("log:\n%s", n.log)
	}
}

// Stats reports how long heartbeats take, and nothing while there is no connection or Redis
// refuses heartbeats.
func TestLag(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	n := run(t, impatient(r.URL()), nil)
	redistest.Wait(t, "some heartbeats", func() bool { return n.Stats().Heartbeats > 3 })
	if s := n.Stats(); s.Lag <= 0 || s.LagTime < s.Lag || s.LagTime > time.Minute {
		t.Errorf("stats %+v", s)
	}
	r.Pause()
	n.down()
	if s := n.Stats(); s.Lag != 0 || s.LagTime == 0 {
		t.Errorf("without a connection: stats %+v", s)
	}
	r.Resume()
	n.healthy()

	r.Do("acl", "setuser", "app", "on", ">secret", "+@all", "resetchannels",
		"&ws:broadcast", "&ws:room:*", "&ws:client:*", "&ws:user:*")
	n = run(t, impatient("redis://app:secret@"+r.Addr()), nil)
	redistest.Wait(t, "some probes", func() bool { return n.Probes() > 3 })
	if s := n.Stats(); s.Heartbeats != 0 || s.Lag != 0 || s.LagTime != 0 {
		t.Errorf("without heartbeats: stats %+v", s)
	}
}

// While Redis refuses heartbeats, there is no lag.
func TestLagOfRefusedHeartbeats(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	r.Do("acl", "setuser", "app", "on", ">secret", "+@all", "allchannels")
	n := run(t, impatient("redis://app:secret@"+r.Addr()), nil)
	redistest.Wait(t, "a heartbeat", func() bool { return n.Stats().Heartbeats > 0 })
	r.Do("acl", "setuser", "app", "-publish")
	redistest.Wait(t, "no lag", func() bool { return n.Stats().Lag == 0 })
	before, probes := n.Stats(), n.Probes()
	redistest.Wait(t, "some probes", func() bool { return n.Probes() > probes+3 })
	if s := n.Stats(); !s.Connected || s.Heartbeats != before.Heartbeats || s.LagTime != before.LagTime {
		t.Errorf("stats %+v, before %+v", s, before)
	}
}

// A heartbeat that Redis delivers late counts with the time that it took.
func TestLongLag(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	n := run(t, impatient(r.URL()), nil)
	redistest.Wait(t, "a heartbeat that takes long", func() bool {
		r.Do("client", "pause", "300", "ALL") // takes effect when the pause before has ended
		return n.Stats().Lag > 100*time.Millisecond
	})
}

// With the defaults, it takes less than 10 seconds to notice a dead subscription: the interval
// of the probes and their timeout.
func TestHeartbeatDefaults(t *testing.T) {
	if worst := redisbus.DefaultProbeInterval + redisbus.DefaultProbeTimeout; worst >= 10*time.Second {
		t.Errorf("a dead subscription may go unnoticed for %v", worst)
	}
}

// The bus does not become ready if its subscription does not deliver, as when each connection
// leads to a different Redis.
func TestSubscriptionThatNeverWorks(t *testing.T) {
	t.Parallel()
	f := redistest.Pretend(t)
	f.Answer("PUBLISH", ":0\r\n") // accepts messages without delivering them
	c := redisbus.Config{URL: f.URL(), ProbeTimeout: 100 * time.Millisecond}
	err := failToStart(t, c, redisbus.ErrDeadSubscription.Error())
	if !errors.Is(err, redisbus.ErrDeadSubscription) {
		t.Errorf("Run = %v", err)
	}
}

// If the user may not use the heartbeat channel, the bus logs it once and uses PING instead.
func TestHeartbeatWithoutRights(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	rights := []string{
		"acl", "setuser", "app", "on", ">secret", "+@all", "resetchannels",
		"&ws:broadcast", "&ws:room:*", "&ws:client:*", "&ws:user:*",
	}
	r.Do(rights...)
	n := run(t, impatient("redis://app:secret@"+r.Addr()), nil)
	exchange(t, "without", n, n)
	redistest.Wait(t, "some probes", func() bool { return n.Probes() > 3 })
	if got := n.log.Count("allow ignis:bus:*"); got != 1 {
		t.Errorf("logged %d times, want once:\n%s", got, n.log)
	}
	stats := r.Do("info", "commandstats")
	if !strings.Contains(stats, "cmdstat_ping") {
		t.Errorf("PING was not used:\n%s", stats)
	}
	r.Pause()
	n.down()
	r.Resume()
	n.healthy()

	// With the right, nothing is logged.
	r.Do(append(rights, "&ignis:bus:*")...)
	n = run(t, impatient("redis://app:secret@"+r.Addr()), nil)
	redistest.Wait(t, "some probes", func() bool { return n.Probes() > 3 })
	if n.log.String() != "" {
		t.Errorf("log:\n%s", n.log)
	}
	if list := r.Do("pubsub", "channels", "ignis:bus:*"); strings.Count(list, "ignis:bus:") != 1 {
		t.Errorf("channels: %q", list)
	}
	// The right may be revoked later.
	r.Do("acl", "setuser", "app", "resetchannels", "&ws:broadcast", "&ws:room:*", "&ws:client:*", "&ws:user:*")
	redistest.Wait(t, "the bus to use PING", func() bool { return n.log.Count("allow ignis:bus:*") == 1 })
	redistest.Wait(t, "the bus to reconnect", func() bool { return n.Stats().Reconnects == 1 }) // Redis disconnects it
	n.healthy()
	exchange(t, "revoked", n, n)
}

// Messages on the heartbeat channel are never delivered to receive.
func TestHeartbeatIsNotReceived(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	c := impatient(r.URL())
	c.ProbeTimeout = time.Minute // a busy machine is not a dead connection
	n := run(t, c, nil)
	// Those of others do not take the place of the bus' own either.
	own := r.Do("pubsub", "channels", "ignis:bus:*")
	before := n.Probes()
	redistest.Wait(t, "some probes", func() bool {
		for range 100 {
			if got := r.Do("publish", own, "1"); got != "1" {
				t.Fatalf("%s subscribers of %q received it", got, own)
			}
		}
		return n.Probes() > before+10
	})
	n.publish("the only one")
	if text := n.next(); text != "the only one" {
		t.Errorf("received %q", text)
	}
	redistest.Wait(t, "it to be counted", func() bool { return n.Stats().Received > 0 })
	if got := n.Stats().Received; got != 1 {
		t.Errorf("%d were received", got)
	}
	n.balance(1)
	if s := n.Stats(); s.Reconnects != 0 {
		t.Errorf("stats %+v", s)
	}
}

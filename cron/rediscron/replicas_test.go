package rediscron_test

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/cron/rediscron"
	"github.com/ignis-go/ignis/internal/logtest"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

// logged is a log that a test can read.
type logged struct{ logtest.Log }

// look queries a job, and waits until the nodes have been checked.
func look(t *testing.T, s *rediscron.Store) {
	t.Helper()
	redistest.Wait(t, "an answer", func() bool {
		_, err := s.Last(t.Context(), cron.Query{Job: "job"})
		return err == nil
	})
	s.AwaitLook()
}

// wants checks that there is one line for each of the nodes.
func (l *logged) wants(t *testing.T, what, line string, nodes ...*redistest.Server) {
	t.Helper()
	lines := l.Lines()
	if len(lines) != len(nodes) {
		t.Errorf("%s: want %d lines:\n%s", what, len(nodes), strings.Join(lines, "\n"))
		return
	}
	for _, n := range nodes {
		found := 0
		for _, text := range lines {
			if strings.Contains(text, "redis="+n.Addr()+" ") && strings.Contains(text, line) {
				found++
			}
		}
		if found != 1 {
			t.Errorf("%s: %d lines about %s:\n%s", what, found, n.Addr(), strings.Join(lines, "\n"))
		}
	}
}

const unguarded = "min-replicas-to-write"

// startReplica starts a replica and waits until it is in sync.
func startReplica(t *testing.T, of *redistest.Server) *redistest.Server {
	t.Helper()
	r := redistest.StartWith(t, redistest.Config{Args: []string{"--replicaof", "127.0.0.1 " + strconv.Itoa(of.Port())}})
	redistest.Wait(t, "the replica to be in sync", func() bool {
		return strings.Contains(of.Do("info", "replication"), ",port="+strconv.Itoa(r.Port())+",") &&
			strings.Contains(of.Do("info", "replication"), "state=online")
	})
	return r
}

func TestReplicasWithoutGuard(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	var log logged
	s := open(t, rediscron.Config{URL: r.URL(), Logger: log.Logger()})
	look(t, s)
	s.LookAgain()
	look(t, s)
	log.wants(t, "without replicas", unguarded)

	startReplica(t, r)
	look(t, s)
	log.wants(t, "nothing is due", unguarded)
	s.LookAgain()
	look(t, s)
	log.wants(t, "with one", unguarded, r)
	if line := log.Lines()[0]; !strings.Contains(line, "level=WARN") || !strings.Contains(line, "run twice") || !strings.Contains(line, "replicas=1") {
		t.Errorf("the line is %s", line)
	}
	r.Do("client", "kill", "type", "normal")
	look(t, s)
	log.wants(t, "after a new connection", unguarded, r)

	// Another process uses the logger of its bus.
	var other logged
	for _, set := range [][2]string{{"1", "0"}, {"0", "10"}} {
		r.Do("config", "set", "min-replicas-to-write", set[0], "min-replicas-max-lag", set[1])
		other = logged{}
		s = open(t, rediscron.Config{Redis: &redisbus.Config{URL: r.URL(), Logger: other.Logger()}})
		look(t, s)
		other.wants(t, fmt.Sprint("settings ", set), unguarded, r)
	}
	r.Do("config", "set", "min-replicas-to-write", "1")
	redistest.Wait(t, "the replica to count", func() bool {
		return strings.Contains(r.Do("info", "replication"), "min_slaves_good_slaves:1")
	})
	other = logged{}
	s = open(t, rediscron.Config{URL: r.URL(), Logger: other.Logger()})
	look(t, s)
	other.wants(t, "with the setting", unguarded)

	// The node is checked again after each new connection.
	r.Do("config", "set", "min-replicas-to-write", "0")
	look(t, s)
	other.wants(t, "nothing is due", unguarded)
	r.Do("client", "kill", "type", "normal")
	look(t, s)
	other.wants(t, "after a new connection", unguarded, r)
}

// Behind Sentinels, a failover may happen even if the replica is disconnected now.
func TestReplicasBehindSentinels(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	c := redistest.StartSentinel(t, 3)
	var log logged
	look(t, open(t, rediscron.Config{URL: c.URL(), Logger: log.Logger()}))
	log.wants(t, "with a replica", unguarded, c.Master)
	c.Replica.Kill()
	redistest.Wait(t, "the master to know", func() bool {
		return strings.Contains(c.Master.Do("info", "replication"), "connected_slaves:0")
	})
	var other logged
	s := open(t, rediscron.Config{URL: c.URL(), Logger: other.Logger()})
	look(t, s)
	other.wants(t, "without its replica", unguarded, c.Master)

	// Its successor is a different node.
	c.Replica.Restart()
	redistest.Wait(t, "the replica to be back", func() bool {
		return strings.Contains(c.Master.Do("info", "replication"), "state=online")
	})
	c.Failover()
	redistest.Wait(t, "the successor to be used", func() bool {
		look(t, s)
		return len(other.Lines()) > 1
	})
	other.wants(t, "after a failover", unguarded, c.Master, c.Replica)
}

// In a Cluster, each master that the client uses is checked.
func TestReplicasInACluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	n := slotOf(t, c, "job")
	replica := redistest.StartWith(t, redistest.Config{Args: []string{"--cluster-enabled", "yes", "--cluster-node-timeout", "2500"}})
	replica.Do("cluster", "meet", "127.0.0.1", strconv.Itoa(n.of.Port()))
	redistest.Wait(t, "the node to become a replica", func() bool {
		_, err := replica.Try("cluster", "replicate", n.ofID)
		return err == nil && strings.Contains(n.of.Do("info", "replication"), "state=online")
	})
	var log logged
	s := open(t, rediscron.Config{URL: "redis+cluster://" + n.to.Addr() + "," + replica.Addr(), Logger: log.Logger()})
	look(t, s)
	look(t, s)
	log.wants(t, "of one master", unguarded, n.of)
}

// If the user may not send INFO, that is logged once, and not as a warning.
func TestReplicasWithoutRights(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	startReplica(t, r)
	c := asUser(t, r)
	r.Do("acl", "setuser", "cron", "-info")
	var log logged
	c.Logger = log.Logger()
	s := open(t, c)
	for range 3 {
		look(t, s)
		r.Do("client", "kill", "user", "cron")
	}
	log.wants(t, "without the right", "allow INFO", r)
	if len(log.Lines()) == 1 && !strings.Contains(log.Lines()[0], "level=INFO") {
		t.Errorf("the line is %s", log.Lines()[0])
	}
	r.Do("acl", "setuser", "cron", "+info")
	look(t, s)
	if lines := log.Lines(); len(lines) != 2 || !strings.Contains(lines[1], unguarded) {
		t.Errorf("with the right: %s", lines)
	}
}

// A node that cannot answer at the moment is checked again.
func TestReplicasAreCheckedAgain(t *testing.T) {
	t.Parallel()
	master := bulk("# Replication\r\nrole:master\r\nconnected_slaves:2\r\n")
	for _, answer := range []string{"-LOADING Redis is loading the dataset in memory\r\n", "*1\r\n:1\r\n"} {
		server := redistest.Pretend(t)
		var log logged
		s := open(t, rediscron.Config{URL: server.URL(), Logger: log.Logger()})
		server.Answer("INFO", answer)
		look(t, s)
		if lines := log.Lines(); len(lines) != 0 {
			t.Errorf("%q: %s", answer, lines)
		}
		server.Answer("INFO", master)
		redistest.Wait(t, "a valid answer", func() bool { look(t, s); return len(log.Lines()) > 0 })
		if lines := log.Lines(); len(lines) != 1 || !strings.Contains(lines[0], "replicas=2") {
			t.Errorf("after %q: %s", answer, lines)
		}
	}
	// A replica with its own replicas grants nothing, so it is not warned about.
	server := redistest.Pretend(t)
	var log logged
	s := open(t, rediscron.Config{URL: server.URL(), Logger: log.Logger()})
	for _, answer := range []string{"+role:master\r\n", bulk("role:slave\r\nconnected_slaves:1\r\n")} {
		server.Answer("INFO", answer)
		s.LookAgain()
		look(t, s)
		if lines := log.Lines(); len(lines) != 0 {
			t.Errorf("%q: %s", answer, lines)
		}
	}
}

// A node that the client has connected to but does not use yet is checked once it is used.
func TestReplicasOfUnusedNode(t *testing.T) {
	t.Parallel()
	server := redistest.Pretend(t)
	server.Answer("INFO", bulk("role:master\r\nconnected_slaves:1\r\n"))
	var log logged
	s := open(t, rediscron.Config{URL: server.URL(), Logger: log.Logger()})
	if err := s.LookBefore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if lines := log.Lines(); len(lines) != 0 {
		t.Fatalf("a node that the client does not use was checked: %s", lines)
	}
	if !s.LooksSoon() {
		t.Error("it is not checked again soon")
	}
	if n := s.Due(); n != 1 {
		t.Errorf("%d nodes are due", n)
	}
	redistest.Wait(t, "the node to be checked", func() bool { look(t, s); return len(log.Lines()) == 1 })
	if n := s.Due(); n != 0 {
		t.Errorf("%d nodes are due after that", n)
	}

	// A node that remains unused is considered a Sentinel.
	s = open(t, rediscron.Config{URL: server.URL(), Logger: log.Logger(), Timeout: 50 * time.Millisecond})
	redistest.Wait(t, "the node to be ignored", func() bool {
		err := s.LookBefore(t.Context())
		return s.Due() == 0 && err == nil
	})
}

func TestReplicasAreCheckedOneAtATime(t *testing.T) {
	t.Parallel()
	if n := rediscron.LookOften(); n != 1 {
		t.Errorf("they were checked %d times", n)
	}
}

// After Close, no node is checked.
func TestReplicasAfterClose(t *testing.T) {
	t.Parallel()
	server := redistest.Pretend(t)
	s := open(t, rediscron.Config{URL: server.URL(), Logger: slog.New(slog.DiscardHandler)})
	redisTime(t, s)
	_ = s.Close()
	if s.Looks() {
		t.Error("nodes are checked")
	}
}

// Close waits until a check that is running has ended.
func TestReplicasWhileClosing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		if !rediscron.CloseWhileLooking() {
			t.Error("Close did not wait")
		}
	})
}

func bulk(text string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text) }

// A master and its processes are cut off while a replica replaces it. With
// min-replicas-to-write, the old master stops granting. Without it, both grant the same
// instants.
func TestSplitBrain(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{"0", "1"} {
		t.Run("min-replicas-to-write "+setting, func(t *testing.T) {
			t.Parallel()
			old := redistest.Start(t)
			next, third := startReplica(t, old), startReplica(t, old)
			for _, r := range []*redistest.Server{old, next, third} {
				r.Do("config", "set", "min-replicas-to-write", setting, "min-replicas-max-lag", "2")
			}
			redistest.Wait(t, "the replicas to count", func() bool {
				info := old.Do("info", "replication")
				return setting == "0" || strings.Contains(info, "min_slaves_good_slaves:2")
			})
			here := open(t, rediscron.Config{URL: old.URL()})
			redisTime(t, here)
			next.Do("replicaof", "no", "one")
			third.Do("replicaof", "127.0.0.1", strconv.Itoa(next.Port()))
			redistest.Wait(t, "both sides to notice the cut", func() bool {
				before, after := old.Do("info", "replication"), next.Do("info", "replication")
				return strings.Contains(before, "connected_slaves:0") && strings.Contains(after, "state=online") &&
					(setting == "0" || strings.Contains(after, "min_slaves_good_slaves:1"))
			})
			there := open(t, rediscron.Config{URL: next.URL()})
			at := whole(redisTime(t, there)).Add(time.Second)
			await(t, there, at)
			claim(t, there, at, "b", cron.Granted)
			g, err := here.Claim(t.Context(), cron.Claim{Job: "job", Scheduled: at, Token: "a"})
			switch setting {
			case "0":
				if err != nil || g.Verdict != cron.Granted {
					t.Errorf("the setting is not needed, although the documentation says so: %v (%v)", g, err)
				}
			case "1":
				if err == nil || !strings.Contains(err.Error(), "NOREPLICAS") {
					t.Errorf("the instant was granted twice: %v (%v)", g, err)
				}
			}
		})
	}
}

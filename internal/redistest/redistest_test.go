package redistest_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ignis-go/ignis/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServerSurvivesKillAndPause(t *testing.T) {
	r := redistest.StartWith(t, redistest.Config{Password: "hunter2"})
	if got := r.Do("ping"); got != "PONG" {
		t.Fatalf("ping = %q", got)
	}
	r.Do("set", "key", "value")
	addr := r.Addr()
	r.Kill()
	r.Kill()
	r.Restart()
	if r.Addr() != addr {
		t.Fatalf("restarted on %s, was %s", r.Addr(), addr)
	}
	if got := r.Do("get", "key"); got != "" {
		t.Fatalf("a restarted Redis still has key = %q", got)
	}
	r.Pause()
	conn, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(100 * time.Millisecond))
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 100)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a paused Redis answers %d bytes, %v", n, err)
	}
	r.Resume()
	if got := r.Do("ping"); got != "PONG" {
		t.Fatalf("ping after resume = %q", got)
	}
}

// A Server can be reached at the addresses that its methods return.
func TestAddresses(t *testing.T) {
	open := redistest.StartWith(t, redistest.Config{Args: []string{"--maxclients", "21"}})
	locked := redistest.StartWith(t, redistest.Config{Password: "hunter2"})
	if open.Addr() != fmt.Sprintf("127.0.0.1:%d", open.Port()) || open.Port() < 10000 || open.Port() >= 22000 || open.Port() == locked.Port() {
		t.Errorf("%s and %s", open.Addr(), locked.Addr())
	}
	if want := "redis://" + open.Addr() + "/0"; open.URL() != want {
		t.Errorf("%s, want %s", open.URL(), want)
	}
	if want := "redis://:hunter2@" + locked.Addr() + "/0"; locked.URL() != want {
		t.Errorf("%s, want %s", locked.URL(), want)
	}
	if got := open.Do("config", "get", "maxclients"); got != "maxclients\n21" {
		t.Errorf("maxclients is %q", got)
	}
	if _, err := locked.Try("no such command"); err == nil || !strings.Contains(err.Error(), "unknown command") {
		t.Errorf("an unknown command: %v", err)
	}
	conn, err := net.Dial("unix", open.Socket())
	if err != nil {
		t.Error(err)
	} else {
		_ = conn.Close()
	}
	if !strings.Contains(open.Log(), "Ready to accept connections") {
		t.Errorf("its log: %s", open.Log())
	}
	for range 50 {
		if port := redistest.FreePort(t); port < 10000 || port >= 22000 || port == open.Port() || port == locked.Port() {
			t.Errorf("FreePort returned %d", port)
		}
	}
	wait := 0
	redistest.Wait(t, "the third check", func() bool { wait++; return wait == 3 })
}

func TestSentinelPromotesTheReplica(t *testing.T) {
	c := redistest.StartSentinel(t, 3)
	if got := c.Replica.Do("info", "replication"); !strings.Contains(got, "role:slave") || !strings.Contains(got, "master_link_status:up") {
		t.Errorf("the replica does not follow its master: %s", got)
	}
	for _, s := range c.Sentinels {
		if got := s.Do("sentinel", "master", redistest.MasterSet); !strings.Contains(got, "num-slaves\n1\n") || !strings.Contains(got, "num-other-sentinels\n2\n") {
			t.Errorf("a Sentinel does not know all nodes: %s", got)
		}
	}
	if want := "redis+sentinel://" + c.Sentinels[0].Addr() + "," + c.Sentinels[1].Addr() + "," + c.Sentinels[2].Addr() + "/mymaster/0"; c.URL() != want {
		t.Errorf("%s, want %s", c.URL(), want)
	}
	if got := strings.Join(strings.Fields(c.Sentinels[2].Do("sentinel", "ckquorum", redistest.MasterSet)), " "); !strings.Contains(got, "3 usable Sentinels") {
		t.Errorf("ckquorum: %s", got)
	}
	if got := c.Sentinels[0].Do("sentinel", "master", redistest.MasterSet); !strings.Contains(got, "quorum\n2") {
		t.Errorf("unexpected quorum of three Sentinels: %s", got)
	}
	c.Master.Kill()
	redistest.Wait(t, "the replica to be promoted", func() bool {
		role, err := c.Replica.Try("role") // a promotion closes connections
		return err == nil && strings.HasPrefix(role, "master")
	})
}

func TestClusterServesAllSlots(t *testing.T) {
	c := redistest.StartCluster(t)
	for _, n := range c.Nodes {
		got := n.Do("cluster", "info")
		for _, want := range []string{"cluster_state:ok", "cluster_slots_ok:16384", "cluster_known_nodes:3"} {
			if !strings.Contains(got, want) {
				t.Errorf("no %s: %s", want, got)
			}
		}
	}
	for i, first := range []string{"0-5460", "5461-10922", "10923-16383"} {
		if got := c.Nodes[i].Do("cluster", "nodes"); !regexp.MustCompile("myself,master .* " + first).MatchString(got) {
			t.Errorf("node %d does not own the slots %s: %s", i, first, got)
		}
	}
	if want := "redis+cluster://" + c.Nodes[0].Addr() + "," + c.Nodes[1].Addr() + "," + c.Nodes[2].Addr(); c.URL() != want {
		t.Errorf("%s, want %s", c.URL(), want)
	}
}

// Cut affects only the connection between two nodes.
func TestPartition(t *testing.T) {
	p := redistest.StartPartition(t)
	a, b, c := p.Nodes[0], p.Nodes[1], p.Nodes[2]
	p.Cut(a, b)
	failing := func(n *redistest.Server) int { return strings.Count(n.Do("cluster", "nodes"), "fail?") }
	redistest.Wait(t, "both to suspect each other", func() bool { return failing(a) == 1 && failing(b) == 1 })
	for _, n := range []*redistest.Server{a, b, c} {
		if got := n.Do("cluster", "info"); !strings.Contains(got, "cluster_state:ok") {
			t.Errorf("a node does not see the majority: %s", got)
		}
	}
	if got := c.Do("cluster", "nodes"); strings.Contains(got, "fail") {
		t.Errorf("the third node notices the cut: %s", got)
	}
	p.Heal()
	p.AwaitWhole(t)
}

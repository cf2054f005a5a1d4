package redisbus_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

// verdicts contains the meaning of each error reply for each command: w(orks), e(lsewhere) or
// g(ive up). store is its meaning for a command that stores or reads commands.
var verdicts = []struct {
	reply, means string
	store        byte
}{
	// connect, PING, PUBLISH, SUBSCRIBE, heartbeat, ROLE, CLUSTER, SENTINEL
	{"MISCONF Errors writing to the AOF file: No space left on device", "ewwewwwe", 'w'},
	{"OOM command not allowed when used memory > 'maxmemory'.", "ewwewwwe", 'w'},
	{"NOREPLICAS Not enough good replicas to write.", "ewwewwwe", 'w'},
	{"BUSY Redis is busy running a script.", "ewwewwwe", 'w'},
	{"LOADING Redis is loading the dataset in memory", "eweeewee", 'w'},
	{"READONLY You can't write against a read only replica.", "eeeeeeee", 'e'},
	{"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "eeeeeeee", 'e'},
	{"CLUSTERDOWN The cluster is down", "eeeeeeee", 'e'},
	{"NOPERM this user has no permissions to run the command", "gwwgwwwg", 'g'},
	{"ERR unknown command 'X'", "gwgggwwg", 'g'},
	{"ERR unknown subcommand 'X'. Try CLUSTER HELP.", "gwgggwwg", 'g'},
	{"NOAUTH Authentication required.", "gggggggg", 'g'},
	{"WRONGPASS invalid username-password pair or user is disabled.", "gggggggg", 'g'},
	{"DENIED Redis is running in protected mode", "gggggggg", 'g'},
	{"ERR invalid password", "gggggggg", 'g'},
	{"ERR AUTH <password> called without any password configured for the default user.", "gggggggg", 'g'},
	{"ERR Client sent AUTH, but no password is set", "gggggggg", 'g'},
	{"ERR DB index is out of range", "gggggggg", 'g'},
	{"ERR invalid DB index", "gggggggg", 'g'},
	{"ERR SELECT is not allowed in cluster mode", "gggggggg", 'g'},
	{"BUSYKEY something that starts like another", "ewwewwwe", 'g'},
	{"ERR something else", "ewwewwwe", 'g'},
}

func TestErrorReplies(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	columns := []struct{ name, command, scheme string }{
		{"connect", "SELECT", "redis"},
		{"ping", "PING", "redis"},
		{"publish", "PUBLISH WS:ROOM:R", "redis"},
		{"subscribe", "PSUBSCRIBE", "redis"},
		{"heartbeat", "PUBLISH", "redis"},
		{"role", "ROLE", "redis"},
		{"cluster", "CLUSTER NODES", "redis+cluster"},
		{"sentinel", "SENTINEL", "redis+sentinel"},
	}
	for _, row := range verdicts {
		for i, column := range columns {
			name, _, _ := strings.Cut(strings.TrimPrefix(row.reply, "ERR "), " ")
			t.Run(name+" to "+column.name, func(t *testing.T) {
				t.Parallel()
				f := redistest.Pretend(t)
				reply := "-" + row.reply + "\r\n"
				f.Answer(column.command, reply)
				url := column.scheme + "://" + f.Addr()
				switch column.name {
				case "connect":
					url += "/1"
				case "sentinel":
					url += "/mymaster"
				}
				checkVerdict(t, f, url, column.name, row.means[i], row.reply)
			})
		}
	}
}

func checkVerdict(t *testing.T, f *redistest.Pretender, url, column string, means byte, reply string) {
	c := redisbus.Config{URL: url, ProbeInterval: 10 * time.Millisecond}
	if means == 'w' || column == "publish" {
		n := run(t, c, nil)
		if column == "publish" {
			n.publish("x")
			redistest.Wait(t, "the envelope to be refused", func() bool { return n.Stats().LostRefused == 1 })
			if means != 'w' {
				redistest.Wait(t, "the bus to reconnect", func() bool { return n.Stats().Reconnects > 0 })
				return
			}
		}
		pings := n.Stats()
		redistest.Wait(t, "some probes", func() bool { return n.Probes() > 3 })
		if s := n.Stats(); s.Reconnects != pings.Reconnects || s.Reconnects != 0 || !s.Connected {
			t.Errorf("the bus changed its link: %+v\n%s", s, n.log)
		}
		return
	}
	reply = strings.TrimPrefix(reply, "ERR ")
	err := failToStart(t, c, reply)
	if err == nil || !strings.Contains(err.Error(), reply) || !strings.Contains(err.Error(), f.Addr()) {
		t.Fatalf("Run = %v, want Redis' reply and the address", err)
	}
	if refused := !strings.Contains(err.Error(), "not ready after"); refused != (means == 'g') {
		t.Errorf("refused is %v: %v", refused, err)
	}
}

// The following tests make a real Redis send error replies.

// While the disk is full, Redis replies to PING with MISCONF, but messages arrive.
func TestRedisCannotSave(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	n, p := run(t, impatient(r.URL()), nil), dial(t, impatient(r.URL()))
	breakSaving(t, r)
	staysInUse(t, n, func() bool {
		_, err := r.Try("ping")
		return err != nil && strings.Contains(err.Error(), "MISCONF")
	})
	// A bus that starts later also becomes ready.
	exchange(t, "to a later bus", n, run(t, impatient(r.URL()), nil))
	if errs := p.Publish(t.Context(), numbered(0, 1)...); errs != nil {
		t.Errorf("a publisher: %v", errs)
	}
}

// breakSaving makes the next background save fail.
func breakSaving(t *testing.T, r *redistest.Server) {
	t.Helper()
	r.Do("config", "set", "save", "3600 1")
	if err := os.RemoveAll(filepath.Dir(r.Socket())); err != nil {
		t.Fatal(err)
	}
	r.Do("bgsave")
	redistest.Wait(t, "the save to fail", func() bool {
		return strings.Contains(r.Do("info", "persistence"), "rdb_last_bgsave_status:err")
	})
}

// staysInUse checks that a bus stays on the same link while a fault lasts.
func staysInUse(t *testing.T, n *node, fault func() bool) {
	t.Helper()
	before := n.Probes()
	redistest.Wait(t, "some probes", func() bool { return n.Probes() > before+3 })
	exchange(t, "during the fault", n, n)
	if !fault() {
		t.Error("the fault is not present")
	}
	if s := n.Stats(); s.Reconnects != 0 || n.Health() != nil {
		t.Errorf("the bus changed its link: %+v, health %v\n%s", s, n.Health(), n.log)
	}
}

func TestRedisRejectsWrites(t *testing.T) {
	t.Parallel()
	for name, setting := range map[string][2]string{
		"OOM":        {"maxmemory", "1"},
		"NOREPLICAS": {"min-replicas-to-write", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := redistest.Start(t)
			n := run(t, impatient(r.URL()), nil)
			r.Do("config", "set", setting[0], setting[1])
			staysInUse(t, n, func() bool {
				_, err := r.Try("set", "key", "value")
				return err != nil && strings.Contains(err.Error(), name)
			})
			exchange(t, "to a later bus", n, run(t, impatient(r.URL()), nil))
		})
	}
}

// While a script runs, Redis accepts no messages, but the subscription stays.
func TestBusyRedis(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	r.Do("config", "set", "busy-reply-threshold", "50")
	n := run(t, impatient(r.URL()), nil)
	var script sync.WaitGroup
	script.Go(func() { _, _ = r.Try("eval", "while true do end", "0") })
	defer script.Wait()
	defer func() { _, _ = r.Try("script", "kill") }()
	redistest.Wait(t, "Health to return an error", func() bool { return n.Health() != nil })
	if err := n.Health(); !strings.Contains(err.Error(), "BUSY") {
		t.Errorf("Health = %v", err)
	}
	before := n.Probes()
	redistest.Wait(t, "some probes", func() bool { return n.Probes() > before+3 })
	r.Do("script", "kill")
	n.healthy()
	exchange(t, "after", n, n)
	if s := n.Stats(); s.Reconnects != 0 {
		t.Errorf("the bus changed its link: %+v\n%s", s, n.log)
	}
	if got := n.log.Count("does not accept envelopes at the moment"); got != 1 {
		t.Errorf("logged %d times:\n%s", got, n.log)
	}
}

// Redis delivers messages while it loads its data.
func TestRedisLoading(t *testing.T) {
	t.Parallel()
	r := redistest.StartWith(t, redistest.Config{Args: []string{"--enable-debug-command", "yes"}})
	n := run(t, impatient(r.URL()), nil)
	for i := range 40 {
		r.Do("set", fmt.Sprint("key", i), strings.Repeat("x", 4000))
	}
	r.Do("config", "set", "rdbcompression", "no")
	r.Do("config", "set", "loading-process-events-interval-bytes", "4096")
	r.Do("config", "set", "key-load-delay", "50000") // microseconds
	var reload sync.WaitGroup
	reload.Go(func() { _, _ = r.Try("debug", "reload") })
	defer reload.Wait()
	loading := func() bool {
		_, err := r.Try("ping")
		return err != nil && strings.Contains(err.Error(), "LOADING")
	}
	redistest.Wait(t, "Redis to load", loading)
	n.publish("while loading")
	if text := n.next(); text != "while loading" {
		t.Errorf("received %q", text)
	}
	if !loading() {
		t.Error("Redis finished loading too early")
	}
	if s := n.Stats(); s.Reconnects != 0 || n.Health() != nil {
		t.Errorf("the bus changed its link: %+v, health %v\n%s", s, n.Health(), n.log)
	}
}

// A replica without its master replies to PING with MASTERDOWN.
func TestReplicaWithoutMaster(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	n := run(t, impatient(r.URL()), nil)
	r.Do("config", "set", "replica-serve-stale-data", "no")
	r.Do("replicaof", "127.0.0.1", "1")
	n.down()
	r.Do("replicaof", "no", "one")
	n.healthy()
	exchange(t, "a master again", n, n)
}

// An operator may have renamed a command.
func TestRenamedCommand(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{"ping": "", "role": "", "publish": "unknown command", "psubscribe": "unknown command"} {
		t.Run(command, func(t *testing.T) {
			r := redistest.StartWith(t, redistest.Config{Args: []string{"--rename-command", command, ""}})
			if want == "" {
				n := run(t, impatient(r.URL()), nil)
				exchange(t, "without it", n, n)
				return
			}
			bus, err := redisbus.New(redisbus.Config{URL: r.URL(), Logger: discard()})
			if err != nil {
				t.Fatal(err)
			}
			err = bus.Run(t.Context(), func() { t.Error("ready") }, func(...[]byte) {})
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "refused") {
				t.Errorf("Run = %v", err)
			}
		})
	}
}

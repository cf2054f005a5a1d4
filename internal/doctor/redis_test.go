package doctor

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/redisconn"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

// redisFindings examines the Redis at a URL.
func redisFindings(t *testing.T, url string, change ...func(*Config)) []Finding {
	t.Helper()
	c := valid()
	c.App.Redis = redisbus.Config{URL: url}
	for _, f := range change {
		f(&c)
	}
	return examine(t, c, (*Config).redisGroup)
}

func TestRedis(t *testing.T) {
	t.Parallel()
	r := redistest.StartWith(t, redistest.Config{Password: "s3cr3t"})
	found := redisFindings(t, r.URL())
	want(t, found, "redis.connect", "ok: redis at "+r.Addr()+" answers")
	want(t, found, "redis.version", "ok: redis ")
	want(t, found, "redis.role", "ok: is a master")
	want(t, found, "redis.topology", "ok: a single Redis")
	want(t, found, "redis.clock", "ok: this clock")
	want(t, found, "redis.rights", "ok: all rights")
	want(t, found, "redis.output_buffer", "ok: 32 MiB, or by 8 MiB for 60 s")
	want(t, found, "redis.memory_policy", "ok: deletes no keys")
	if keys := r.Do("keys", "*"); keys != "" {
		t.Errorf("keys are left: %q", keys)
	}
	if list := r.Do("client", "list"); strings.Contains(list, redisName) {
		t.Errorf("connections are left:\n%s", list)
	}
}

func TestNoRedis(t *testing.T) {
	want(t, redisFindings(t, ""), "redis.connect", "skip: no Redis")
}

func TestRedisSettings(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	r.Do("config", "set", "maxmemory", "100mb")
	r.Do("config", "set", "maxmemory-policy", "allkeys-lru")
	r.Do("config", "set", "client-output-buffer-limit", "pubsub 4mb 2mb 60")
	found := redisFindings(t, r.URL())
	want(t, found, "redis.output_buffer", "warn: less than 8 messages")
	want(t, found, "redis.memory_policy", "warn: allkeys-lru: at 100 MiB")
	r.Do("config", "set", "client-output-buffer-limit", "pubsub 1mb 0 0")
	r.Do("config", "set", "maxmemory-policy", "noeviction")
	found = redisFindings(t, r.URL())
	want(t, found, "redis.output_buffer", "fail: disconnects every server")
	want(t, found, "redis.memory_policy", "ok: refuses writes beyond 100 MiB")
	r.Do("config", "set", "client-output-buffer-limit", "pubsub 0 0 0")
	r.Do("config", "set", "maxmemory", "0")
	r.Do("config", "set", "maxmemory-policy", "volatile-ttl")
	found = redisFindings(t, r.URL())
	want(t, found, "redis.output_buffer", "warn: any amount")
	want(t, found, "redis.memory_policy", "ok: no effect without maxmemory")
}

func TestRedisThatRefuses(t *testing.T) {
	t.Parallel()
	r := redistest.StartWith(t, redistest.Config{Password: "right"})
	want(t, redisFindings(t, "redis://:s3cr3t@"+r.Addr()), "redis.connect", "fail: correct the user and the password")
	want(t, redisFindings(t, "redis://"+r.Addr()), "redis.connect", "fail: correct the user and the password")
	want(t, redisFindings(t, "rediss://"+r.Addr(), func(c *Config) { c.Timeout = 200 * time.Millisecond }), "redis.connect", "fail: that the port uses TLS")
	want(t, redisFindings(t, "redis+cluster://:right@"+r.Addr()), "redis.topology", "fail: use redis://")
	want(t, redisFindings(t, "http://x"), "redis.connect", "fail: correct the URL")
	r.Kill()
	found := redisFindings(t, r.URL())
	want(t, found, "redis.connect", "fail: that Redis is running")
	want(t, found, "redis.memory_policy", "skip: redis.connect failed")
}

func TestRedisThatHangs(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	r.Pause()
	defer r.Resume()
	found := redisFindings(t, r.URL(), func(c *Config) { c.Timeout = 200 * time.Millisecond })
	want(t, found, "redis.connect", "fail: cannot be used")
	want(t, found, "redis.role", "skip: redis.connect failed")
}

// An attempt to connect ends with its context, however long the timeout is.
func TestInterruptWhileConnecting(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	r.Pause()
	defer r.Resume()
	c := valid()
	c.Timeout = time.Hour
	checks := redisChecks{c: &c}
	target, err := redisconn.NewTarget(r.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := checks.dialNode(ctx, &target, r.Addr()); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// A server that is not a Redis cannot make the client panic.
func TestRedisThatLies(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"HTTP/1.1 400 Bad Request\r\n\r\n", "*-5\r\n", "$80000000000\r\n", ">3\r\n"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Read(make([]byte, 100))
				_, _ = io.WriteString(conn, answer)
				_ = conn.Close()
			}
		}()
		want(t, redisFindings(t, "redis://"+l.Addr().String()), "redis.connect", "fail: cannot be used")
		_ = l.Close()
		<-done
	}
}

func TestReplica(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t, 3)
	found := redisFindings(t, s.Replica.URL())
	want(t, found, "redis.role", "fail: is a replica")
	want(t, found, "redis.rights", "skip: redis.role failed")
	found = redisFindings(t, "redis://"+s.Sentinels[0].Addr())
	want(t, found, "redis.role", "fail: use redis+sentinel://")

	found = redisFindings(t, s.URL())
	want(t, found, "redis.connect", "ok: servers use the node "+s.Master.Addr())
	want(t, found, "redis.topology", "ok: 3 of 3 Sentinels name the master")
	want(t, found, "redis.rights", "ok: all rights")
	s.Sentinels[0].Pause() // must not take the time for the others
	want(t, redisFindings(t, s.URL(), func(c *Config) { c.Timeout = 6 * time.Second }), "redis.topology", "warn: "+s.Sentinels[0].Addr(), "ok: 2 of 3")
	s.Sentinels[0].Kill()
	s.Sentinels[1].Kill()
	want(t, redisFindings(t, s.URL()), "redis.topology", "warn: ", "warn: ", "fail: only 1 of 3")
	want(t, redisFindings(t, strings.Replace(s.URL(), redistest.MasterSet, "another", 1)), "redis.connect", "fail: no Sentinel")
}

func TestCluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	c.Nodes = []*redistest.Server{c.Nodes[1], c.Nodes[0], c.Nodes[2]} // the first one in the URL does not own slot 0
	found := redisFindings(t, c.URL())
	want(t, found, "redis.connect", "ok: servers use the node "+c.Nodes[1].Addr())
	want(t, found, "redis.topology", "ok: 3 masters")
	want(t, found, "redis.rights", "ok: all rights")
	for _, n := range c.Nodes {
		setUser(n, slices.DeleteFunc(documentedRights(t), func(right string) bool { return strings.HasPrefix(right, "+cluster") })...)
	}
	url := strings.Replace(c.URL(), "//", "//app:s3cr3t@", 1)
	found = redisFindings(t, url)
	want(t, found, "redis.topology", "skip: Cluster is not known")
	for _, f := range found {
		if f.Check == "redis.rights" && strings.Contains(f.Advice, "+cluster|nodes +cluster|slots") {
			return
		}
	}
	t.Errorf("the missing rights are not reported: %+v", found)
}

// A node of a Cluster that hangs does not take the time for the others.
func TestClusterWithNodeThatHangs(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	c.Nodes = []*redistest.Server{c.Nodes[1], c.Nodes[0], c.Nodes[2]}
	c.Nodes[0].Pause()
	defer c.Nodes[0].Resume()
	found := redisFindings(t, c.URL(), func(c *Config) { c.Timeout = 6 * time.Second })
	want(t, found, "redis.connect", "ok: servers use the node "+c.Nodes[1].Addr())
	if !slices.ContainsFunc(found, func(f Finding) bool {
		return f.Check == "redis.topology" && f.Status == Warn && strings.Contains(f.Text, "node "+c.Nodes[0].Addr())
	}) {
		t.Errorf("the node is not reported: %+v", found)
	}
}

func TestClock(t *testing.T) {
	for _, test := range []struct {
		ahead, roundTrip time.Duration
		want             Status
	}{
		{0, time.Millisecond, OK},
		{-900 * time.Millisecond, 0, OK},
		{1100 * time.Millisecond, 0, Warn},
		{-1100 * time.Millisecond, 0, Warn},
		{1100 * time.Millisecond, time.Second, OK}, // within the error
		{-11 * time.Second, time.Second, Fail},
		{time.Hour, 0, Fail},
	} {
		if f := judgeClock(test.ahead, test.roundTrip); f.Status != test.want {
			t.Errorf("%v, %v: %+v", test.ahead, test.roundTrip, f)
		}
	}
}

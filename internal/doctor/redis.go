package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/redisconn"
)

// redisChecks examines Redis.
type redisChecks struct {
	c       *Config
	target  redisconn.Target
	votes   []vote   // of the Sentinels
	members []member // of the Cluster, in the order of the URL
	node    *node    // nil until checkConnect has succeeded
	hello   hello
}

// hello is what a node says about itself. "" means that it is not known.
type hello struct{ version, server, role string }

func (c *Config) redisGroup() group {
	r := &redisChecks{c: c}
	if c.App.Redis.URL == "" && c.App.Redis.Option == nil {
		return group{name: "redis", checks: []check{{name: "redis.connect", run: func(context.Context) []Finding {
			return []Finding{skip("no Redis is configured: this server exchanges no messages with other servers or emitters")}
		}}}}
	}
	return group{
		name: "redis",
		checks: []check{
			{name: "redis.connect", run: r.checkConnect, required: true},
			{name: "redis.version", run: r.checkVersion},
			{name: "redis.role", run: r.checkRole, required: true},
			{name: "redis.topology", run: r.checkTopology},
			{name: "redis.latency", run: r.checkLatency},
			{name: "redis.clock", run: r.checkClock},
			{name: "redis.rights", run: r.checkRights},
			{name: "redis.output_buffer", run: r.checkOutputBuffer},
			{name: "redis.memory_policy", run: r.checkMemoryPolicy},
		},
		end: func() {
			if r.node != nil {
				r.node.close()
			}
		},
	}
}

func (r *redisChecks) checkConnect(ctx context.Context) []Finding {
	var err error
	if r.target, err = redisconn.NewTarget(r.c.App.Redis.URL, r.c.App.Redis.Option); err != nil {
		return []Finding{fail("correct the URL in --redis, --redis-file or IGNIS_REDIS", "%v", err)}
	}
	n, err := r.find(ctx)
	if err != nil {
		return []Finding{fail(r.adviceConnect(err), "%s cannot be used: %v", r.target, err)}
	}
	r.node = n
	defer n.guard(ctx)()
	if err := r.greet(ctx); err != nil {
		return []Finding{fail(r.adviceConnect(err), "%s does not answer: %v", n.addr, err)}
	}
	text := fmt.Sprintf("%s answers", r.target)
	if r.target.Mode != redisconn.Single {
		text += "; servers use the node " + n.addr
	}
	return []Finding{ok("%s", text)}
}

// adviceConnect returns what to do about an error of a connection.
func (r *redisChecks) adviceConnect(err error) string {
	text := err.Error()
	switch {
	case r.target.Option.TLSConfig != nil && errors.Is(err, context.DeadlineExceeded):
		return "check that the port uses TLS, which rediss:// requires, that Redis is running, and the firewall in between"
	case strings.Contains(text, "WRONGPASS") || strings.Contains(text, "NOAUTH") || strings.Contains(text, "AUTH <password>"):
		return "correct the user and the password in the URL of Redis"
	case strings.Contains(text, "certificate") || strings.Contains(text, "x509") || strings.Contains(text, "tls:"):
		return "use rediss:// only for a port with TLS, and let the system trust the authority of the certificate"
	case strings.Contains(text, "DENIED"):
		return "Redis is in protected mode: set a password or a user, or bind it to a private address and turn protected mode off"
	}
	return "check the address in --redis, --redis-file or IGNIS_REDIS, that Redis is running, and the firewall in between"
}

// greet asks the node about itself. Every user may send HELLO.
func (r *redisChecks) greet(ctx context.Context) error {
	fields, err := r.node.Do(ctx, r.node.B().Arbitrary("HELLO").Build()).AsMap()
	if _, refused := rueidis.IsRedisErr(err); refused { // before Redis 6
		info, err := r.node.Do(ctx, r.node.B().Info().Section("server").Build()).ToString()
		if _, refused := rueidis.IsRedisErr(err); err != nil && !refused {
			return err
		}
		r.hello = hello{version: infoField(info, "redis_version"), server: "redis"}
		return nil
	}
	if err != nil {
		return err
	}
	text := func(name string) string {
		m := fields[name]
		s, _ := m.ToString()
		return s
	}
	r.hello = hello{version: text("version"), server: text("server"), role: text("role")}
	return nil
}

// infoField returns a field of a reply to INFO, or "".
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value
		}
	}
	return ""
}

// The major versions of Redis: the lowest with which everything works, and the lowest with
// users and access control lists.
const (
	minVersion = 5
	aclVersion = 6
)

func (r *redisChecks) checkVersion(context.Context) []Finding {
	major, err := strconv.Atoi(strings.Split(r.hello.version, ".")[0])
	switch {
	case err != nil:
		return []Finding{skip("the user may not ask for the version")}
	case major < minVersion:
		return []Finding{fail("update Redis", "%s %s: revocations need version %d or later", cmp.Or(r.hello.server, "redis"), r.hello.version, minVersion)}
	case major < aclVersion:
		return []Finding{warn("update Redis", "%s %s has no users with limited rights; these need version %d or later", cmp.Or(r.hello.server, "redis"), r.hello.version, aclVersion)}
	}
	return []Finding{ok("%s %s", cmp.Or(r.hello.server, "redis"), r.hello.version)}
}

func (r *redisChecks) checkRole(ctx context.Context) []Finding {
	defer r.node.guard(ctx)()
	role := r.hello.role
	reply, err := r.node.Do(ctx, r.node.B().Role().Build()).ToArray()
	if err == nil && len(reply) > 0 {
		role, _ = reply[0].ToString()
	}
	switch role {
	case "master":
		return []Finding{ok("%s is a master", r.node.addr)}
	case "slave", "replica":
		return []Finding{fail("name the master in the URL, or use redis+sentinel:// or redis+cluster://, which find it",
			"%s is a replica: messages published on it do not reach the subscribers of its master", r.node.addr)}
	case "sentinel":
		return []Finding{fail("use redis+sentinel://, with the name of the master", "%s is a Sentinel, not a Redis", r.node.addr)}
	}
	return []Finding{warn("allow ROLE", "the role of %s is not known, so a replica would not be noticed: %v", r.node.addr, err)}
}

// pings is the number of PINGs from which the latency is computed.
const pings = 20

// slowPing is the latency above which Redis is probably in another region, or overloaded.
const slowPing = 20 * time.Millisecond

func (r *redisChecks) checkLatency(ctx context.Context) []Finding {
	defer r.node.guard(ctx)()
	var times []time.Duration
	for range pings {
		began := time.Now()
		if err := r.node.Do(ctx, r.node.B().Ping().Build()).Error(); err != nil {
			return []Finding{notAllowed(err, "the latency is not known")}
		}
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	median, slowest := times[pings/2].Round(10*time.Microsecond), times[pings-1].Round(10*time.Microsecond)
	if median > slowPing {
		return []Finding{warn("run Redis near the servers, and look for slow commands with SLOWLOG GET", "PING takes %v (median of %d, at most %v)", median, pings, slowest)}
	}
	return []Finding{ok("PING takes %v (median of %d, at most %v)", median, pings, slowest)}
}

// notAllowed returns the finding for a check that Redis refuses or that fails.
func notAllowed(err error, consequence string) Finding {
	if reply, refused := rueidis.IsRedisErr(err); refused {
		switch redisconn.KindOf(reply.Error()) {
		case redisconn.NoRights, redisconn.NoCommand:
			return skip("%s: %v", consequence, reply)
		}
		return warn("find out why Redis refuses the command", "%s: %v", consequence, reply)
	}
	return fail("check the network between this machine and Redis", "%s: %v", consequence, err)
}

// Differences between this clock and that of Redis. Tokens are accepted up to 10 s before
// they are valid.
const (
	clockWarn = time.Second
	clockFail = 10 * time.Second
)

func (r *redisChecks) checkClock(ctx context.Context) []Finding {
	defer r.node.guard(ctx)()
	before := time.Now()
	reply, err := r.node.Do(ctx, r.node.B().Time().Build()).AsStrSlice()
	took := time.Since(before)
	if err != nil {
		return []Finding{notAllowed(err, "the clock of Redis is not known")}
	}
	if len(reply) != 2 {
		return []Finding{skip("Redis sent a malformed time")}
	}
	seconds, err1 := strconv.ParseInt(reply[0], 10, 64)
	micros, err2 := strconv.ParseInt(reply[1], 10, 64)
	if err1 != nil || err2 != nil {
		return []Finding{skip("Redis sent a malformed time")}
	}
	return []Finding{judgeClock(before.Add(took/2).Sub(time.UnixMicro(seconds*1e6+micros)), took)}
}

// judgeClock judges by how much this clock is ahead of Redis'. Half of the round trip is the
// error of the measurement.
func judgeClock(ahead, roundTrip time.Duration) Finding {
	direction, size := "ahead of", ahead
	if ahead < 0 {
		direction, size = "behind", -ahead
	}
	const advice = "synchronize the clocks of both machines with NTP (chrony, systemd-timesyncd)"
	text := fmt.Sprintf("this clock is %v %s that of Redis (± %v)", size.Round(time.Millisecond), direction, (roundTrip / 2).Round(10*time.Microsecond))
	if size.Round(time.Millisecond) == 0 {
		text = fmt.Sprintf("this clock and that of Redis agree (± %v)", (roundTrip / 2).Round(10*time.Microsecond))
	}
	switch certain := size - roundTrip/2; {
	case certain > clockFail:
		return fail(advice, "%s: tokens and revocations are judged by the wrong time", text)
	case certain > clockWarn:
		return warn(advice, "%s", text)
	}
	return ok("%s", text)
}

package doctor

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/ignis-go/ignis/internal/redisconn"
	"github.com/ignis-go/ignis/wire"
)

// checkTopology examines the Sentinels or the Cluster.
func (r *redisChecks) checkTopology(ctx context.Context) []Finding {
	switch r.target.Mode {
	case redisconn.Sentinel:
		return r.checkSentinels()
	case redisconn.Cluster:
		return r.checkCluster(ctx)
	}
	return []Finding{ok("a single Redis: while it is down, servers exchange no messages")}
}

func (r *redisChecks) checkSentinels() (list []Finding) {
	agree := 0
	for _, v := range r.votes {
		switch {
		case v.err != nil:
			list = append(list, warn("check this Sentinel, or correct its address in the URL", "sentinel %v", v.err))
		case v.master != r.node.addr:
			list = append(list, warn("wait for the end of a failover; otherwise find out why this Sentinel is cut off", "sentinel %s names another master, %s", v.sentinel, v.master))
		default:
			agree++
		}
	}
	all := len(r.votes)
	if agree < all/2+1 {
		return append(list, fail("list all Sentinels in the URL, and repair those that do not answer", "only %d of %d Sentinels name the master %s, which is no majority", agree, all, r.node.addr))
	}
	if all < 3 {
		list = append(list, warn("use at least three Sentinels, and list all of them in the URL", "the URL names %d Sentinels; with fewer than three, there is no failover while one of them is down", all))
	}
	return append(list, ok("%d of %d Sentinels name the master %s", agree, all, r.node.addr))
}

func (r *redisChecks) checkCluster(ctx context.Context) (list []Finding) {
	for _, m := range r.members {
		if m.err != nil {
			list = append(list, warn("check this node, or correct its address in the URL", "node %v", m.err))
		}
	}
	defer r.node.guard(ctx)()
	text, err := r.node.Do(ctx, r.node.B().ClusterNodes().Build()).ToString()
	if err != nil && strings.Contains(err.Error(), "cluster support disabled") {
		return append(list, noCluster(r.node.addr))
	}
	if err != nil {
		return append(list, notAllowed(err, "the state of the Cluster is not known"))
	}
	masters := 0
	for line := range strings.Lines(text) {
		// id address flags master ping pong epoch link slot slot ...
		field := strings.Fields(line)
		if len(field) < 8 {
			continue
		}
		addr, _, _ := strings.Cut(field[1], "@")
		if strings.Contains(field[2], "master") && len(field) > 8 {
			masters++
		}
		if strings.Contains(field[2], "fail") || field[7] != "connected" && !strings.Contains(field[2], "myself") {
			list = append(list, warn("repair the node, or remove it from the Cluster", "%s does not reach node %s (%s, %s)", r.node.addr, addr, field[2], field[7]))
		}
	}
	if masters == 0 {
		return append(list, noCluster(r.node.addr))
	}
	return append(list, ok("the Cluster has %d masters", masters))
}

func noCluster(addr string) Finding {
	return fail("use redis:// for a Redis that is not part of a Cluster", "%s is not part of a Cluster that serves slots", addr)
}

var errNoSetting = errors.New("no such setting")

// setting returns the value of a setting of Redis.
func (r *redisChecks) setting(ctx context.Context, name string) (string, error) {
	values, err := r.node.Do(ctx, r.node.B().ConfigGet().Parameter(name).Build()).AsStrMap()
	if err != nil {
		return "", err
	}
	value, ok := values[name]
	if !ok {
		return "", fmt.Errorf("%s: %w", name, errNoSetting)
	}
	return value, nil
}

// roomyBuffer is the number of largest messages for which a subscriber should have room.
const roomyBuffer = 8

// checkOutputBuffer compares the buffer of a subscriber with the size of messages.
func (r *redisChecks) checkOutputBuffer(ctx context.Context) []Finding {
	defer r.node.guard(ctx)()
	text, err := r.setting(ctx, "client-output-buffer-limit")
	if err != nil {
		return []Finding{notKnown(err, "client-output-buffer-limit is not known; by default it is 32 MiB for subscribers")}
	}
	field := strings.Fields(text)
	for i := 0; i+3 < len(field); i += 4 {
		if field[i] != "pubsub" {
			continue
		}
		hard, _ := strconv.ParseInt(field[i+1], 10, 64)
		soft, _ := strconv.ParseInt(field[i+2], 10, 64)
		return []Finding{judgeBuffer(hard, soft, field[i+3], r.c.maxMessage())}
	}
	return []Finding{skip("client-output-buffer-limit has no limit for subscribers")}
}

// maxMessage returns the maximum size in bytes of a message to clients.
func (c *Config) maxMessage() int64 {
	if c.App.Server.MaxMessage > 0 {
		return int64(c.App.Server.MaxMessage)
	}
	return wire.DefaultMaxMessage
}

func judgeBuffer(hard, soft int64, seconds string, message int64) Finding {
	const advice = "set client-output-buffer-limit pubsub 33554432 8388608 60 or more in Redis, or lower limits.max_message"
	text := fmt.Sprintf("Redis disconnects a subscriber that is behind by %s, or by %s for %s s", size(hard), size(soft), seconds)
	smallest := hard
	if soft > 0 && (hard == 0 || soft < hard) {
		smallest = soft
	}
	switch {
	case hard == 0 && soft == 0:
		return warn("set client-output-buffer-limit pubsub 33554432 8388608 60 in Redis", "Redis buffers any amount for a subscriber that is behind, until its memory is full")
	case hard > 0 && hard <= message:
		return fail(advice, "%s; a single message of limits.max_message (%s) disconnects every server", text, size(message))
	case smallest < roomyBuffer*message:
		return warn(advice, "%s; that is less than %d messages of limits.max_message (%s)", text, roomyBuffer, size(message))
	}
	return ok("%s", text)
}

// checkMemoryPolicy finds out whether Redis may delete revocations.
func (r *redisChecks) checkMemoryPolicy(ctx context.Context) []Finding {
	defer r.node.guard(ctx)()
	limit, err := r.setting(ctx, "maxmemory")
	if err != nil {
		return []Finding{notKnown(err, "maxmemory-policy is not known; it should be noeviction")}
	}
	policy, err := r.setting(ctx, "maxmemory-policy")
	if err != nil {
		return []Finding{notKnown(err, "maxmemory-policy is not known; it should be noeviction")}
	}
	bytes, _ := strconv.ParseInt(limit, 10, 64)
	switch {
	case policy == "noeviction" && bytes == 0:
		return []Finding{ok("Redis deletes no keys before they expire; its memory is not limited (maxmemory)")}
	case policy == "noeviction":
		return []Finding{ok("Redis deletes no keys before they expire, and refuses writes beyond %s (maxmemory)", size(bytes))}
	case bytes == 0:
		return []Finding{ok("maxmemory-policy is %s, but has no effect without maxmemory", policy)}
	}
	return []Finding{warn("set maxmemory-policy noeviction, or use a separate Redis for Ignis", "maxmemory-policy is %s: at %s, Redis may delete stored revocations, idempotency keys and the state of jobs", policy, size(bytes))}
}

// notKnown returns the finding for a setting of Redis that the user may not read.
func notKnown(err error, text string) Finding {
	if errors.Is(err, errNoSetting) {
		return skip("%s (%v)", text, err)
	}
	return notAllowed(err, text)
}

// size returns a number of bytes in words.
func size(n int64) string {
	switch {
	case n <= 0:
		return "any amount"
	case n >= 1<<30 && n%(1<<30) == 0 || n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// Package rediscron makes the schedulers of many processes run each instant of a job
// once, coordinated by a shared Redis, and remembers what was run while some or all
// of them were down.
//
//	store, err := rediscron.New(rediscron.Config{URL: "redis://127.0.0.1:6379"})
//	...
//	defer store.Close()
//	job, err := cron.New(cron.Config{Name: "digest", Pattern: "0 9 * * *", Store: store, Do: sendDigest})
//	...
//	err = job.Run(ctx)
//
// # Guarantees
//
// Each instant of a job is granted to at most one process; a Redis with replicas
// needs a setting for that, see below. That process runs the instant, or dies. If it
// dies, the instant is not run again, and its record in [Store.Runs] has no end. An
// instant that was not granted in time is recorded as missed, with a reason, by each
// process that is running.
//
// Only Redis' clock counts. Processes with wrong clocks run the job at the same
// moment as the others.
//
// A process that was stopped in the middle of a run does not notice, when it wakes
// up, that others have continued. But each grant has a fencing number that is greater
// than those before: what the run writes to can remember the greatest number and
// refuse smaller ones.
//
// # When Redis is restarted
//
// A Redis that restarts may have lost its newest grants, and a replica that takes
// over may not have received them. So after a restart or a failover, earlier instants
// are no longer granted: they are missed, with the reason "store uncertain". Earlier
// means before the job next asked Redis for something, which it does ten to twenty
// seconds before each instant, and every ten seconds from then on: an instant within
// ten seconds of the restart may be lost. With Config.Durable, what Redis knows is
// considered complete. That is for a Redis with "appendfsync always" and no replicas,
// or for applications that would rather run an instant twice than not at all.
//
// # With replicas
//
// With Sentinels, with the replicas of a Cluster, and wherever else a replica may
// replace the master, the guarantee has a condition: the master must stop granting
// before its successor starts. A master that is cut off from its replicas does not
// know that it has a successor. Processes that still reach it are granted instants
// that the successor grants to others, and those run twice. So set on each node,
// including the replicas:
//
//	min-replicas-to-write 1      # or more
//	min-replicas-max-lag  5      # seconds; less than it takes until a failover begins:
//	                             # down-after-milliseconds, or cluster-node-timeout
//
// A master whose replicas are away then answers NOREPLICAS, and nothing is granted.
// The same applies to the successor, so run at least two replicas.
//
// A store sends each node INFO replication after it has connected to it, and
// periodically. It logs a warning, once for each node, if the node has replicas or
// was named by Sentinels and accepts writes without replicas. If the user may not
// send INFO, it logs once that this was not checked.
//
// # When Redis answers with an error
//
// An error reply grants nothing. The scheduler repeats its claim with the same token
// each second, so whatever Redis had done by then, the instant is run once or is
// missed with a reason. One table, in replies.go, says what each reply means:
//
//   - MISCONF, OOM, NOREPLICAS, LOADING, BUSY, CLUSTERDOWN, TRYAGAIN: try again later, over the
//     same connection. Nothing is granted while Redis accepts no writes.
//   - READONLY, MASTERDOWN, NOAUTH: try elsewhere. The connection is closed, and the next call
//     opens a new one: to the current address of the name, or to the master that Sentinels name.
//   - NOPERM, WRONGPASS, unknown commands and the like persist until somebody changes something:
//     the error wraps [ErrRefused].
//
// # Data in Redis
//
// A job has two keys. The second one has one line for each of the last 1000 grants:
//
//	ignis:cron:{NAME}:state    ignis:cron:{NAME}:claims
//
// Applications that share a Redis need different prefixes; otherwise a job of one
// takes the instants of the other's job with the same name. With
// redisbus.Config.Prefix "shop:", which separates the messages too, the keys are
// shop:ignis:cron:{NAME}:state and so on.
//
// Each process makes one claim for each instant of a job, and one query every ten
// seconds. One Redis handles about 25,000 claims a second (BenchmarkClaim, on two
// cores shared with the client).
//
// The keys expire after 400 days without use. They must not be evicted: an eviction
// is like a restart. A user of Redis needs +eval +evalsha +time +hmget +hset +zadd
// +zcard +zrange +zrangebyscore +zrevrange +zrem +zremrangebyrank +pexpire and, to
// detect restarts and replicas, +info, for keys ignis:cron:*, or shop:ignis:cron:*.
// The package works with a single Redis from version 6.2 on, with Sentinels and with
// a Cluster.
package rediscron

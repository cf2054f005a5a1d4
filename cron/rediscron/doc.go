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
// Each instant of a job is granted to at most one process. (A Redis with replicas
// needs a setting for that; see "With replicas".) If the process dies before the end of
// the run, the instant is not run again, and its record in [Store.Runs] has no end. An
// instant that was not granted in time is recorded as missed, with a reason, by each
// process that is running.
//
// Only Redis' clock counts, so processes with wrong clocks run the job at the same
// moment as the others.
//
// A process that was suspended during a run does not notice, when it resumes, that
// others have continued. Each grant therefore has a fencing number greater than all
// earlier ones. The resource that the run writes to can remember the greatest number
// and reject smaller ones.
//
// # When Redis is restarted
//
// A Redis that restarts may have lost its newest grants, and a replica that takes
// over may not have received them. After a restart or a failover, instants from before
// the job's next query of Redis are therefore no longer granted. They are missed, with
// the reason "store uncertain". A job queries Redis ten to twenty seconds before each
// instant, and every ten seconds from then on, so this can affect an instant within ten
// seconds of the restart. With Config.Durable, the data in Redis is considered complete.
// Use it for a Redis with "appendfsync always" and no replicas, or if running an instant
// twice is better than not running it.
//
// # With replicas
//
// If a replica may replace the master, as with Sentinels or in a Cluster, the guarantee
// has a condition: the master must stop granting before its successor starts. A master
// that is cut off from its replicas does not know that it has a successor. Processes that
// still reach it are granted instants that the successor grants to others, so those run
// twice. Therefore set on each node, including the replicas:
//
//	min-replicas-to-write 1      # or more
//	min-replicas-max-lag  5      # seconds; less than the time until a failover begins:
//	                             # down-after-milliseconds, or cluster-node-timeout
//
// A master without connected replicas then answers NOREPLICAS, and nothing is granted.
// The same applies to the successor, so run at least two replicas.
//
// A store sends INFO replication to each node after connecting to it, and periodically.
// It logs a warning, once for each node, if the node has replicas or was named by
// Sentinels, and accepts writes without replicas. If the user may not send INFO, the store
// logs once that this was not checked.
//
// # When Redis answers with an error
//
// An error reply grants nothing. The scheduler repeats its claim with the same token
// every second, so whatever Redis did before the error, the instant is run once or is
// missed with a reason. A table in replies.go defines what each reply means:
//
//   - MISCONF, OOM, NOREPLICAS, LOADING, BUSY, CLUSTERDOWN, TRYAGAIN: try again later, over the
//     same connection. Nothing is granted while Redis accepts no writes.
//   - READONLY, MASTERDOWN, NOAUTH: try elsewhere. The connection is closed, and the next call
//     opens a new one: to the current address of the name, or to the master that Sentinels name.
//   - NOPERM, WRONGPASS, unknown commands and the like persist until someone changes something:
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
// Each process makes one claim for each instant of a job, and a query every ten seconds
// while an instant is near. One Redis handles about 25,000 claims a second
// (BenchmarkClaim, on two cores shared with the client).
//
// The keys expire after 400 days without use. They must not be evicted, because an
// eviction is like a restart. A Redis user needs +eval +evalsha +time +hmget +hset +zadd
// +zcard +zrange +zrangebyscore +zrevrange +zrem +zremrangebyrank +pexpire and, to
// detect restarts and replicas, +info, for keys ignis:cron:*, or shop:ignis:cron:*.
// The package works with a single Redis from version 6.2 on, with Sentinels and with
// a Cluster.
package rediscron

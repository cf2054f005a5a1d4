// Package rediscron makes the schedulers of many processes run each instant of a job once,
// through a Redis that they share, and remembers what was run while some or all of them
// were down.
//
//	store, err := rediscron.New(rediscron.Config{URL: "redis://127.0.0.1:6379"})
//	...
//	defer store.Close()
//	job, err := cron.New(cron.Config{Name: "digest", Pattern: "0 9 * * *", Store: store, Do: sendDigest})
//	...
//	err = job.Run(ctx)
//
// # What is promised
//
// Each instant of a job is granted to at most one process; a Redis with replicas needs a
// setting for that, see below. That process runs it, or has died:
// then it is not run again, and its record in [Store.Runs] has no end. An instant that
// nobody was granted in time is missed, with a reason, in the records of each process that
// is there.
//
// Redis' clock is the only one that counts. Processes with clocks that are wrong run the
// job at the same moment as the others.
//
// A process that was stopped in the middle of a run, and wakes up after others have gone on,
// cannot be told. But each grant has a fencing number that is greater than those before:
// what the run writes to can remember the greatest number and refuse smaller ones.
//
// # When Redis is restarted
//
// A Redis that starts again may have lost its newest grants, and one that takes over from
// another has perhaps not got them. So after a restart or a failover, what was due before is
// not granted any more: it is missed, with the reason "store uncertain". Before means before
// the job next asked Redis for something, which it does ten to twenty seconds before each instant, and
// every ten seconds from then on: an instant within ten seconds of the restart may be lost. With
// Config.Durable what Redis knows is taken for all there is: that is for a Redis with
// "appendfsync always" that has no replicas, or for those who would rather have
// an instant run twice than not at all.
//
// # With replicas
//
// With Sentinels, with the replicas of a Cluster, and wherever else a replica may take the
// master's place, the promise has a condition: the master must stop granting before its
// successor begins. A master that is cut off from its replicas does not know that it has a
// successor. Processes that still reach it are granted instants which others are granted by
// the successor, and those run twice. So set on each node, the replicas included:
//
//	min-replicas-to-write 1      # or more
//	min-replicas-max-lag  5      # seconds; less than it takes until a failover begins:
//	                             # down-after-milliseconds, or cluster-node-timeout
//
// A master whose replicas are away then answers NOREPLICAS, and nothing is granted. That goes
// for the successor, too, so have two replicas at least.
//
// A store asks each node for INFO replication when it has connected to it, and now and then.
// It logs a warning, once for each node, if the node has replicas or was named by Sentinels
// and takes writes without them. For a user who may not send INFO it says once that this
// was not checked.
//
// # When Redis answers with an error
//
// An error reply grants nothing. The scheduler repeats its claim under the same token each
// second, so whatever Redis had done by then, the instant is run once, or is missed with a
// reason. What each reply means is in one table, in replies.go:
//
//   - MISCONF, OOM, NOREPLICAS, LOADING, BUSY, CLUSTERDOWN, TRYAGAIN: later, over the same
//     connection. Nothing is granted while Redis takes no writes.
//   - READONLY, MASTERDOWN, NOAUTH: elsewhere. The connection is closed and the next call makes
//     another one: to the address that the name has now, or the master that Sentinels name.
//   - NOPERM, WRONGPASS, unknown commands and the like stay until somebody changes something:
//     the error wraps [ErrRefused].
//
// # In Redis
//
// A job has two keys, of which the second holds one line for each of the last 1000 grants:
//
//	ignis:cron:{NAME}:state    ignis:cron:{NAME}:claims
//
// Applications that share a Redis need different prefixes, or a job of one takes the
// instants of the other's job of the same name. With redisbus.Config.Prefix "shop:", which
// separates the messages too, the keys are shop:ignis:cron:{NAME}:state and so on.
//
// Each process makes one claim for each instant of a job, and asks once in ten seconds. One
// Redis does about 25,000 claims a second (BenchmarkClaim, on two cores that the client
// shares).
//
// The keys are gone 400 days after nobody used them. They must not be evicted: an eviction is as a
// restart. A user of Redis needs +eval +evalsha +time +hmget +hset +zadd +zcard +zrange
// +zrangebyscore +zrevrange +zrem +zremrangebyrank +pexpire and, to detect a restart and
// replicas, +info, for keys ignis:cron:*, or shop:ignis:cron:*. It works with a single Redis
// from version 6.2 on, with Sentinels and with a Cluster.
package rediscron

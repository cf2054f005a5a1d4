// Package redisbus carries envelopes between the instances of a cluster over
// Redis: one Redis, a master found through Sentinels, or a Redis Cluster.
//
// A [Bus] is what a server needs: it publishes and subscribes. A [Publisher]
// only publishes, and waits for Redis' answer; it is what an emitter needs, see
// package emitter.
//
// Redis' pub/sub is at most once: what is published while a subscriber is away
// is not kept for it. A Bus therefore never retries an envelope whose fate it
// does not know, and says what it knows: Publish returns an error for what it
// does not take, Lost counts what it took and could not confirm, Stats counts
// what arrived and could not be kept. What was certainly not sent when a connection
// is lost is kept for the next one, for QueueAge at most. What other instances published while
// this one had no connection is the one thing that nobody can count; NextGap and
// Stats say for how long that was.
//
// # Connections
//
// A Bus owns two connections to one node: one publishes, the other is
// subscribed to [wire.ChannelBroadcast] and [wire.Patterns]. They live and die
// together as one link, so that "connected" means both. Nothing is published
// on a connection that the Redis client opened again by itself.
//
// A connection that looks alive is not trusted. Every ProbeInterval the bus
// publishes to a channel of its own, ignis:bus: and a random name, and expects to
// hear that over the subscribed connection within ProbeTimeout. So it notices
// what PING does not: a subscription that is gone although Redis answers, for
// instance behind a proxy that changed its backend. When it hears nothing the link
// is closed and opened again, with pauses that grow from 50 ms to 2 s and are
// spread by chance.
//
// The same probe asks whether the node is still the right one. It must be a
// master: what a replica takes does not reach its master's subscribers. Behind
// Sentinels it is left, too, when a majority of the configured ones names another.
// In a Cluster it must see the majority of the masters, and one that sees none
// belongs to no Cluster. A bus is not ready before all of this holds.
//
// An error reply is an answer. What each means is in one table, in replies.go: Redis
// goes on delivering while its disk is full, for instance, although it answers
// PING with an error.
//
// In a Cluster every node hears what is published on any other, so a link uses
// one node for everything: two nodes could reorder messages of one channel. All
// buses and publishers prefer the same node, the master that owns slot 0, so that two
// nodes that lose sight of each other separate nobody. Who does not reach it takes the
// next one in the order of the lowest slot that each owns, and looks every 5 ProbeIntervals
// or so whether a node that comes before it is there again. Then it moves: a bus
// subscribes there first, and the change costs what comes in within about one round
// trip. Health, Stats and the log say which masters the bus's node does not reach.
//
// # Several applications on one Redis
//
// Redis' pub/sub ignores databases: redis://host/0 and redis://host/1 hear each other.
// Config.Prefix separates applications. It is put in front of every channel and pattern,
// so with "shop:" a message to a room is published on shop:ws:room:NAME. Two Configs
// with different prefixes, or with one and none, hear nothing of each other.
//
// # Rights
//
// Under an access control list a user needs the commands PUBLISH, SUBSCRIBE and
// PSUBSCRIBE, and the channels ws:broadcast, ws:room:*, ws:client:* and ws:user:*,
// each as a rule of its own, because Redis compares a pattern that is subscribed
// to with the rules letter by letter. With a Prefix each channel begins with it, as in
// shop:ws:room:*. The user should have these, too; without one of
// them the log says once which check is left out:
//
//   - the channels ignis:bus:*, for the heartbeat, and else PING in its place
//   - ROLE, although HELLO, which Redis allows everybody, says nearly the same
//   - CLUSTER NODES and CLUSTER SLOTS in a Cluster
//
// # Bounds
//
// What waits to be published and what waits for receive is bounded, in messages
// and bytes. Over the first bound Publish fails with [ErrQueueFull]. Over the
// second one the arriving envelope is dropped, counted, logged once, and
// Health says so until the queue is empty again. Not reading from Redis instead
// would move the queue into Redis' memory, until Redis cuts the connection and
// an unknown number of envelopes is lost at once; and a reader that stands
// still could not tell a slow receive from a Redis that is gone.
//
// What arrives is checked before the Redis client reads it. Bytes that no Redis sends, a
// reply that nobody asked for, and a message or reply over Config.MaxIncoming (32 MiB) end
// the connection. The log and Health say why, Stats.Garbled counts them.
package redisbus

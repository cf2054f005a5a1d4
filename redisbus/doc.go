// Package redisbus carries envelopes between the instances of a cluster over
// Redis: a single server, a master found through Sentinels, or a Redis Cluster.
//
// A [Bus] is what a server needs: it publishes and subscribes. A [Publisher]
// only publishes, and waits for Redis' answer; it is what an emitter needs, see
// package emitter.
//
// Redis' pub/sub is at most once: Redis does not keep what is published while a
// subscriber is away. A Bus therefore never resends an envelope that may have
// arrived, and reports what it knows: Publish returns an error for an envelope it
// does not accept, Lost counts accepted envelopes that were not confirmed, and Stats
// counts envelopes that arrived and could not be kept. Envelopes that were certainly
// not sent when a connection is lost are kept for the next one, for at most QueueAge.
// Only what other instances published while this one had no connection cannot be
// counted; NextGap and Stats report for how long that was.
//
// # Connections
//
// A Bus has two connections to one node: one publishes, and the other is subscribed
// to [wire.ChannelBroadcast] and [wire.Patterns]. They form one link and end
// together, so "connected" means both. The bus never publishes on a connection that
// the Redis client has reopened by itself.
//
// A connection is not trusted just because it is open. Every ProbeInterval the bus
// publishes a heartbeat to a channel of its own, "ignis:bus:" and a random name, and
// expects to receive it over the subscribed connection within ProbeTimeout. This
// detects what PING does not: a subscription that is gone although Redis answers, for
// instance behind a proxy that changed its backend. If the heartbeat does not arrive,
// the bus closes the link and opens a new one, after randomized pauses that grow from
// 25 ms to 2 s.
//
// The same probe checks that the node is still the right one. It must be a master,
// because what is published on a replica does not reach the subscribers of its
// master. The bus also leaves a node when a majority of the configured Sentinels
// names another one. In a Cluster the node must see the majority of the masters; a
// node that sees none does not belong to a Cluster. A bus is not ready before all of
// this holds.
//
// An error reply does not always mean that the connection is unusable. For example,
// Redis continues to deliver while its disk is full, although it answers PING with an
// error. A table in replies.go defines what each reply means.
//
// In a Cluster, every node receives what is published on any other, so a link uses
// one node for everything: two nodes could reorder the messages of a channel. All
// buses and publishers prefer the same node, the master that owns slot 0, so that no
// instance is cut off when two nodes lose contact. A bus that cannot reach that node
// uses the next one, in the order of the lowest slot that each node owns, and checks
// about every 5 ProbeIntervals whether a preferred node is back. It then moves: it
// subscribes there first, and loses what arrives within about one round trip. Health,
// Stats and the log say which masters the bus's node does not reach.
//
// # Several applications on one Redis
//
// Redis' pub/sub ignores databases: clients of redis://host/0 and redis://host/1
// receive each other's messages. Config.Prefix separates applications. It is
// prepended to every channel and pattern: with "shop:", a message to a room is
// published on shop:ws:room:NAME. Two Configs with different prefixes, or one with a
// prefix and one without, receive nothing from each other.
//
// # Rights
//
// Under an access control list, a user needs the commands PUBLISH, SUBSCRIBE and
// PSUBSCRIBE, and the channels ws:broadcast, ws:room:*, ws:client:* and ws:user:*,
// each as a rule of its own, because Redis compares a subscribed pattern with the
// rules literally. With a Prefix, each channel begins with it, as in shop:ws:room:*.
// The user should also have the following; if one is missing, the log says once which
// check is left out:
//
//   - the channels ignis:bus:*, for the heartbeat; without them the bus uses PING
//   - ROLE, although HELLO, which Redis allows every user, says nearly the same
//   - CLUSTER NODES and CLUSTER SLOTS in a Cluster
//
// # Bounds
//
// The envelopes that wait to be published and those that wait for receive are
// limited, in number and bytes. Beyond the first limit, Publish fails with
// [ErrQueueFull]. Beyond the second, an arriving envelope is dropped and counted, the
// first one is logged, and Health reports it until the queue is empty again. If the
// bus stopped reading from Redis instead, the queue would grow in Redis' memory until
// Redis closed the connection and an unknown number of envelopes was lost. Moreover, a
// bus that does not read cannot distinguish a slow receive from a lost Redis.
//
// Data is checked before the Redis client reads it. Data that no Redis would send, an
// unrequested reply, and a message or reply larger than Config.MaxIncoming (32 MiB)
// close the connection. The log and Health say why, and Stats.Garbled counts these
// connections.
package redisbus

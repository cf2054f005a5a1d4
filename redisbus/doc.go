// Package redisbus carries envelopes between the instances of a cluster over
// Redis: a single server, a master found through Sentinels, or a Redis Cluster.
//
// Servers use a [Bus], which publishes and subscribes. Emitters (see package emitter)
// use a [Publisher], which only publishes, and waits for Redis' reply.
//
// Redis pub/sub delivers at most once: messages published while a subscriber is
// disconnected are not stored for it. A Bus never resends an envelope that may have
// arrived, and it reports losses as far as it knows them: Publish returns an error for
// an envelope that it does not accept, Lost counts accepted envelopes that were not
// confirmed, and Stats counts envelopes that arrived but were dropped. Envelopes that
// were certainly not sent when a connection is lost are kept for the next connection,
// for at most QueueAge. A bus cannot count the envelopes that other instances published
// while it was disconnected; NextGap and Stats report how long that was.
//
// # Connections
//
// A Bus has two connections to one node: one publishes, and the other is subscribed
// to [wire.ChannelBroadcast] and [wire.Patterns]. They form one link and end
// together, so "connected" means both. The bus never publishes on a connection that
// the Redis client has reopened by itself.
//
// An open connection does not prove that messages arrive. Every ProbeInterval the bus
// publishes a heartbeat on a private channel, named "ignis:bus:" and a random suffix,
// and expects to receive it over the subscribed connection within ProbeTimeout. Unlike
// PING, this detects a subscription that is gone although Redis answers, for instance
// behind a proxy that changed its backend. If the heartbeat does not arrive, the bus
// closes the link and opens a new one, with randomized pauses that grow from 25 ms to
// 2 s.
//
// The same probe checks that the node is still the right one. It must be a master,
// because messages published on a replica do not reach the subscribers of its master.
// The bus also leaves a node when a majority of the configured Sentinels names another
// one. In a Cluster the node must see the majority of the masters; a node that sees
// none does not belong to a Cluster. A bus is not ready until all of this holds.
//
// An error reply does not necessarily mean that the connection is lost. The table in
// replies.go defines what each reply means. For example, Redis continues to deliver
// while its disk is full, although it replies to PING with an error.
//
// In a Cluster, messages published on any node reach all nodes, so a link uses a single
// node: two nodes could reorder the messages of a channel. All buses and publishers
// prefer the same node, the master that owns slot 0, so that no instance is cut off
// when two nodes lose contact. A bus that cannot reach that node uses the next one, in
// the order of the lowest slot that each node owns, and checks about every 5
// ProbeIntervals whether a preferred node is back. It then moves: it subscribes there
// first, and loses the messages that arrive within about one round trip. Health, Stats
// and the log say which masters the bus's node does not reach.
//
// # Commands
//
// A [Bus] also carries commands between servers, such as revocations, on the channel
// [wire.ChannelCommands]. Redis stores those that later servers need, in a sorted set at the
// key ignis:{06S}:commands, which the link's node owns in a Cluster. SendCommands stores and
// publishes in one step. ReceiveCommands reads what is stored over every new link, after it has
// subscribed, so a bus that was disconnected catches up.
//
// # Several applications on one Redis
//
// Redis pub/sub ignores databases: clients of redis://host/0 and redis://host/1
// receive each other's messages. Config.Prefix separates applications. It is
// prepended to every channel and pattern: with "shop:", a message to a room is
// published on shop:ws:room:NAME. Instances with different prefixes, or with and
// without one, do not receive each other's messages.
//
// # Rights
//
// With access control lists, a user needs the commands PUBLISH, SUBSCRIBE and
// PSUBSCRIBE, and the channels ws:broadcast, ws:room:*, ws:client:* and ws:user:*,
// each as a separate rule, because Redis compares a subscribed pattern with the rules
// literally. With a Prefix, the rules start with it, as in shop:ws:room:*. The user
// should also have the following rights. If one is missing, the bus skips the check that
// needs it and says so once in the log:
//
//   - the channels ignis:bus:*, for the heartbeat; without them the bus uses PING
//   - ROLE, although the reply to HELLO, which every user may send, usually suffices
//   - CLUSTER NODES and CLUSTER SLOTS in a Cluster
//   - for commands, the channel ignis:commands, the key ignis:{06S}:commands, and EVAL, TIME,
//     ZADD, ZCARD, ZREM, ZREMRANGEBYSCORE, ZREVRANGE and PEXPIREAT
//   - for the idempotency keys of package httpapi, the keys ignis:{06S}:once:*, and SET, GET and
//     DEL
//
// # Bounds
//
// The envelopes that wait to be published and those that wait for receive are limited,
// in number and bytes. Beyond the first limit, Publish fails with [ErrQueueFull]. Beyond
// the second, an arriving envelope is dropped and counted, the first one is logged, and
// Health reports it until the queue is empty again. If the bus stopped reading from Redis
// instead, the queue would grow in Redis' memory until Redis closed the connection, and
// an unknown number of envelopes would be lost. A bus that does not read also
// could not tell a slow receive from a lost Redis.
//
// Incoming data is checked before the Redis client reads it. Invalid data, an unrequested
// reply, and a message or reply larger than Config.MaxIncoming (32 MiB by default) close
// the connection. The log and Health say why, and Stats.Garbled counts these connections.
package redisbus

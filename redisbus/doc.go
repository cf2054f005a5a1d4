// Package redisbus carries envelopes between the instances of a cluster over
// Redis: one Redis, a master found through Sentinels, or a Redis Cluster.
//
// A [Bus] is what a server needs: it publishes and subscribes. A [Publisher]
// only publishes, and waits for Redis' answer; package emitter is built on it.
//
// Redis' pub/sub is at most once: what is published while a subscriber is away
// is not kept for it. A Bus therefore never retries an envelope whose fate it
// does not know, and says what it knows: Publish returns an error for what it
// does not take, Lost counts what it took and could not confirm, Stats counts
// what arrived and could not be kept. What other instances published while
// this one had no connection is the one thing that nobody can count.
//
// # Connections
//
// A Bus owns two connections to one node: one publishes, the other is
// subscribed to [wire.ChannelBroadcast] and [wire.Patterns]. They live and die
// together as one link, so that "connected" means both. Nothing is published
// on a connection that the Redis client opened again by itself.
//
// A connection that looks alive is not trusted. Both are asked to answer a PING
// every ProbeInterval; without an answer within ProbeTimeout the link is
// closed and opened again, with pauses that grow from 50 ms to 2 s and are
// spread by chance. The same probe asks whether the node is still the right
// one: behind Sentinels it must be a master and the one that the Sentinels
// name; in a Cluster it must see the majority of the masters.
//
// In a Cluster every node hears what is published on any other, so a link uses
// one node, chosen by chance, for everything: two nodes could reorder
// messages of one channel. When the node goes away the next link takes
// another one.
//
// # Rights
//
// Under an access control list a user needs the commands PING, PUBLISH, SUBSCRIBE
// and PSUBSCRIBE, and the channels ws:broadcast, ws:room:*, ws:client:* and
// ws:user:*, each as a rule of its own, because Redis compares a pattern that is
// subscribed to with the rules letter by letter. Where they are allowed, ROLE
// (behind Sentinels), CLUSTER NODES and CLUSTER SLOTS (in a Cluster) are used too.
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

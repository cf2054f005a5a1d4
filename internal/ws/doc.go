// Package ws implements the server side of the WebSocket transport (RFC 6455): the
// upgrade, reading without holding buffers, and writing that coalesces messages.
//
// An [Engine] owns the goroutines. A [Conn] reports its events to a [Handler].
//
// TCP and Unix sockets on Linux become polled connections. The connection takes the
// socket over from package net and uses its own descriptor. Pollers, each with an epoll
// set, read from the connections into a shared buffer and keep only incomplete frames.
// An idle connection has no goroutine and no buffer.
//
// [Conn.Enqueue] appends a shared, already framed [Message] to the connection's
// backlog and marks the connection dirty. It never blocks. The engine's workers take
// dirty connections, join the waiting messages into one buffer, which serves all
// connections that wait for the same messages, and send it without blocking. A send
// costs the kernel about the same for 200 bytes as for 16 KB, so throughput depends
// on how many messages one send carries. No message waits for others: a lone message
// is sent immediately. When a socket is full, the poller reports when it has room
// again, so one slow peer never delays another.
//
// When the messages waiting for a peer exceed the limit, the [Policy] of each message
// decides whether the connection ends or what is dropped.
//
// All other connections are plain: TLS, wrapped connections, connections on other
// systems, and all connections if [EngineConfig].Plain is set. One goroutine reads, and
// another writes while there is something to write. A polled connection with a slow
// sealer is also written to by its own goroutine.
package ws

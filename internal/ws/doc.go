// Package ws is the WebSocket transport of a server (RFC 6455): the upgrade,
// reading without held buffers, and writing that coalesces.
//
// An [Engine] owns the goroutines; a [Conn] tells its [Handler] what happens.
//
// Polled connections are plain sockets on Linux. The connection takes the socket
// over from package net, under a descriptor of its own. Pollers, each with an
// epoll set, read from them into a buffer that all share; only an incomplete frame
// is kept. A connection at rest owns no goroutine and no buffer.
//
// [Conn.Enqueue] appends a shared, already framed [Message] to the connection's
// backlog and marks the connection dirty; it never blocks. The engine's workers
// take dirty connections, join what waits into one buffer, which serves all
// connections for which the same waits, and send it without blocking: a send costs
// the kernel about the same for 200 bytes as for 16 KB, so throughput is decided by
// how many messages one send carries. Nothing waits for more to come: a lone
// message is sent at once. When a socket is full, the poller says when there is
// room again, so one slow peer never delays another.
//
// When more waits for a peer than the limit allows, the [Policy] of each message says
// whether the connection ends or what is dropped.
//
// All other connections (TLS, other systems, wrapped ones, and all when
// [EngineConfig].Plain says so) are plain: a goroutine reads, and another writes
// while there is something to write. So it is with connections that are sealed by
// a function that may be slow.
package ws

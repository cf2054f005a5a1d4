// Package ws is the WebSocket transport of a server (RFC 6455): the upgrade,
// reading without held buffers, and writing that coalesces.
//
// Writing. [Conn.Enqueue] appends a shared, already framed [Message] to the
// connection's queue and marks the connection dirty; it never blocks. The
// workers of a [Flusher] take dirty connections, join what is pending into one
// buffer and send it without blocking: a send costs the kernel about the same
// for 200 bytes as for 16 KB, so throughput is decided by how many messages one
// send carries. A socket that is full leaves the worker and gets a goroutine of
// its own until it has caught up, so one slow peer never delays another.
// Connections that cannot be written without blocking (TLS, other systems) are
// always written by such a goroutine, which lives only while there is something
// to write.
//
// Reading. A connection at rest owns no buffer: on Linux its goroutine parks
// until the socket is readable and then reads into a pooled buffer; only an
// incomplete frame is kept.
package ws

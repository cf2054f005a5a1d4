// Package herd simulates thousands of WebSocket clients in a single thread, for
// benchmarks of servers. It spends very little time on each message, so that one core
// can keep a server busy: it uses system calls without Go's network poller, one buffer
// for all clients, and messages with numbers at fixed offsets.
//
// It works on Linux only. A Herd must be used from one goroutine, and does nothing
// outside its methods.
package herd

// Event is the event name of the messages that are measured.
const Event = "bench"

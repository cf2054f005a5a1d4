// Package herd is a great many WebSocket clients in one thread, to measure servers
// with. It spends as little as it can on each message, so that a server can be
// kept busy from one core: sockets of the kernel's without Go's poller, one buffer
// for all, and messages whose numbers are at a fixed place.
//
// It is for Linux. A Herd belongs to one goroutine, and nothing happens outside its
// methods.
package herd

// Event is the event of the messages that are measured.
const Event = "bench"

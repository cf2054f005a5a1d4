// Package flood measures how a server copes with strangers: it floods the server with
// connections, most of them unauthenticated, and measures the round-trip times of a few
// well-behaved clients meanwhile.
//
// Run the flood and the clients in separate processes, so that the flood does not delay
// the clients.
package flood

// Package flood measures how well servers resist floods. It floods a server from many
// connections, most of them unauthenticated, and measures the round-trip times of a few
// well-behaved clients at the same time.
//
// The flood and the clients run in separate processes, so that the clients' times
// measure the server and not the flood.
package flood

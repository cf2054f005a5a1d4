// Package flood measures how servers cope with strangers: it floods a server with
// connections that it has not admitted, and times the round trips of a few
// well-behaved clients at the same time.
//
// The flood and the clients run in separate processes, so that the clients' times
// measure the server and not the flood.
package flood

// Package flood is what the comparison measures strangers with: floods of
// connections that nobody has let in, and beside them a few well-behaved clients
// whose round trips are timed.
//
// Each of the two is a process of its own, so that the clients' times are those of
// the server and not of the flood.
package flood

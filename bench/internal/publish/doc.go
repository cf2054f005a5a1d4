// Package publish measures how fast a server accepts messages over HTTP, and checks that a
// subscriber receives all of them. It spends little time on each request, so that one core
// can keep a server busy: its requests are prepared, and only the numbers in them change.
package publish

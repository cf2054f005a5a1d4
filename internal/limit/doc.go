// Package limit decides how often something may happen. A [Bucket] limits one client and
// takes 8 bytes. [Connections] limits new connections, in all and per network address, and
// remembers only addresses that have connections or have recently been active.
//
// Times are nanoseconds of a monotonic clock; those of Connections must not be negative. The
// package uses no clock itself, so tests and benchmarks choose the time.
package limit

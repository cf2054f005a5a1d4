// Package memory measures how much of its memory budget a process uses. The budget is the
// limit of the Go runtime (GOMEMLIMIT, or one that the caller sets), or the limit of the
// control group that the process is in, whichever is closer to being reached.
//
// Measuring takes some microseconds and does not stop the program.
package memory

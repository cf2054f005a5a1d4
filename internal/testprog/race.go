//go:build race

package testprog

// Race reports whether this test has the race detector.
const Race = true

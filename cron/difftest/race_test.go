//go:build race

package difftest

// patterns is the number of patterns that are compared with each library. It is lower than without
// the race detector, which is slow.
const patterns = 500

//go:build race

package difftest

// patterns is how many are compared with each library: fewer, since all is slow.
const patterns = 500

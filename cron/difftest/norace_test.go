//go:build !race

package difftest

// patterns is the number of patterns that are compared with each library.
const patterns = 3000

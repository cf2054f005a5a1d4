//go:build !race

package difftest

// patterns is how many are compared with each library.
const patterns = 3000

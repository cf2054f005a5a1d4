// Package longtest marks tests that take long, so that make test leaves them out.
package longtest

import "testing"

// Mark skips the test if the tests run with -short, as make test does without LONG=1. Call it first,
// before Parallel.
func Mark(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("make test LONG=1 runs this test")
	}
}

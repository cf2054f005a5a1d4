// Package longtest marks tests that take long, so that make test leaves them out.
package longtest

import "testing"

// Mark skips the test if the tests run with -short. It comes first in the test: make test-extra
// finds the tests that it runs by this call.
func Mark(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("make test-extra runs this test")
	}
}

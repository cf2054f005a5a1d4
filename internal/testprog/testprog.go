// Package testprog finds the programs that tests run, such as redis-server, nginx or php, and builds
// those that are written in Go. A program that is missing skips the test, or fails it if an environment
// variable such as TEST_REQUIRE_REDIS is 1, so that continuous integration cannot pass by skipping tests.
package testprog

import (
	"os"
	"os/exec"
	"testing"
)

// Require returns the path of a program, or calls [Missing] if it is not installed.
func Require(t testing.TB, variable, name, purpose string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, variable, name, purpose)
	}
	return path
}

// Missing skips the test because what is not installed, or fails it if the environment variable
// is 1. purpose says what the test needs it for.
func Missing(t testing.TB, variable, what, purpose string) {
	t.Helper()
	if os.Getenv(variable) == "1" {
		t.Fatalf("%s is not installed, but %s=1 requires it", what, variable)
	}
	t.Skipf("%s is not installed, but %s", what, purpose)
}

package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/testprog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Rolling a small fleet is not noticed by its clients.
func TestRolling(t *testing.T) {
	if _, err := os.Stat(haproxy()); err != nil {
		testprog.Require(t, "TEST_REQUIRE_PROXIES", "haproxy", "this test rolls a fleet behind it")
	}
	testprog.Require(t, "TEST_REQUIRE_REDIS", "redis-server", "the servers of the fleet exchange messages over it")
	binary := filepath.Join(t.TempDir(), "ignis")
	build := childproc.Command("go", "build", "-o", binary, "./cmd/ignis")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c := config{ignis: binary, clients: 60, nodes: 2, delay: 3 * time.Second, window: 3 * time.Second, rate: 20}
	if err := c.run(t.Context()); err != nil {
		t.Error(err)
	}
}

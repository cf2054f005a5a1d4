package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
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
	var text bytes.Buffer
	c := config{out: &output{to: io.MultiWriter(&text, t.Output())}, ignis: binary, clients: 60, nodes: 2, delay: 3 * time.Second, window: 3 * time.Second, rate: 20}
	if err := c.run(t.Context()); err != nil {
		t.Error(err)
	}
	for _, part := range []string{"60 clients are connected", "server 2 of 2 was replaced", "Nobody noticed", " 0 lost"} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("the output does not say %q", part)
		}
	}
}

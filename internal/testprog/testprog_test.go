package testprog_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/ignis-go/ignis/internal/testprog"
)

// outcome records how a test has ended.
type outcome struct {
	testing.TB
	skipped, failed string
}

func (o *outcome) Helper() {}
func (o *outcome) Skipf(format string, args ...any) {
	o.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (o *outcome) Fatalf(format string, args ...any) {
	o.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestRequire(t *testing.T) {
	if path := testprog.Require(t, "TEST_REQUIRE_X", "go", "this test compiles"); filepath.Base(path) == "" {
		t.Errorf("path %q", path)
	}
	for value, want := range map[string]outcome{
		"":  {skipped: "no-such-program is not installed, but this test needs it"},
		"0": {skipped: "no-such-program is not installed, but this test needs it"},
		"1": {failed: "no-such-program is not installed, but TEST_REQUIRE_X=1 requires it"},
	} {
		t.Setenv("TEST_REQUIRE_X", value)
		got := &outcome{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			testprog.Require(got, "TEST_REQUIRE_X", "no-such-program", "this test needs it")
		}()
		<-done
		if got.skipped != want.skipped || got.failed != want.failed {
			t.Errorf("with %q: skipped %q, failed %q", value, got.skipped, got.failed)
		}
	}
}

package redistest

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/childproc"
)

// A port is free if that of the bus beside it is, too.
func TestIsFree(t *testing.T) {
	for _, beside := range []int{0, busOffset} {
		port := FreePort(t)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+beside))
		if err != nil {
			t.Skipf("somebody else has taken it: %v", err)
		}
		if isFree(port) {
			t.Errorf("%d is free, and %d is taken", port, port+beside)
		}
		_ = l.Close()
	}
}

// outcome is a test's: what it was told.
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

// of returns what a test comes to that calls f.
func of(t *testing.T, f func(t testing.TB)) *outcome {
	o := &outcome{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(o)
	}()
	<-done
	return o
}

// Without the program a test is skipped, or fails where that is required.
func TestRequireBinary(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for required, want := range map[string]outcome{
		"":  {skipped: "redis-nothing is not installed, but this test needs a real Redis"},
		"0": {skipped: "redis-nothing is not installed, but this test needs a real Redis"},
		"1": {failed: "redis-nothing is not installed, but IGNIS_REQUIRE_REDIS=1 requires it"},
	} {
		t.Setenv("IGNIS_REQUIRE_REDIS", required)
		if got := of(t, func(t testing.TB) { requireBinary(t, "redis-nothing") }); got.skipped != want.skipped || got.failed != want.failed {
			t.Errorf("required %q: %q, %q", required, got.skipped, got.failed)
		}
	}
}

// What does not come to pass fails the test that waits for it.
func TestWaitForEnds(t *testing.T) {
	asked := 0
	got := of(t, func(t testing.TB) {
		WaitFor(t, 50*time.Millisecond, "nothing", func() bool { asked++; return false })
	})
	if got.failed != "waited 50ms for nothing" || asked == 0 {
		t.Errorf("failed with %q", got.failed)
	}
}

// A process that does not start says why, and one that writes a lot keeps the last lines.
func TestLaunchAndLog(t *testing.T) {
	got := of(t, func(inner testing.TB) {
		StartWith(inner, Config{Args: []string{"--no-such-argument", "1"}})
	})
	if !strings.Contains(got.failed, "redis-server did not start: redis-server ended: ") {
		t.Errorf("failed with %q", got.failed)
	}
	s := &Server{t: t, exited: make(chan struct{})}
	if s.lastLine() != "no output" {
		t.Errorf("of nothing the last line is %q", s.lastLine())
	}
	r, w := io.Pipe()
	s.cmd = childproc.Command("nothing") // there is none to wait for
	ready := make(chan struct{})
	go s.watch(r, "line 7.", ready)
	for i := range 1001 {
		_, _ = fmt.Fprintf(w, "line %d.\n", i)
	}
	_ = w.Close()
	<-s.exited
	<-ready
	lines := strings.Split(s.Log(), "\n")
	if len(lines) < 200 || len(lines) > 400 || s.lastLine() != "line 1000." || lines[0] != fmt.Sprintf("line %d.", 1001-len(lines)) {
		t.Errorf("%d lines, from %s to %s", len(lines), lines[0], s.lastLine())
	}
}

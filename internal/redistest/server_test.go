package redistest

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/childproc"
)

// A port is free only if the corresponding port of the Cluster bus is free as well.
func TestIsFree(t *testing.T) {
	for _, beside := range []int{0, busOffset} {
		port := FreePort(t)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+beside))
		if err != nil {
			t.Skipf("another process has taken the port: %v", err)
		}
		if isFree(port) {
			t.Errorf("%d counts as free although %d is taken", port, port+beside)
		}
		_ = l.Close()
	}
}

// outcome is a testing.TB that records the reason of a skip or a failure.
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

// of returns the outcome of a test that calls f.
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

// A test fails if it waits for a condition that does not become true.
func TestWaitForTimeout(t *testing.T) {
	checks := 0
	got := of(t, func(t testing.TB) {
		WaitFor(t, 50*time.Millisecond, "nothing", func() bool { checks++; return false })
	})
	if got.failed != "waited 50ms for nothing" || checks == 0 {
		t.Errorf("failed with %q", got.failed)
	}
}

// If a process does not start, its output is reported. Of a long output, the last lines are
// kept.
func TestLaunchAndLog(t *testing.T) {
	got := of(t, func(inner testing.TB) {
		StartWith(inner, Config{Args: []string{"--no-such-argument", "1"}})
	})
	if !strings.Contains(got.failed, "redis-server did not start: redis-server ended: ") || !strings.Contains(got.failed, "no-such-argument") {
		t.Errorf("failed with %q", got.failed)
	}
	s := &Server{t: t, exited: make(chan struct{})}
	if s.lastLine() != "no output" {
		t.Errorf("the last line of no output is %q", s.lastLine())
	}
	r, w := io.Pipe()
	s.cmd = childproc.Command("nothing") // not started; its Wait returns an error
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

// A test also needs redis-cli.
func TestBothBinaries(t *testing.T) {
	server, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(server, filepath.Join(dir, "redis-server")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	t.Setenv("TEST_REQUIRE_REDIS", "")
	if got := of(t, func(t testing.TB) { Start(t) }); !strings.HasPrefix(got.skipped, "redis-cli is not installed") {
		t.Errorf("skipped for %q", got.skipped)
	}
}

// Restart restarts a running process. A process that has ended cannot be paused or resumed.
func TestRestartAndPauseAfterExit(t *testing.T) {
	var r *Server
	got := of(t, func(inner testing.TB) {
		r = Start(inner)
		r.Do("set", "key", "value")
		r.Restart()
		if value := r.Do("get", "key"); value != "" {
			t.Errorf("after a restart, the key has the value %q", value)
		}
		_, _ = r.Try("shutdown", "nosave")
		<-r.exited
		r.Pause()
	})
	if !strings.HasPrefix(got.failed, "pause: ") {
		t.Errorf("failed with %q", got.failed)
	}
	got = of(t, func(inner testing.TB) { r.t = inner; r.Resume() })
	if !strings.HasPrefix(got.failed, "resume: ") {
		t.Errorf("failed with %q", got.failed)
	}
}

func TestField(t *testing.T) {
	for _, row := range []struct{ out, name, want string }{
		{"a\n1\nb\n2", "a", "1"},
		{"a\n1\nb\n2", "b", "2"},
		{"a\nb\nb\n2", "b", "2"}, // the first b is a value
		{"a\n1\nb", "b", ""},
		{"a\n1", "2", ""},
		{"", "", ""},
	} {
		if got := field(row.out, row.name); got != row.want {
			t.Errorf("%q of %q: %q, want %q", row.name, row.out, got, row.want)
		}
	}
}

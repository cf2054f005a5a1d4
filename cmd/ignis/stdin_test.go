package main

import (
	"os"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/childproc"
)

// emitFrom starts ignis emit without data in its arguments and with a pipe as standard
// input, and returns the write end of the pipe. There is no Redis at its address.
func emitFrom(t *testing.T, args ...string) (*process, *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	cmd := childproc.Command("ignis", append([]string{"emit", "broadcast", "notice", "--redis", "redis://127.0.0.1:1"}, args...)...)
	cmd.Stdin = r
	p := startCommand(t, nil, cmd)
	_ = r.Close()
	return p, w
}

// A pipe that is neither written to nor closed delays the program for at most --timeout, and
// the error says what it was waiting for.
func TestEmitDoesNotWaitForever(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		args []string
		text string
	}{
		"silent":     {nil, ""},
		"asked for":  {[]string{"-"}, ""},
		"not closed": {nil, `{"a":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, w := emitFrom(t, append(row.args, "--timeout", "200ms")...)
			if _, err := w.WriteString(row.text); err != nil {
				t.Fatal(err)
			}
			if code := p.wait(); code != exitFailed {
				t.Errorf("exit code %d", code)
			}
			want := "error: standard input: waited for the event's data, but it was not closed within 200ms\nhint: the program that writes"
			if got := p.errors.text(); !strings.HasPrefix(got, want) || !strings.Contains(got, "< /dev/null") {
				t.Errorf("got %s", got)
			}
		})
	}
}

// While emit waits, it prints what it is waiting for, and an interrupt ends it.
func TestEmitSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	p, _ := emitFrom(t, "--timeout", "1h")
	p.logged("note: waiting for the event's data on standard input")
	p.signal(os.Interrupt)
	if code := p.wait(); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
}

// Data that arrives in time is used. The error in this test is in the JSON, not in the pipe.
func TestEmitReadsAPipe(t *testing.T) {
	t.Parallel()
	p, w := emitFrom(t, "--timeout", "1m")
	for _, part := range []string{`{"a":`, `1}}`} {
		if _, err := w.WriteString(part); err != nil {
			t.Fatal(err)
		}
	}
	_ = w.Close()
	if code := p.wait(); code != exitUsage || !strings.Contains(p.errors.text(), "standard input: expected one JSON value") {
		t.Errorf("exit code %d, %s", code, p.errors.text())
	}
}

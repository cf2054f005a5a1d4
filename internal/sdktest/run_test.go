package sdktest_test

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/sdktest"
	"github.com/ignis-go/ignis/internal/testprog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ok      = sdktest.OK
	failed  = sdktest.Failed
	skipped = sdktest.Skipped
)

// build builds one of the drivers and returns its file.
func build(t *testing.T, name string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if runtime.GOOS == "windows" {
		file += ".exe"
	}
	if out, err := testprog.GoBuild(t.Context(), file, "./"+name).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return file
}

func allCases() (names []string) {
	for _, c := range sdktest.Cases() {
		names = append(names, c.Name)
	}
	return names
}

// Patience for cases that are expected to pass or to fail for another reason than silence, which
// only a busy machine needs, and for those that fail because something does not happen.
const (
	long  = time.Minute
	short = 2 * time.Second
)

// play plays the selected cases with a driver that has a flaw, or none if that is empty.
func play(t *testing.T, driver, flaw string, patience time.Duration, selected func(name string) bool) (results []sdktest.Result) {
	t.Helper()
	results, err := tryPlay(t.Context(), driver, flaw, patience, selected)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func tryPlay(ctx context.Context, driver, flaw string, patience time.Duration, selected func(name string) bool) (results []sdktest.Result, err error) {
	cases := slices.DeleteFunc(sdktest.Cases(), func(c sdktest.Case) bool { return !selected(c.Name) })
	cfg := sdktest.Config{Command: []string{driver}, Cases: cases}
	cfg.Patience = patience
	if patience != short { // cases that should pass, but a busy machine can be too slow for them
		cfg.Attempts = 3
	}
	if flaw != "" {
		cfg.Command = append(cfg.Command, flaw)
	}
	err = sdktest.Run(ctx, cfg, func(r sdktest.Result) { results = append(results, r) })
	return results, err
}

func anyCase(string) bool { return true }

// wantOutcomes checks that exactly these cases fail.
func wantOutcomes(t *testing.T, results []sdktest.Result, failing ...string) {
	t.Helper()
	for _, r := range results {
		want := ok
		if slices.Contains(failing, r.Case) {
			want = failed
		}
		if r.Outcome != want && r.Outcome != skipped {
			t.Errorf("%s: %s, want %s: %v\n%s", r.Case, r.Outcome, want, r.Fault, strings.Join(r.Trace, "\n"))
		}
	}
	if len(results) != len(allCases()) {
		t.Errorf("%d results of %d cases", len(results), len(allCases()))
	}
}

// Package client follows the rules that apply to it.
func TestGoClient(t *testing.T) {
	t.Parallel()
	results := play(t, build(t, "godriver"), "", long, anyCase)
	wantOutcomes(t, results)
	played := 0
	for _, r := range results {
		if r.Outcome == ok {
			played++
		}
		if r.Outcome == skipped && len(r.Lacks) == 0 {
			t.Errorf("%s was skipped for no reason", r.Case)
		}
	}
	if played < 70 {
		t.Errorf("%d cases were played", played)
	}
}

// A client that follows all rules passes all cases.
func TestModel(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	results := play(t, build(t, "model"), "", long, anyCase)
	wantOutcomes(t, results)
	for _, r := range results {
		if r.Outcome == skipped {
			t.Errorf("%s was skipped", r.Case)
		}
	}
}

// A client with one flaw fails exactly the cases that show it.
func TestExactFailures(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	driver := build(t, "model")
	for flaw, failing := range map[string][]string{
		"reconnects after 4006": {
			"close-4006", "close-4006-early", "draining-final", "final-ends-requests", "buffer-final", "order", "encrypted-order",
		},
		"ends requests twice": {"answered-twice", "request-timeout", "cancel"},
		"forgets rooms":       {"storm", "buffer-after-join", "rejoin", "rejoin-refused", "join-interrupted"},
	} {
		t.Run(flaw, func(t *testing.T) {
			t.Parallel()
			wantOutcomes(t, play(t, driver, flaw, 10*time.Second, anyCase), failing...)
		})
	}
}

// Drivers that do not work are reported, and end.
func TestBadDrivers(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	driver := build(t, "model")
	for flaw, want := range map[string]string{
		"crashes":            "exit status 3: panic: out of luck",
		"prints nonsense":    "connecting... (not a JSON object)",
		"prints a long line": "at most 5000 lines of at most 1048576 bytes",
		"floods":             "at most 5000 lines of at most 1048576 bytes",
	} {
		for _, r := range play(t, driver, flaw, long, func(name string) bool { return name == "connected" || name == "request" }) {
			if r.Outcome != failed || r.Fault.Rule != "" || !strings.Contains(r.Fault.String(), want) {
				t.Errorf("a driver that %s: %s %v, want the driver to be at fault: %s", flaw, r.Outcome, r.Fault, want)
			}
		}
	}
	for flaw, want := range map[string]string{
		"does not introduce itself":    `expected {"lacks":[...]} as the first line`,
		"lacks courage":                `lacks "courage", which is not a feature`,
		"ends in the middle of a line": "its last line has no end",
		"ends immediately":             "its end with exit code 0",
		"says nothing":                 "expected the features that the client lacks, as the first line within 6s",
	} {
		if results, err := tryPlay(t.Context(), driver, flaw, short, anyCase); err == nil || !strings.Contains(err.Error(), want) || results != nil {
			t.Errorf("a driver that %s: %v, want %s", flaw, err, want)
		}
	}
	if _, err := tryPlay(t.Context(), filepath.Join(t.TempDir(), "missing"), "", short, anyCase); err == nil || !strings.Contains(err.Error(), "start the driver") {
		t.Errorf("a driver that does not exist: %v", err)
	}
}

// Run ends with its context.
func TestCanceled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	first := true
	err := sdktest.Run(ctx, sdktest.Config{Command: []string{build(t, "model")}}, func(sdktest.Result) {
		if !first {
			t.Error("a result after the context was canceled")
		}
		first = false
		cancel()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v", err)
	}
}

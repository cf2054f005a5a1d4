package interop

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/childproc"
)

// patience is the maximum time for each wait. Only failing tests wait this long.
const patience = 2 * time.Minute

// Programs that the tests run, which TestMain finds or builds.
var (
	bun     string // the Bun binary
	program string // the ignis program, built with the race detector
)

// TestMain fails if a program is missing, because skipped tests would not prove anything.
func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if err := os.Setenv("TEST_REQUIRE_REDIS", "1"); err != nil { // otherwise package redistest skips
		return 1, err
	}
	if bun, err = findBun(); err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "ignis")
	build := childproc.Command("go", "build", "-race", "-o", program, "./cmd/ignis")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("cmd/ignis does not build: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// findBun returns the path of a working Bun binary. The package bun installs the binary with
// an install script. If npm is configured not to run scripts, only the package for the
// platform, of which there may be several variants, contains the binary.
func findBun() (string, error) {
	for _, pattern := range []string{
		"node_modules/bun/bin/bun.exe", // the name on every system
		"node_modules/@oven/*/bin/bun",
		"node_modules/@oven/*/bin/bun.exe",
	} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		for _, path := range paths {
			if path, err = filepath.Abs(path); err != nil {
				return "", err
			}
			if childproc.Command(path, "--version").Run() == nil {
				return path, nil
			}
		}
	}
	return "", errors.New("node_modules contains no working Bun binary; run npm ci to install it")
}

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

// patience limits every wait. Only a failing test waits this long.
const patience = 2 * time.Minute

// Programs that every test runs, found or built once.
var (
	bun     string // the Bun binary
	program string // the ignis program, built with the race detector
)

// A test that cannot run fails: untested interoperability does not count.
func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	if err := os.Setenv("IGNIS_REQUIRE_REDIS", "1"); err != nil { // otherwise package redistest skips
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

// findBun returns a working Bun binary. The bun package's install script puts the
// binary in place, but npm may be configured to run no scripts. Then only the package
// for the platform has it, which may come in several variants.
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
	return "", errors.New("no Bun that runs is in node_modules: npm ci installs it")
}

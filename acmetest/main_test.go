package acmetest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/ignis-go/ignis/internal/childproc"
)

// program is the ignis program, which TestMain builds.
var program string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "acmetest:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	// Pebble waits for up to 15 seconds before it verifies a domain. It still does verify.
	if err := os.Setenv("PEBBLE_VA_NOSLEEP", "1"); err != nil {
		return 1, err
	}
	if os.Getenv("PEBBLE_VA_ALWAYS_VALID") != "" {
		return 1, errors.New("PEBBLE_VA_ALWAYS_VALID is set, with which Pebble verifies nothing; unset it")
	}
	dir, err := os.MkdirTemp("", "acmetest")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "ignis")
	build := childproc.Command("go", "build", "-o", program, "./cmd/ignis")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("cmd/ignis does not build: %w\n%s", err, out)
	}
	return m.Run(), nil
}

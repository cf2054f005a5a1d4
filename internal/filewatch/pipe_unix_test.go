//go:build unix

package filewatch

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func fifo(t *testing.T, name string) {
	t.Helper()
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A pipe is read once, and does not block afterwards. The files beside it are read again.
func TestPipe(t *testing.T) {
	dir := t.TempDir()
	pipe, file := filepath.Join(dir, "pipe"), filepath.Join(dir, "file")
	fifo(t, pipe)
	write(t, file, "a")
	go func() { _ = os.WriteFile(pipe, []byte("once"), 0) }()
	f := New(9, pipe, file)
	if got := f.Read().describe(); got != "once+a" {
		t.Fatalf("read %q", got)
	}
	write(t, file, "b")
	f.Poll()
	if c, change := f.Poll(); change != Changed || c.describe() != "once+b" {
		t.Errorf("got %q, %v", c.describe(), change)
	}
	if got := f.Read().describe(); got != "once+b" {
		t.Errorf("read %q", got)
	}
}

// A file that has been replaced by a pipe is an error. Opening it would block.
func TestFileBecomesPipe(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	write(t, name, "a")
	f := New(9, name)
	f.Read()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	fifo(t, name)
	if c, _ := f.Poll(); c.Err == nil || !strings.Contains(c.Err.Error(), "no longer a regular file") {
		t.Errorf("got %q", c.describe())
	}
}

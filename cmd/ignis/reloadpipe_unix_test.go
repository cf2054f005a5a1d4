//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A configuration from a pipe is read once. It stays in effect, and neither a reload nor the
// end of the program waits for more of it.
func TestConfigFromPipe(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "config")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(pipe, []byte("limits: {max_rooms: 1}\n"), 0) }()
	p, address := serve(t, []string{"IGNIS_JWT_SECRET=" + testKey}, "--config", pipe)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	c := dial(t, address, tokenFor(t, testKey, "ann"))
	p.signal(syscall.SIGHUP)
	if line := p.logged("configuration reloaded"); !strings.Contains(line, `changed=""`) {
		t.Errorf("logged %s", line)
	}
	if !joins(t, c, "a") || joins(t, c, "b") {
		t.Error("the limit of the file is not in effect")
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// Package deploy_test checks the files with which the program is installed.
package deploy_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/logtest"
)

// patience is the maximum time that a test waits for something.
const patience = time.Minute

// TestMain removes the program that tests have built.
func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(filepath.Dir(built))
	}
	os.Exit(code)
}

// built is the path of the program, once build has built it.
var built string

// build builds the program like the Dockerfile does, once.
var build = sync.OnceValues(func() (path string, err error) {
	dir, err := os.MkdirTemp("", "deploy")
	if err != nil {
		return "", err
	}
	built = filepath.Join(dir, "ignis")
	cmd := childproc.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", built, "../cmd/ignis")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", errors.New(string(text))
	}
	return built, nil
})

// program returns the path of the program.
func program(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// run starts a command, which the end of the test kills, and waits until it prints text.
func run(t *testing.T, cmd *childproc.Cmd, text string) (output *logtest.Log) {
	t.Helper()
	output = &logtest.Log{}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	timeout, tick := time.After(patience), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for !output.Has(text) {
		select {
		case <-tick.C:
		case <-ended:
			t.Fatalf("%s ended:\n%s", cmd.Args, output)
		case <-timeout:
			t.Fatalf("%s did not print %q:\n%s", cmd.Args, text, output)
		}
	}
	return output
}

//go:build unix

package app

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ignis-go/ignis/webhook"
)

// pipe returns the name of a pipe from which text can be read once.
func pipe(t *testing.T, text string) (name string) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() { _ = os.WriteFile(name, []byte(text), 0) }()
	return name
}

// finishes fails the test if f does not return, as if it waited for a writer of a pipe.
func finishes(t *testing.T, what string, f func() error) {
	t.Helper()
	done := start(f)
	select {
	case <-done.done:
		if done.err != nil {
			t.Errorf("%s: %v", what, done.err)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("%s has not returned", what)
	}
}

// Secrets can come from pipes, as with --jwt-secret-file <(command). They are read once, and
// stay valid when the configuration is reloaded.
func TestSecretsFromPipes(t *testing.T) {
	c := production()
	c.JWTSecret, c.JWTSecretFile = nil, pipe(t, strings.Repeat("s", 32)+"\n")
	c.Webhook = Webhook{Client: webhook.Config{URL: "http://127.0.0.1:1"}, SecretFiles: []string{pipe(t, webhook.NewSecret())}}
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready := make(chan struct{})
	a.cfg.OnReady = func([]string) { close(ready) }
	running := start(func() error { return a.Run(ctx) })
	<-ready
	finishes(t, "Reload", func() error { return a.Reload(t.Context(), c) })
	changed := c
	changed.Tokens.Issuers = []string{"me"}
	finishes(t, "Reload with other settings", func() error {
		if err := a.Reload(t.Context(), changed); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
			t.Errorf("Reload with other settings: %v", err)
		}
		return nil
	})
	cancel()
	finishes(t, "Run", func() error { <-running.done; return running.err })
}

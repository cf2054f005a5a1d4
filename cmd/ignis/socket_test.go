package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/wire"
)

// socketPath returns a path that is short enough for a Unix socket.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ignis")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// dialUnix connects a client through a Unix socket.
func dialUnix(t *testing.T, path string, change ...func(*client.Config)) *client.Conn {
	t.Helper()
	cfg := client.Config{NetDial: dialVia("unix", path)}
	for _, f := range change {
		f(&cfg)
	}
	c, err := client.Dial(withTimeout(t), "ws://localhost/ws", cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// All addresses serve the same clients, and end with the server.
func TestServeOnSeveralAddresses(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	p, urls := serveOn(t, 3, nil, "--dev", "--listen", "127.0.0.1:0,unix:"+path, "--listen", "127.0.0.1:0", "--unix-mode", "600")
	if urls[1] != "unix:"+path || urls[0] == urls[2] {
		t.Errorf("it listens on %q", urls)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("the socket: %v, %v", info, err)
	}
	a := dialUnix(t, path)
	b := dial(t, strings.TrimPrefix(urls[0], "http://"), nil)
	converse(t, a, b)
	converse(t, dial(t, strings.TrimPrefix(urls[2], "http://"), nil), dialUnix(t, path))
	p.signal(syscall.SIGTERM)
	for _, c := range []*client.Conn{a, b} {
		var closed *client.CloseError
		var err error
		for err == nil { // skips messages
			_, err = c.Receive(withTimeout(t))
		}
		if !errors.As(err, &closed) || closed.Code != wire.CloseGoingAway {
			t.Errorf("at the end a client got %v", err)
		}
	}
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// A server takes over the socket of one that was killed, and no other file.
func TestSocketIsTakenOver(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	args := []string{"--dev", "--listen", "unix:" + path}
	first, _ := serveOn(t, 1, nil, args...)
	refused := func(code int, want string) {
		t.Helper()
		p := start(t, nil, append([]string{"serve"}, args...)...)
		if got := p.wait(); got != code || !strings.Contains(p.errors.text(), want) {
			t.Errorf("exit code %d, %s", got, p.errors.text())
		}
	}
	refused(exitFailed, "is another server running there?")
	dialUnix(t, path)
	first.signal(syscall.SIGKILL)
	first.wait()
	second, _ := serveOn(t, 1, nil, args...)
	dialUnix(t, path)
	second.signal(syscall.SIGTERM)
	second.wait()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(exitFailed, "nothing was removed")
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Errorf("the file has %q, %v", text, err)
	}
}

// If listening on one of several addresses fails, the server does not start.
func TestOneAddressFails(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	p := start(t, nil, "serve", "--dev", "--listen", "unix:"+path, "--listen", "unix:"+path+"/none")
	if code := p.wait(); code != exitFailed || p.lines.text() != "" {
		t.Errorf("exit code %d, printed %q", code, p.lines.text())
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
)

func TestDescriptorLimitIsRaised(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	p := start(t, nil, "serve", "--dev", "--listen", "127.0.0.1:0", "--log-level", "info", "--log-format", "json")
	var line struct{ Descriptors uint64 }
	if err := json.Unmarshal([]byte(p.logged(`"msg":"listening"`)), &line); err != nil {
		t.Fatal(err)
	}
	if line.Descriptors != uint64(limit.Max) {
		t.Errorf("%d descriptors, but the hard limit is %d", line.Descriptors, limit.Max)
	}
}

// Clients cannot use the file descriptors that Redis and probes need. When the others are
// used up, further clients are refused immediately.
func TestReserveOfDescriptors(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	const limit, clientReserve = 200, 64
	r := redistest.Start(t)
	p := startCommand(t, nil, childproc.Command("sh", "-c",
		fmt.Sprintf("ulimit -n %d; exec ignis serve --listen 127.0.0.1:0 --dev --redis %s", limit, r.URL())))
	address, _, _ := strings.Cut(strings.TrimPrefix(p.line(), "listening on http://"), " ")
	var clients []*client.Conn
	var err error
	for range limit {
		var c *client.Conn
		if c, err = client.Dial(withTimeout(t), "ws://"+address+"/ws", client.Config{}); err != nil {
			break
		}
		t.Cleanup(func() { _ = c.Close() })
		clients = append(clients, c)
	}
	if n := len(clients); n != limit-clientReserve {
		t.Fatalf("%d clients got in, want %d: %v", n, limit-clientReserve, err)
	}
	if code := handshake(t, "http://"+address+"/ws", upgrade...); code != http.StatusServiceUnavailable {
		t.Errorf("one more is answered %d", code)
	}
	p.logged("the limit Config.MaxClients is reached")

	r.Kill()
	p.logged("connection lost")
	r.Restart()
	until(t, "Redis to be back", func() bool { code, _, _ := get(t, "http://"+address+"/readyz"); return code == http.StatusOK })

	// Connections that are not clients cannot use the last descriptors either.
	for range limit {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	until(t, "an answer without a request", func() bool {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		defer c.Close()
		_ = c.SetReadDeadline(time.Now().Add(patience))
		line, _ := bufio.NewReader(c).ReadString('\n')
		return strings.HasPrefix(line, "HTTP/1.1 503 ")
	})
	p.logged("running out of descriptors")
}

// until waits for a condition.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("timed out waiting for %s", what)
		}
	}
}

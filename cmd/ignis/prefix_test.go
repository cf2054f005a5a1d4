package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
)

// prefixed returns the environment variables for a Redis with a prefix.
func prefixed(redis, prefix string) []string {
	return []string{"IGNIS_REDIS=" + redis, "IGNIS_PREFIX=" + prefix}
}

// Applications with different prefixes do not receive each other's messages, regardless of
// the database in the URL.
func TestPrefix(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	zero, one := "redis://"+r.Addr(), "redis://"+r.Addr()+"/1"
	clients := make(map[string][]*client.Conn)
	for _, s := range []struct{ redis, prefix string }{
		{zero, "shop:"}, {one, "shop:"}, {zero, "blog:"}, {zero, ""}, {one, ""},
	} {
		args := []string{"--dev", "--redis", s.redis}
		if s.prefix != "" {
			args = append(args, "--prefix", s.prefix)
		}
		_, address := serve(t, nil, args...)
		clients[s.prefix] = append(clients[s.prefix], dial(t, address, nil))
	}
	from := func(prefix, event string) {
		t.Helper()
		if p := start(t, prefixed(zero, prefix), "emit", "broadcast", event); p.wait() != 0 {
			t.Errorf("emit with prefix %q: %s", prefix, p.errors.text())
		}
	}
	for prefix := range clients {
		from(prefix, "of "+prefix)
	}
	expect := func(prefix, event string) {
		t.Helper()
		for _, c := range clients[prefix] {
			if m := receive(t, c); m.Event != event {
				t.Errorf("a client of prefix %q got %q, want %q", prefix, m.Event, event)
			}
		}
	}
	for prefix, list := range clients {
		expect(prefix, "of "+prefix) // a relayed message could overtake it on the same server
		send(t, list[0], "relayed of "+prefix, `{"room":"ws-default"}`)
		expect(prefix, "relayed of "+prefix)
	}
	for prefix := range clients {
		from(prefix, "end of "+prefix)
		expect(prefix, "end of "+prefix)
	}
}

// Jobs with the same name in two applications with different prefixes are independent.
func TestPrefixOfCron(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	file := filepath.Join(t.TempDir(), "jobs.yaml")
	if err := os.WriteFile(file, []byte("jobs: {tick: {pattern: '* * * * * *', everyone: true, event: tick}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	prefixes := []string{"shop:", "blog:"}
	clients, runners := make([]*client.Conn, 2), make([]*process, 2)
	for i, prefix := range prefixes {
		_, address := serve(t, prefixed(r.URL(), prefix), "--dev")
		clients[i] = dial(t, address, nil)
		runners[i] = start(t, prefixed(r.URL(), prefix), "cron", "run", file)
	}
	for _, p := range runners {
		p.line() // running
	}
	for _, c := range clients {
		for range 5 {
			if m := receive(t, c); m.Event != "tick" {
				t.Fatalf("received %+v", m)
			}
		}
	}
	emitted := make([]map[string]bool, 2)
	for i, p := range runners {
		p.signal(syscall.SIGTERM)
		if code := p.wait(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		emitted[i] = make(map[string]bool)
		for line := range strings.Lines(p.errors.text()) {
			if strings.Contains(line, "msg=emitted") {
				_, at, _ := strings.Cut(line, "scheduled=")
				at, _, _ = strings.Cut(at, " ")
				emitted[i][at] = true
			}
		}
	}
	both := 0
	for at := range emitted[0] {
		if emitted[1][at] {
			both++
		}
	}
	if both == 0 {
		t.Errorf("the jobs have no instant in common: %v", emitted)
	}
	for _, prefix := range prefixes {
		if got := strings.TrimSpace(r.Do("exists", prefix+"ignis:cron:{tick}:claims")); got != "1" {
			t.Errorf("no claims with prefix %s", prefix)
		}
	}
}

func TestPrefixOfBench(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("ignis bench is for Linux")
	}
	r := redistest.Start(t)
	_, address := serve(t, prefixed(r.URL(), "shop:"), "--dev")
	bench := func(prefix string) *process {
		return start(t, prefixed(r.URL(), prefix), "bench", "--url", "ws://"+address+"/ws", "--clients", "5", "--duration", "500ms")
	}
	if p := bench("shop:"); p.wait() != 0 {
		t.Errorf("with the server's prefix: %s", p.errors.text())
	}
	p := bench("blog:")
	if code := p.wait(); code != exitFailed || !strings.Contains(p.errors.text(), "nothing arrived") || !strings.Contains(p.errors.text(), "--prefix") {
		t.Errorf("with another prefix: exit code %d, %s", code, p.errors.text())
	}
}

// Every command that uses Redis warns about a database without a prefix, and rejects an
// invalid prefix before it does anything.
func TestDatabaseWithoutPrefix(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	r := redistest.Start(t)
	url := "redis://" + r.Addr() + "/1"
	file := filepath.Join(t.TempDir(), "jobs.yaml")
	if err := os.WriteFile(file, []byte("jobs: {a: {pattern: '@yearly', room: lobby, event: x}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, address := serve(t, nil, "--dev")
	commands := map[string][]string{
		"serve": {"serve", "--dev", "--listen", "127.0.0.1:0"},
		"emit":  {"emit", "broadcast", "x", "1"},
		"cron":  {"cron", "run", file},
	}
	if runtime.GOOS == "linux" {
		commands["bench"] = []string{"bench", "--url", "ws://" + address + "/ws", "--clients", "1", "--duration", "10ms"}
	}
	for name, args := range commands {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for prefix, want := range map[string]int{"": 1, "shop:": 0} {
				p := start(t, prefixed(url, prefix), args...)
				if name == "serve" || name == "cron" {
					p.line() // running
					p.signal(syscall.SIGTERM)
				}
				p.wait()
				if got := strings.Count(p.errors.text(), "database 1 in the address of Redis does not separate messages"); got != want {
					t.Errorf("with prefix %q: %d warnings, want %d:\n%s", prefix, got, want, p.errors.text())
				}
			}
			p := start(t, prefixed(url, "shop:*"), args...)
			if code := p.wait(); code != exitUsage || !strings.Contains(p.errors.text(), "rintable ASCII") || !strings.Contains(p.errors.text(), "IGNIS_PREFIX") && !strings.Contains(p.errors.text(), "--prefix") {
				t.Errorf("a prefix with a *: exit code %d, %s", code, p.errors.text())
			}
		})
	}
}

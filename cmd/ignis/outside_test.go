package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/printable"
	"github.com/ignis-go/ignis/internal/redistest"
)

// listen prints messages from clients so that they are safe for a terminal, without
// changing their meaning.
func TestListenIsSafeForTerminals(t *testing.T) {
	_, address := serve(t, nil, "--dev")
	p := start(t, nil, "listen", "ws://"+address+"/ws", "--join", "lobby", "--all")
	p.line() // connected
	c := dial(t, address, nil)
	if _, err := c.Join(withTimeout(t), "lobby"); err != nil {
		t.Fatal(err)
	}
	const acting = "\u007f \u0080 \u009b31m \u200e \u200f \u061c \u202a \u202b \u202c \u202d \u202e \u2066 \u2069 \u2028 \ufeff \U000e0041"
	const harmless = "ü 漢字 👩‍💻"
	data := fmt.Sprintf(`{"room":"lobby","%s":"%s %s"}`, acting, acting, harmless)
	var line string
	redistest.Wait(t, "the listener to be in the room", func() bool {
		send(t, c, "e"+acting, data)
		select {
		case line = <-p.lines.lines:
			return true
		case <-time.After(10 * time.Millisecond):
			return false
		}
	})
	if strings.ContainsFunc(line, printable.Acts) || !strings.Contains(line, harmless) {
		t.Errorf("printed %q", line)
	}
	var got struct {
		Event string
		Data  map[string]any
	}
	if err := json.Unmarshal([]byte(line), &got); err != nil || got.Event != "e"+acting || got.Data[acting] != acting+" "+harmless {
		t.Errorf("printed %s: %v", line, err)
	}
}

// Errors that contain text from a server are safe for a terminal as well. If the server
// refuses the handshake, the hint depends on the status.
func TestListenExplainsRefusals(t *testing.T) {
	for status, want := range map[int]struct {
		code int
		hint string
	}{
		http.StatusBadRequest:          {exitFailed, "wss://"},
		http.StatusUnauthorized:        {exitFailed, "requires a login"},
		http.StatusForbidden:           {exitFailed, "from here"},
		http.StatusNotFound:            {exitFailed, "the path correct"},
		http.StatusUpgradeRequired:     {exitFailed, "Upgrade and Connection"},
		http.StatusTooManyRequests:     {exitLost, "try again"},
		http.StatusInternalServerError: {exitFailed, "log may have"},
		http.StatusBadGateway:          {exitLost, "proxy in front of the server cannot reach it"},
		http.StatusServiceUnavailable:  {exitLost, "try again"},
		http.StatusGatewayTimeout:      {exitLost, "proxy in front of the server cannot reach it"},
		http.StatusOK:                  {exitFailed, "the path correct"},
		http.StatusMultipleChoices:     {exitFailed, "the path correct"}, // without a Location
		http.StatusMovedPermanently:    {exitFailed, "redirects to wss://example.com/socket; "},
		http.StatusFound:               {exitFailed, "redirects to wss://example.com/socket; "},
		http.StatusTemporaryRedirect:   {exitFailed, "redirects to wss://example.com/socket; "},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if status > http.StatusMultipleChoices {
				w.Header().Set("Location", "https://example.com/socket?token=s3cret")
			}
			http.Error(w, "Go\x1b[2J away\u202e.\nAnd more.", status)
		}))
		var out, stderr bytes.Buffer
		url := "ws" + strings.TrimPrefix(s.URL, "http") + "/ws"
		code := run(t.Context(), []string{"listen", url}, &stdio{in: os.Stdin, out: &out, err: &stderr})
		s.Close()
		text := stderr.String()
		_, hint, _ := strings.Cut(text, "hint: ")
		if code != want.code || !strings.Contains(hint, want.hint) || !strings.Contains(text, fmt.Sprint(status)) ||
			!strings.Contains(text, `Go\\u001b[2J away\\u202e.`) || strings.Contains(text, "And more") || strings.Contains(text, "s3cret") ||
			strings.ContainsFunc(strings.ReplaceAll(text, "\n", ""), printable.Acts) {
			t.Errorf("%d: exit code %d, %q", status, code, text)
		}
	}
}

// A message that is too large does not end listen. By default, listen accepts every message
// that ignis emit can send.
func TestListenTakesLargeMessages(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	_, address := serve(t, nil, "--dev", "--redis", r.URL(), "--max-message", "8MiB", "--backpressure-limit", "64MiB")
	listen := func(more ...string) *process {
		p := start(t, nil, append([]string{"listen", "ws://" + address + "/ws", "--all"}, more...)...)
		p.line() // connected
		return p
	}
	all, small := listen(), listen("--max-message", "1KiB")
	large := childproc.Command("ignis", "emit", "broadcast", "large", "--redis", r.URL(), "--max-message", "8MiB", "--timeout", "1m")
	large.Stdin = strings.NewReader(`"` + strings.Repeat("x", 5<<20) + `"`)
	if code := startCommand(t, nil, large).wait(); code != 0 {
		t.Fatalf("ignis emit ended with exit code %d", code)
	}
	emit(t, r.URL(), "broadcast", "small")
	if line := all.line(); len(line) < 5<<20 || !strings.HasPrefix(line, `{"event":"large"`) {
		t.Errorf("printed %d bytes, %.100s", len(line), line)
	}
	for _, p := range []*process{all, small} {
		if line := p.line(); line != `{"event":"small"}` {
			t.Errorf("printed %.100s", line)
		}
	}
	if note := small.logged("note: "); !strings.Contains(note, "skipped a message of 5242907 bytes; --max-message") {
		t.Errorf("got %s", note)
	}
}

func TestErrorsAreSafeForTerminals(t *testing.T) {
	var stderr bytes.Buffer
	code := run(t.Context(), []string{"serve", "\x1b[2J\u202ex"}, &stdio{in: os.Stdin, out: &stderr, err: &stderr})
	if text := stderr.String(); code != exitUsage || !strings.Contains(text, `\u001b[2J\u202ex`) ||
		strings.ContainsFunc(strings.ReplaceAll(text, "\n", ""), printable.Acts) {
		t.Errorf("exit code %d, %q", code, text)
	}
}

// A password for Redis can be kept out of the list of processes, and is never printed.
func TestRedisFile(t *testing.T) {
	const password = "s3cret-word"
	r := redistest.StartWith(t, redistest.Config{Password: password})
	dir := t.TempDir()
	file := filepath.Join(dir, "redis")
	if err := os.WriteFile(file, []byte(r.URL()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(dir, "open")
	if err := os.WriteFile(open, []byte(r.URL()), 0o644); err != nil { //nolint:gosec // on purpose
		t.Fatal(err)
	}
	jobs := filepath.Join(dir, "jobs.yaml")
	if err := os.WriteFile(jobs, []byte("jobs: {a: {pattern: '@yearly', room: lobby, event: x}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	server, address := serve(t, []string{"IGNIS_JWT_SECRET=" + testKey}, "--redis-file", file)
	c := dial(t, address, map[string]string{"token": sign(t, testKey, map[string]any{"sub": "ann", "exp": inAnHour()})})
	const warning = "every user of this machine can see the password"
	ended := func(p *process, code int, warns string) {
		t.Helper()
		if got := p.wait(); got != code {
			t.Errorf("%q: exit code %d, want %d", p.cmd.Args, got, code)
		}
		text := p.errors.text() + p.lines.text()
		if warned := strings.Contains(text, "can see the password") || strings.Contains(text, "can read the file"); warned != (warns != "") || !strings.Contains(text, warns) {
			t.Errorf("%q printed %q", p.cmd.Args, text)
		}
		if strings.Contains(text, password) {
			t.Errorf("%q prints the password", p.cmd.Args)
		}
	}
	emit := []string{"emit", "user", "ann", "hello", "1"}
	with := func(more ...string) []string { return append(more[:len(more):len(more)], emit[1:]...) }
	ended(start(t, nil, with("emit", "--redis-file", file)...), 0, "")
	ended(start(t, []string{"IGNIS_REDIS_FILE=" + file}, emit...), 0, "")
	ended(start(t, []string{"IGNIS_REDIS=" + r.URL()}, emit...), 0, "")
	ended(start(t, nil, with("emit", "--redis", r.URL())...), 0, warning)
	ended(start(t, nil, with("emit", "--redis-file", open)...), 0, "can read the file")
	for range 5 {
		if m := receive(t, c); m.Event != "hello" {
			t.Errorf("received %+v", m)
		}
	}
	ended(start(t, nil, with("emit", "--redis-file", file, "--redis", r.URL())...), exitUsage, "")
	ended(start(t, nil, with("emit", "--redis-file", dir+"/none")...), exitUsage, "")
	ended(start(t, nil, with("emit", "--redis-file", os.DevNull)...), exitUsage, "can read the file")
	wrong := strings.Replace(r.URL(), password, password+"x", 1)
	ended(start(t, []string{"IGNIS_REDIS=" + wrong}, emit...), exitFailed, "")
	// The password is not printed even if the parser quotes the argument.
	ended(start(t, nil, "emit", r.URL(), "user", "ann"), exitUsage, "")
	ended(start(t, nil, "serve", "--dev", "--redis", r.URL()+"#"), exitUsage, warning)

	cron := start(t, nil, "cron", "run", jobs, "--redis-file", file)
	cron.line() // running
	cron.signal(os.Interrupt)
	ended(cron, 0, "")
	ended(start(t, nil, "bench", "--url", "ws://"+address+"/ws", "--clients", "1", "--duration", "100ms",
		"--token", sign(t, testKey, map[string]any{"sub": "ann", "exp": inAnHour()}), "--redis-file", file), 0, "")
	server.signal(os.Interrupt)
	ended(server, 0, "")
}

// In development mode, anyone can cause these log lines, so their number is limited.
func TestDevLogIsNotFlooded(t *testing.T) {
	p, address := serve(t, nil, "--dev", "--log-level", "info")
	c := dial(t, address, nil)
	for range 50 {
		send(t, c, "x", `{"text":"no room"}`)
		get(t, "http://"+address+"/", "Host", "evil.example")
	}
	p.signal(os.Interrupt)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	text := p.errors.text()
	for _, line := range []string{"message not relayed", "request refused"} {
		if n := strings.Count(text, line); n < 2 || n > 20 || !strings.Contains(text, "host=evil.example") {
			t.Errorf("%q was logged %d times", line, n)
		}
	}
}

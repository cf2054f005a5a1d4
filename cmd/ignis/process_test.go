package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/wire"
)

// patience is the maximum time that a test waits for something.
const patience = 3 * time.Minute

// fastExit prevents the race detector, if enabled, from waiting for a second at the end
// of each process. It still reports races.
const fastExit = "GORACE=atexit_sleep_ms=0"

// process is a running ignis.
type process struct {
	t      *testing.T
	cmd    *childproc.Cmd
	lines  *lineWriter   // of standard output
	errors *lineWriter   // of standard error
	ended  chan struct{} // closed when it has ended
	err    error         // result of Wait; valid once ended is closed
}

// start starts ignis with arguments; settings are environment variables.
func start(t *testing.T, settings []string, args ...string) *process {
	t.Helper()
	return startCommand(t, settings, childproc.Command("ignis", args...))
}

// startCommand starts a command that runs ignis.
func startCommand(t *testing.T, settings []string, cmd *childproc.Cmd) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, lines: newLineWriter(), errors: newLineWriter(), ended: make(chan struct{})}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "IGNIS_") {
			p.cmd.Env = append(p.cmd.Env, v)
		}
	}
	p.cmd.Env = append(append(p.cmd.Env, fastExit), settings...)
	p.cmd.Stdout, p.cmd.Stderr = p.lines, p.errors
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.err = p.cmd.Wait(); close(p.ended) }()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		for _, fault := range []string{"DATA RACE", "panic: ", "panicked"} {
			if strings.Contains(p.errors.text(), fault) {
				t.Error(fault)
			}
		}
		if t.Failed() {
			t.Logf("ignis %s:\n%s%s", strings.Join(cmd.Args[1:], " "), p.lines.text(), p.errors.text())
		}
	})
	return p
}

// serve starts a server on a free port and returns it with its host:port.
func serve(t *testing.T, settings []string, args ...string) (p *process, address string) {
	t.Helper()
	p = start(t, settings, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	line := p.line()
	rest, ok := strings.CutPrefix(line, "listening on http://")
	if !ok {
		t.Fatalf("the server printed %q", line)
	}
	address, _, _ = strings.Cut(rest, " ")
	return p, address
}

// emit runs ignis emit, which must succeed.
func emit(t *testing.T, redis string, args ...string) {
	t.Helper()
	p := start(t, []string{"IGNIS_REDIS=" + redis}, append([]string{"emit"}, args...)...)
	if code := p.wait(); code != 0 {
		t.Fatalf("ignis emit %q ended with exit code %d", args, code)
	}
}

// line returns the next line of standard output.
func (p *process) line() string {
	p.t.Helper()
	return p.next(p.lines, "")
}

// logged returns the next line of standard error that contains text.
func (p *process) logged(text string) string {
	p.t.Helper()
	return p.next(p.errors, text)
}

func (p *process) next(w *lineWriter, text string) string {
	p.t.Helper()
	timeout := time.After(patience)
	ended := p.ended
	for {
		select {
		case l := <-w.lines:
			if strings.Contains(l, text) {
				return l
			}
		case <-ended:
			ended = nil // all output is in the channel
			if len(w.lines) == 0 {
				p.t.Fatalf("the process ended without a line that contains %q: %v", text, p.err)
			}
		case <-timeout:
			p.t.Fatalf("no line that contains %q", text)
		}
	}
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// wait waits until the process ends. It returns the exit code, or -1 if a signal ended it.
func (p *process) wait() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.signal(syscall.SIGQUIT) // shows where it hangs
		p.t.Fatal("the process did not end")
	}
	var exit *exec.ExitError
	if p.err != nil && !errors.As(p.err, &exit) {
		p.t.Fatal(p.err)
	}
	return p.cmd.ProcessState.ExitCode()
}

// lineWriter stores what is written to it and sends each line to a channel.
type lineWriter struct {
	lines chan string

	mu   sync.Mutex
	all  bytes.Buffer
	rest []byte
}

func newLineWriter() *lineWriter { return &lineWriter{lines: make(chan string, 10_000)} }

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all.Write(p)
	w.rest = append(w.rest, p...)
	for {
		i := bytes.IndexByte(w.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		select {
		case w.lines <- string(w.rest[:i]):
		default:
			return 0, errors.New("too many lines for a test")
		}
		w.rest = w.rest[i+1:]
	}
}

func (w *lineWriter) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}

// withTimeout returns a context that limits how long a test waits.
func withTimeout(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// dial connects a client to the server at address.
func dial(t *testing.T, address string, credentials any) *client.Conn {
	t.Helper()
	c, err := client.Dial(withTimeout(t), "ws://"+address+"/ws", client.Config{Credentials: credentials})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// receive returns the next message.
func receive(t *testing.T, c *client.Conn) wire.Message {
	t.Helper()
	m, err := c.Receive(withTimeout(t))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// send sends raw JSON as the data of an event.
func send(t *testing.T, c *client.Conn, event, data string) {
	t.Helper()
	if err := c.SendMessage(withTimeout(t), wire.Message{Event: event, Data: []byte(data)}); err != nil {
		t.Fatal(err)
	}
}

// request returns a GET request with headers as pairs.
func request(t *testing.T, url string, headers []string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(withTimeout(t), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// get sends a GET request with headers as pairs. It returns the status, the header and the
// body of the response.
func get(t *testing.T, url string, headers ...string) (int, http.Header, string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	return getWith(t, transport, url, headers...)
}

// getWith is like get, with a given transport.
func getWith(t *testing.T, transport *http.Transport, url string, headers ...string) (int, http.Header, string) {
	t.Helper()
	response, err := (&http.Client{Transport: transport}).Do(request(t, url, headers))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(body)
}

// secretFile returns a file with testKey.
func secretFile(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "jwt")
	if err := os.WriteFile(name, []byte(testKey), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

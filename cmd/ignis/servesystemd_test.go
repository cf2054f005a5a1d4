package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/app"
	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/internal/systemd"
)

// serviceManager receives what a service reports.
type serviceManager struct {
	t    *testing.T
	conn *net.UnixConn
	path string
}

func newServiceManager(t *testing.T) *serviceManager {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("systemd exists only on Linux")
	}
	dir, err := os.MkdirTemp("", "n") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &serviceManager{t, conn, path}
}

// reported returns the next message that contains text, and those before it.
func (m *serviceManager) reported(text string) (message string, before []string) {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		m.t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	for {
		n, err := m.conn.Read(buffer)
		if err != nil {
			m.t.Fatalf("no report of %s: %v", text, err)
		}
		if message = string(buffer[:n]); strings.Contains(message, text) {
			return message, before
		}
		before = append(before, message)
	}
}

func contains(messages []string, text string) bool {
	return strings.Contains(strings.Join(messages, "\n")+"\n", text)
}

// The service reports that it is ready, reloads and stops, what its status is, and that it works.
func TestServiceReportsItsState(t *testing.T) {
	t.Parallel()
	m := newServiceManager(t)
	p, address := serve(t, []string{"NOTIFY_SOCKET=" + m.path, "WATCHDOG_USEC=400000"}, "--dev", "--log-level", "info", "--drain-delay", "2s")
	_, before := m.reported("READY=1")
	if contains(before, "STOPPING") || contains(before, "RELOADING") {
		t.Errorf("before it was ready, it reported %q", before)
	}
	m.reported("WATCHDOG=1")
	dial(t, address, nil)
	m.reported("STATUS=ready: 1 client")

	p.signal(syscall.SIGHUP)
	message, _ := m.reported("RELOADING=1")
	_, text, ok := strings.Cut(message, "RELOADING=1\nMONOTONIC_USEC=")
	if usec, err := strconv.ParseInt(text, 10, 64); !ok || err != nil || usec <= 0 {
		t.Errorf("reported %q, %v", message, err)
	}
	m.reported("READY=1")
	p.logged("configuration reloaded")

	p.signal(syscall.SIGTERM)
	m.reported("STOPPING=1")
	m.reported("STATUS=draining: 1 client")
	m.reported("WATCHDOG=1")
	if code := p.wait(); code != 0 {
		t.Errorf("ended with exit code %d", code)
	}
}

// A server that waits for Redis is not ready, and a reload does not make it ready.
func TestServiceThatWaitsIsNotReady(t *testing.T) {
	t.Parallel()
	m := newServiceManager(t)
	p := start(t, []string{"NOTIFY_SOCKET=" + m.path, "WATCHDOG_USEC=400000"},
		"serve", "--dev", "--listen", "127.0.0.1:0", "--log-level", "info", "--redis", "redis://127.0.0.1:1")
	m.reported("STATUS=starting (redis): 0 clients")
	p.signal(syscall.SIGHUP)
	p.logged("configuration reloaded")
	p.signal(syscall.SIGINT)
	if _, before := m.reported("STOPPING=1"); contains(before, "READY=1") || contains(before, "RELOADING=1") {
		t.Errorf("it reported %q", before)
	}
	p.wait()
}

// A service manager that does not listen is logged once, and does not stop the server.
func TestServiceManagerIsMissing(t *testing.T) {
	t.Parallel()
	p, address := serve(t, []string{"NOTIFY_SOCKET=" + filepath.Join(t.TempDir(), "none")}, "--dev")
	p.logged("could not report to the service manager")
	if code, _, _ := get(t, "http://"+address+"/readyz"); code != http.StatusOK {
		t.Errorf("/readyz answers %d", code)
	}
	p.signal(syscall.SIGINT)
	p.wait()
	if n := strings.Count(p.errors.text(), "could not report"); n != 1 {
		t.Errorf("logged %d times", n)
	}
}

// An app that does not answer is not reported as alive.
func TestWatchdogOfAppThatHangs(t *testing.T) {
	m := newServiceManager(t)
	t.Setenv("NOTIFY_SOCKET", m.path)
	service, err := systemd.Take()
	if err != nil {
		t.Fatal(err)
	}
	service.Watchdog = 20 * time.Millisecond
	asked, answers := make(chan struct{}), make(chan app.Report)
	under := &manager{service: service, log: slog.New(slog.DiscardHandler), report: func() app.Report {
		asked <- struct{}{}
		return <-answers
	}}
	end := under.start(t.Context())
	<-asked
	answers <- app.Report{Status: "ready"}
	m.reported("WATCHDOG=1")
	<-asked // and it gets no answer
	if err := m.conn.SetReadDeadline(time.Now().Add(5 * service.Watchdog)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 100)
	if n, err := m.conn.Read(buffer); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("reported %q, %v", buffer[:n], err)
	}
	go func() { // the loop may ask again before it ends
		for range asked {
			answers <- app.Report{Status: "ready"}
		}
	}()
	answers <- app.Report{Status: "ready"}
	end()
	close(asked)
}

// activate starts ignis with sockets, which have the names.
func activate(t *testing.T, names string, sockets []net.Listener, args ...string) *process {
	t.Helper()
	cmd := childproc.Command("sh", append([]string{"-c", `LISTEN_PID=$$ exec ignis "$@"`, "ignis"}, args...)...)
	for _, l := range sockets {
		f, err := l.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	return startCommand(t, []string{"LISTEN_FDS=" + strconv.Itoa(len(sockets)), "LISTEN_FDNAMES=" + names}, cmd)
}

func listenOn(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// Sockets of systemd serve clients and the API. They are still open after the server has ended, so
// that systemd can pass them to the next one.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	newServiceManager(t)
	clients, api := listenOn(t, "tcp", "127.0.0.1:0"), listenOn(t, "tcp", "127.0.0.1:0")
	path := filepath.Join(t.TempDir(), "s")
	local := listenOn(t, "unix", path)
	p := activate(t, "web:api:web", []net.Listener{clients, api, local},
		"serve", "--dev", "--listen", "systemd", "--api-listen", "systemd:api")
	for _, want := range []string{"http://" + clients.Addr().String() + " ", "unix:" + path + " ", "http://" + api.Addr().String() + " "} {
		if line := p.line(); !strings.HasPrefix(line+" ", "listening on "+want) {
			t.Errorf("got %q, want %q", line, want)
		}
	}
	a, b := dial(t, clients.Addr().String(), nil), dial(t, clients.Addr().String(), nil)
	converse(t, a, b)
	if code, _, _ := get(t, "http://"+api.Addr().String()+"/readyz"); code != http.StatusNotFound {
		t.Errorf("the address of the API serves clients: %d", code)
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	if code, _, _ := getWith(t, transport, "http://localhost/readyz"); code != http.StatusOK {
		t.Errorf("the Unix socket answers %d", code)
	}
	p.signal(syscall.SIGINT)
	p.wait()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the server has removed the socket of systemd: %v", err)
	}
	waiting, err := net.Dial("tcp", clients.Addr().String())
	if err != nil {
		t.Fatalf("a client cannot wait for the next server: %v", err)
	}
	defer waiting.Close()

	next := activate(t, "web", []net.Listener{clients}, "serve", "--dev", "--listen", "systemd:web")
	next.line()
	c := dial(t, clients.Addr().String(), nil)
	redistest.Wait(t, "the client to be connected", func() bool { return c.ID() != "" })
}

// Sockets that do not fit the settings are errors.
func TestSocketActivationErrors(t *testing.T) {
	t.Parallel()
	newServiceManager(t)
	for want, test := range map[string]struct {
		names string
		args  []string
	}{
		"--listen systemd:other: systemd has passed no such socket": {"web", []string{"--listen", "systemd:other"}},
		"which no setting uses": {"web", []string{"--listen", "127.0.0.1:0"}},
	} {
		p := activate(t, test.names, []net.Listener{listenOn(t, "tcp", "127.0.0.1:0")}, append([]string{"serve", "--dev"}, test.args...)...)
		p.logged(want)
		if code := p.wait(); code != exitUsage {
			t.Errorf("%s: ended with exit code %d", want, code)
		}
	}
	p := start(t, nil, "serve", "--dev", "--listen", "systemd")
	p.logged("--listen systemd: systemd has passed no such socket")
	if code := p.wait(); code != exitUsage {
		t.Errorf("ended with exit code %d", code)
	}
	check := start(t, nil, "config", "check", "--dev", "--listen", "systemd")
	if code := check.wait(); code != 0 {
		t.Errorf("config check ended with exit code %d", code)
	}
}

package redistest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/testprog"
)

// startTimeout is how long a Redis process may take to become ready.
const startTimeout = 60 * time.Second

// Ports are chosen below the range that the system uses for outgoing connections, so that
// nothing else can take the port of a Redis that is down, and a client that dials it cannot
// connect to itself. A Cluster node also listens on its port plus 10000.
const (
	minPort   = 10000
	maxPort   = 22000
	busOffset = 10000
)

// Server is a redis-server process. Its methods must be called from the test's goroutine.
type Server struct {
	t        testing.TB
	port     int
	dir      string
	password string
	conf     string // configuration file of a Sentinel, empty otherwise
	args     []string

	cmd    *childproc.Cmd
	exited chan struct{} // closed when the process has ended

	mu  sync.Mutex
	log []string // output of the process, for failed tests
}

// Config configures the Redis that [StartWith] starts. [Start] uses the zero value.
type Config struct {
	// Password is the password of the default user. Empty means no authentication.
	Password string
	// Args are additional arguments of redis-server, such as "--maxclients", "20".
	Args []string
}

// Start starts a Redis that ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	return StartWith(t, Config{})
}

// StartWith is like [Start], but with a configuration.
func StartWith(t testing.TB, c Config) *Server {
	t.Helper()
	s := &Server{t: t, password: c.Password, args: c.Args}
	if c.Password != "" {
		s.args = append([]string{"--requirepass", c.Password, "--masterauth", c.Password}, s.args...)
	}
	s.start()
	return s
}

// start starts the process for the first time, on a free port.
func (s *Server) start() {
	s.t.Helper()
	for _, name := range []string{"redis-server", "redis-cli"} {
		testprog.Require(s.t, "TEST_REQUIRE_REDIS", name, "this test needs a real Redis")
	}
	dir, err := os.MkdirTemp("", "redistest") // not t.TempDir, because paths of Unix sockets must be short
	if err != nil {
		s.t.Fatal(err)
	}
	s.dir = dir
	s.t.Cleanup(func() {
		s.Kill()
		if s.t.Failed() {
			s.t.Logf("redis-server %s:\n%s", s.Addr(), s.Log())
		}
		_ = os.RemoveAll(dir)
	})
	if s.conf != "" {
		// Written only once, because a Sentinel saves its state in this file.
		if err := os.WriteFile(filepath.Join(dir, "sentinel.conf"), []byte(s.conf), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	for range 20 {
		s.port = FreePort(s.t)
		if err = s.launch(); err == nil {
			return
		}
	}
	s.t.Fatalf("redis-server did not start: %v\n%s", err, s.Log())
}

// launch starts the process and waits until it accepts connections.
func (s *Server) launch() error {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return err
	}
	args := []string{
		"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir, "--daemonize", "no", "--logfile", "",
	}
	ready := "Ready to accept connections"
	if s.conf != "" {
		args = append([]string{filepath.Join(s.dir, "sentinel.conf"), "--sentinel"}, args...)
		ready = "+monitor master"
	} else {
		args = append(args, "--unixsocket", s.Socket(), "--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0")
	}
	cmd := childproc.Command(path, append(args, s.args...)...)
	cmd.Dir = s.dir
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd, s.exited = cmd, make(chan struct{})
	isReady := make(chan struct{})
	go s.watch(out, ready, isReady)
	select {
	case <-isReady:
		return nil
	case <-s.exited:
		return fmt.Errorf("redis-server ended: %s", s.lastLine())
	case <-time.After(startTimeout):
		s.Kill()
		return fmt.Errorf("redis-server is not ready after %v: %s", startTimeout, s.lastLine())
	}
}

// watch stores the output of the process, closes isReady when the process is ready, and reaps the
// process. It returns when the process has ended.
func (s *Server) watch(out io.Reader, ready string, isReady chan<- struct{}) {
	defer close(s.exited)
	lines, seen := bufio.NewScanner(out), false
	for lines.Scan() {
		s.mu.Lock()
		s.log = append(s.log, lines.Text())
		if len(s.log) > 400 {
			s.log = append(s.log[:0], s.log[200:]...)
		}
		s.mu.Unlock()
		if !seen && strings.Contains(lines.Text(), ready) {
			seen = true
			close(isReady)
		}
	}
	_ = s.cmd.Wait()
}

// Addr returns the address as host:port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Port returns the TCP port.
func (s *Server) Port() int { return s.port }

// Socket returns the path of the Unix socket.
func (s *Server) Socket() string { return filepath.Join(s.dir, "redis.sock") }

// URL returns redis://host:port/0, with the password if there is one.
func (s *Server) URL() string {
	if s.password != "" {
		return "redis://:" + s.password + "@" + s.Addr() + "/0"
	}
	return "redis://" + s.Addr() + "/0"
}

// Log returns the last lines of the process's output.
func (s *Server) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.log, "\n")
}

func (s *Server) lastLine() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.log) == 0 {
		return "no output"
	}
	return s.log[len(s.log)-1]
}

// Kill ends the process immediately, like a crash (kill -9), and waits until it has ended. Kill is
// a no-op if the process is not running.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.exited
	s.cmd = nil
}

// Restart starts the process again on the same port, without data, and waits until it accepts
// connections. If the process is running, it is killed first.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	if err := s.launch(); err != nil {
		s.t.Fatalf("restart: %v\n%s", err, s.Log())
	}
}

// Pause suspends the process (SIGSTOP). The system still accepts connections for it, but nothing
// answers.
func (s *Server) Pause() {
	s.t.Helper()
	if err := pause(s.cmd.Process); err != nil {
		s.t.Fatalf("pause: %v", err)
	}
}

// Resume resumes a paused process.
func (s *Server) Resume() {
	s.t.Helper()
	if err := resume(s.cmd.Process); err != nil {
		s.t.Fatalf("resume: %v", err)
	}
}

// Do runs a command with redis-cli and returns its output without the final line break. If
// redis-cli fails or the reply is an error, the test fails.
func (s *Server) Do(args ...string) string {
	s.t.Helper()
	out, err := s.Try(args...)
	if err != nil {
		s.t.Fatalf("redis-cli %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// Try is like [Server.Do] but returns the error.
func (s *Server) Try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	base := []string{"-e", "-p", strconv.Itoa(s.port)}
	if s.password != "" {
		base = append(base, "--no-auth-warning", "-a", s.password)
	}
	cmd := childproc.CommandContext(ctx, "redis-cli", append(base, args...)...)
	out, err := cmd.CombinedOutput()
	text := strings.TrimRight(string(out), "\n")
	if err != nil {
		return text, fmt.Errorf("%w: %s", err, text)
	}
	return text, nil
}

// FreePort returns a port on which nothing listens. The corresponding port of a Cluster node's bus
// is free as well.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 200 {
		port := minPort + rand.IntN(maxPort-minPort)
		if isFree(port) {
			return port
		}
	}
	t.Fatal("no free port found")
	return 0
}

// isFree reports whether nothing listens on a port or on the corresponding port of the Cluster
// bus.
func isFree(port int) bool {
	for _, p := range []int{port, port + busOffset} {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

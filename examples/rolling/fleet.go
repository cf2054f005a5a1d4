package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ignis-go/ignis/internal/childproc"
)

// patience limits how long to wait for a process.
const patience = 3 * time.Minute

// fleet is Redis, the servers and HAProxy.
type fleet struct {
	cfg     config
	dir     string
	redis   string // URL
	url     string // of the proxy, for clients
	servers []*server
	others  []*childproc.Cmd
}

// server is a server of the fleet. Its port stays the same when it is restarted.
type server struct {
	fleet *fleet
	port  int
	cmd   *childproc.Cmd
}

func newFleet(c config) (*fleet, error) {
	dir, err := os.MkdirTemp("", "rolling")
	return &fleet{cfg: c, dir: dir}, err
}

// start starts everything and waits until the proxy can reach all servers.
func (f *fleet) start(ctx context.Context) error {
	ports, err := freePorts(2 + f.cfg.nodes)
	if err != nil {
		return err
	}
	f.redis, f.url = fmt.Sprintf("redis://127.0.0.1:%d", ports[0]), fmt.Sprintf("ws://127.0.0.1:%d/ws", ports[1])
	if _, err := f.launch("redis-server", "--port", fmt.Sprint(ports[0]), "--bind", "127.0.0.1", "--save", "", "--dir", f.dir); err != nil {
		return err
	}
	if err := eventually(ctx, "Redis", func() bool { return accepts(ports[0]) }); err != nil {
		return err
	}
	for _, port := range ports[2:] {
		s := &server{fleet: f, port: port}
		f.servers = append(f.servers, s)
		if err := s.start(ctx); err != nil {
			return err
		}
	}
	name := filepath.Join(f.dir, "haproxy.cfg")
	if err := os.WriteFile(name, []byte(f.proxyConfig(ports[1])), 0o600); err != nil {
		return err
	}
	args := []string{"-db", "-f", name}
	if !f.cfg.verbose {
		args = append(args, "-q") // it would report each server that is restarted
	}
	if _, err := f.launch(haproxy(), args...); err != nil {
		return err
	}
	return eventually(ctx, "HAProxy", func() bool { return ready(ports[1]) })
}

// proxyConfig returns the configuration of HAProxy. It notices within a second that a server is
// not ready, so the drain delay must be longer.
func (f *fleet) proxyConfig(port int) string {
	var b strings.Builder
	limit := f.cfg.clients + f.cfg.clients/4 + 100 // HAProxy needs two descriptors for each
	fmt.Fprintf(&b, `global
    maxconn %d

defaults
    mode http
    timeout connect 5s
    timeout http-request 10s
    timeout client 60s
    timeout client-fin 5s
    timeout server 60s
    timeout tunnel 10m

frontend clients
    bind 127.0.0.1:%d
    default_backend ignis

backend ignis
    balance leastconn
    option redispatch 1
    option httpchk
    http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host 127.0.0.1
    default-server check inter 300ms fall 2 rise 2
`, limit, port)
	for i, s := range f.servers {
		fmt.Fprintf(&b, "    server s%d 127.0.0.1:%d\n", i+1, s.port)
	}
	return b.String()
}

// haproxy returns the path of HAProxy, which is not in the PATH of every user.
func haproxy() string {
	if _, err := os.Stat("/usr/sbin/haproxy"); err == nil {
		return "/usr/sbin/haproxy"
	}
	return "haproxy"
}

// launch starts a process that runs until the fleet stops.
func (f *fleet) launch(name string, args ...string) (*childproc.Cmd, error) {
	cmd := childproc.Command(name, args...)
	cmd.Stdout, cmd.Stderr = io.Discard, os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	f.others = append(f.others, cmd)
	return cmd, nil
}

// stop stops everything.
func (f *fleet) stop() error {
	for _, s := range f.servers {
		if s.cmd != nil {
			_ = s.cmd.Process.Kill()
			_ = s.cmd.Wait()
		}
	}
	for _, cmd := range f.others {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	return os.RemoveAll(f.dir)
}

// start starts the server and waits until it is ready.
func (s *server) start(ctx context.Context) error {
	c := s.fleet.cfg
	window := "auto"
	if c.window > 0 {
		window = c.window.String()
	}
	cmd := childproc.Command(c.ignis, "serve", "--dev", "--log-level", "info",
		"--listen", fmt.Sprintf("127.0.0.1:%d", s.port), "--redis", s.fleet.redis,
		"--drain-delay", c.delay.String(), "--drain-window", window)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Discard, &log
	if c.verbose {
		cmd.Stderr = os.Stderr
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", c.ignis, err)
	}
	s.cmd = cmd
	if err := eventually(ctx, "a server", func() bool { return ready(s.port) }); err != nil {
		return err
	}
	return nil
}

// restart stops the server as a deployment does, and starts it again.
func (s *server) restart(ctx context.Context) error {
	cmd := s.cmd
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	s.cmd = nil
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("a server that was told to stop ended with: %w", err)
		}
	case <-ctx.Done():
		_ = cmd.Process.Kill()
		<-ended
		return ctx.Err()
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	pause(ctx, 2*time.Second) // until the proxy has noticed
	return ctx.Err()
}

// freePorts returns ports that are free.
func freePorts(n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

func accepts(port int) bool {
	nc, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err == nil {
		_ = nc.Close()
	}
	return err == nil
}

func ready(port int) bool {
	res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/readyz", port))
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// eventually waits until ok returns true.
func eventually(ctx context.Context, what string, ok func() bool) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); pause(ctx, 50*time.Millisecond) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if ok() {
			return nil
		}
	}
	return errors.New("waited too long for " + what)
}

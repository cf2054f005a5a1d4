package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ignis-go/ignis/internal/childproc"
)

// patience is the maximum time for a process to become ready.
const patience = 30 * time.Second

// process is a child process that runs only on certain cores.
type process struct {
	name  string
	cmd   *childproc.Cmd
	in    io.WriteCloser
	lines chan string       // lines of standard output, closed when the process has ended
	done  chan struct{}     // closed when it has been reaped
	tap   func(line string) // called with each line of standard error; may be nil

	mu  sync.Mutex
	log []string // the last lines of both outputs
}

// start runs argv in dir on the given cores, such as "0" or "0,1". The environment consists of env, PATH,
// HOME and TMPDIR, so that the environment of bench does not affect the runtime of the process.
func start(name, cores, dir string, env []string, argv ...string) (*process, error) {
	return startTapped(name, cores, dir, nil, env, argv...)
}

// startTapped is like start, and calls tap with each line of standard error.
func startTapped(name, cores, dir string, tap func(string), env []string, argv ...string) (*process, error) {
	p := &process{name: name, lines: make(chan string, 1024), done: make(chan struct{}), tap: tap}
	p.cmd = childproc.Command("taskset", append([]string{"-c", cores}, argv...)...)
	p.cmd.Dir = dir
	for _, keep := range []string{"PATH", "HOME", "TMPDIR"} {
		if v, ok := os.LookupEnv(keep); ok {
			p.cmd.Env = append(p.cmd.Env, keep+"="+v)
		}
	}
	p.cmd.Env = append(p.cmd.Env, env...)
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var readers sync.WaitGroup
	readers.Go(func() { p.read(stdout, true) })
	readers.Go(func() { p.read(stderr, false) })
	go func() {
		defer close(p.done)
		readers.Wait()
		close(p.lines)
		_ = p.cmd.Wait() // processes are usually killed, so the error does not matter
	}()
	return p, nil
}

func (p *process) read(r io.Reader, pass bool) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		p.mu.Lock()
		if p.log = append(p.log, line[:min(len(line), 300)]); len(p.log) > 100 {
			p.log = append(p.log[:0], p.log[50:]...)
		}
		p.mu.Unlock()
		if !pass && p.tap != nil {
			p.tap(line)
		}
		if pass {
			select {
			case p.lines <- line:
			default: // nothing is reading, so drop the line
			}
		}
	}
}

// await waits for a line of standard output that contains prefix, and returns the text after prefix.
func (p *process) await(ctx context.Context, prefix string) (string, error) {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				return "", fmt.Errorf("%s ended unexpectedly:\n%s", p.name, p.output())
			}
			if _, rest, ok := strings.Cut(line, prefix); ok {
				return rest, nil
			}
		case <-timeout.C:
			return "", fmt.Errorf("%s was not ready after %v:\n%s", p.name, patience, p.output())
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.log, "\n")
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// alive returns an error if the process has ended.
func (p *process) alive() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s ended unexpectedly:\n%s", p.name, p.output())
	default:
		return nil
	}
}

// kill kills the process and waits until it has ended.
func (p *process) kill() {
	if p == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.done
}

// signal sends a signal to the process.
func (p *process) signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// startRedis starts a Redis without persistence on the given cores.
func startRedis(ctx context.Context, cores, dir string) (*process, string, error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return nil, "", errors.New("redis-server is not installed")
	}
	port, err := freePort()
	if err != nil {
		return nil, "", err
	}
	p, err := start("redis-server", cores, dir, nil, "redis-server", "--port", strconv.Itoa(port),
		"--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		// Redis must not disconnect slow servers.
		"--client-output-buffer-limit", "pubsub 0 0 0")
	if err != nil {
		return nil, "", err
	}
	if _, err := p.await(ctx, "Ready to accept connections"); err != nil {
		p.kill()
		return nil, "", err
	}
	return p, fmt.Sprintf("redis://127.0.0.1:%d/0", port), nil
}

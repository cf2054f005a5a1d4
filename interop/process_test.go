package interop

import (
	"bufio"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/childproc"
)

// process is a running program, which is stopped when the test ends.
type process struct {
	t    *testing.T
	name string
	cmd  *childproc.Cmd
	in   io.WriteCloser
	out  chan string // lines of its standard output accepted by keep
	done chan struct{}

	exitsAtEOF bool // whether it exits when its input is closed; otherwise, a signal ends it

	calls int // number of requests, for matching the answers

	mu  sync.Mutex
	log []string // all output, for failed tests
}

// start starts a program. Its method next returns the lines of standard output for which keep
// returns true.
func start(t *testing.T, name string, keep func(line string) bool, env []string, argv ...string) *process {
	t.Helper()
	p := &process{t: t, name: name, out: make(chan string, 4096), done: make(chan struct{})}
	p.cmd = childproc.Command(argv[0], argv[1:]...)
	p.cmd.Dir = t.TempDir() // the reference writes its log to the working directory
	p.cmd.Env = append(cleanEnvironment(), env...)
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var readers sync.WaitGroup
	readers.Go(func() { p.read(stdout, keep) })
	readers.Go(func() { p.read(stderr, func(string) bool { return false }) })
	go func() {
		defer close(p.done)
		readers.Wait()
		_ = p.cmd.Wait() // an error is due to a signal or explained by the log
	}()
	t.Cleanup(p.stop)
	return p
}

// cleanEnvironment returns the environment of this process without the variables that
// configure Ignis for Go or the reference.
func cleanEnvironment() []string {
	env := []string{"GORACE=atexit_sleep_ms=0"} // otherwise the race detector sleeps for a second at exit
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "IGNIS_") && !strings.HasPrefix(v, "APP_ENV_") {
			env = append(env, v)
		}
	}
	return env
}

func (p *process) read(r io.Reader, keep func(string) bool) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		p.mu.Lock()
		p.log = append(p.log, line[:min(len(line), 400)])
		p.mu.Unlock()
		if keep(line) {
			p.out <- line
		}
	}
}

// next returns the next line that was kept.
func (p *process) next() string {
	p.t.Helper()
	select {
	case line := <-p.out:
		return line
	case <-p.done:
		p.t.Fatalf("%s ended unexpectedly:\n%s", p.name, p.output())
	case <-time.After(patience):
		p.t.Fatalf("%s printed nothing new; so far:\n%s", p.name, p.output())
	}
	return ""
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.log[max(0, len(p.log)-100):], "\n")
}

// stop ends the process, gracefully if possible, and reports races and panics.
func (p *process) stop() {
	_ = p.in.Close()
	if !p.exitsAtEOF {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Errorf("%s did not end", p.name)
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	out := p.output()
	if strings.Contains(out, "DATA RACE") || strings.Contains(out, "panic:") {
		p.t.Errorf("%s had a data race or panicked", p.name)
	}
	if p.t.Failed() {
		p.t.Logf("%s said:\n%s", p.name, out)
	}
}

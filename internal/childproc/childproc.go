// Package childproc starts processes that end together with the process that started them,
// even if that process is killed, or reaches the time limit of go test and cannot clean up.
// It replaces os/exec in tests, benchmarks and the command ignis sdktest:
//
//	cmd := childproc.Command("redis-server", "--port", "7000")
//	err := cmd.Start()
//
// This relies on the kernel and works on Linux only. On other systems a Cmd behaves like
// an exec.Cmd.
//
// Nothing that runs in production imports this package.
package childproc

import (
	"context"
	"os/exec"
)

// Cmd is an exec.Cmd whose process ends together with this one. After a successful Start,
// Wait must be called.
type Cmd struct {
	*exec.Cmd
	waited chan struct{} // closed when Wait has returned
}

// Command returns a Cmd like exec.Command.
func Command(name string, args ...string) *Cmd {
	return &Cmd{Cmd: exec.Command(name, args...), waited: make(chan struct{})}
}

// CommandContext returns a Cmd like exec.CommandContext.
func CommandContext(ctx context.Context, name string, args ...string) *Cmd {
	return &Cmd{Cmd: exec.CommandContext(ctx, name, args...), waited: make(chan struct{})}
}

// Start starts the process without waiting for it to end.
func (c *Cmd) Start() error {
	c.bind()
	started := make(chan error, 1)
	go onThread(func() {
		err := c.Cmd.Start()
		started <- err
		if err == nil {
			<-c.waited
		}
	})
	return <-started
}

// Wait waits until the process started by Start ends.
func (c *Cmd) Wait() error {
	err := c.Cmd.Wait()
	close(c.waited)
	return err
}

// Run starts the process and waits until it ends.
func (c *Cmd) Run() error {
	_, err := c.run(func() ([]byte, error) { return nil, c.Cmd.Run() })
	return err
}

// Output runs the process and returns its standard output.
func (c *Cmd) Output() ([]byte, error) { return c.run(c.Cmd.Output) }

// CombinedOutput runs the process and returns its standard output and error.
func (c *Cmd) CombinedOutput() ([]byte, error) { return c.run(c.Cmd.CombinedOutput) }

func (c *Cmd) run(f func() ([]byte, error)) (out []byte, err error) {
	c.bind()
	done := make(chan struct{})
	go onThread(func() {
		defer close(done)
		out, err = f()
	})
	<-done
	return out, err
}

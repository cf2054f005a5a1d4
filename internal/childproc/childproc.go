// Package childproc starts processes that end with the one that started them,
// also when that is killed or reaches the time limit of go test and no clean-up
// runs. It takes the place of os/exec in tests and in the comparison:
//
//	cmd := childproc.Command("redis-server", "--port", "7000")
//	err := cmd.Start()
//
// The system does the work, so it holds on Linux only. Elsewhere a Cmd is no
// more than an exec.Cmd.
//
// Only tests and the comparison import this package.
package childproc

import (
	"context"
	"os/exec"
)

// Cmd is an exec.Cmd whose process ends with this one. Whoever calls Start has
// to call Wait.
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

// Start starts the process and does not wait for it.
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

// Wait waits for the process that Start started to end.
func (c *Cmd) Wait() error {
	err := c.Cmd.Wait()
	close(c.waited)
	return err
}

// Run starts the process and waits for it to end.
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

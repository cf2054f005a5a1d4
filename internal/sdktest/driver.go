package sdktest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/ignis-go/ignis/internal/childproc"
)

const (
	// maxLine and maxLines limit what a driver prints in one case.
	maxLine  = 1 << 20
	maxLines = 5_000
	// maxStderr is how much of the end of its standard error is kept.
	maxStderr = 4 << 10
	// maxCommands is the maximum number of commands that a driver has not read yet.
	maxCommands = 4096
	// pipeTime is how long the pipes of a process that has ended are read.
	pipeTime = time.Second
)

// driver is the process that runs the client.
type driver struct {
	commands chan []byte
	stderr   *tail
	done     chan struct{} // closed when the process has ended
}

// errFlood ends the reading of what a driver prints.
var errFlood = errors.New("too much output")

// listener receives what a driver does.
type listener interface {
	line(text []byte) // of standard output
	flooded()         // the driver printed too much, and has been stopped
	ended(error)      // the process has ended; called once
}

// startDriver starts the process. It ends with ctx.
func startDriver(ctx context.Context, command []string, url string, to listener) (*driver, error) {
	ctx, stop := context.WithCancel(ctx)
	d := &driver{commands: make(chan []byte, maxCommands), stderr: new(tail), done: make(chan struct{})}
	cmd := childproc.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "IGNIS_URL="+url)
	cmd.WaitDelay = pipeTime
	lines := &lineWriter{to: to, stop: stop}
	cmd.Stdout, cmd.Stderr = lines, d.stderr
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("start the driver: %w", err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		defer stdin.Close()
		for {
			select {
			case text, ok := <-d.commands:
				if !ok {
					return
				}
				if _, err := stdin.Write(text); err != nil {
					return // the end of the process says why
				}
			case <-ctx.Done():
				return
			}
		}
	})
	go func() {
		defer close(d.done)
		err := cmd.Wait()
		if err == nil && len(lines.rest) > 0 {
			err = fmt.Errorf("its last line has no end: %s", short(string(lines.rest)))
		}
		stop()
		wg.Wait()
		to.ended(err)
	}()
	return d, nil
}

// errors returns the end of what the driver printed to standard error, in lines.
func (d *driver) errors() []string {
	if d == nil {
		return nil
	}
	return d.stderr.lines()
}

// tell sends a command.
func (d *driver) tell(command map[string]any) (text []byte, err error) {
	text, err = json.Marshal(command)
	if err != nil {
		return nil, err
	}
	select {
	case d.commands <- append(text, '\n'):
		return text, nil
	default:
		return nil, fmt.Errorf("the driver has not read %d commands", maxCommands)
	}
}

// lineWriter passes on what is written to it in lines.
type lineWriter struct {
	to    listener
	stop  func() // ends the process
	rest  []byte
	lines int
}

// Write never blocks for long, so the driver can always print.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		line, rest, ok := bytes.Cut(w.rest, []byte("\n"))
		if !ok {
			break
		}
		w.rest = rest
		if w.lines++; w.lines > maxLines || len(line) > maxLine {
			return 0, w.flood()
		}
		w.to.line(bytes.TrimRight(line, "\r"))
	}
	if len(w.rest) > maxLine {
		return 0, w.flood()
	}
	w.rest = bytes.Clone(w.rest)
	return len(p), nil
}

func (w *lineWriter) flood() error {
	w.to.flooded()
	w.stop()
	return errFlood
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - maxStderr; over > 0 {
		t.text = bytes.Clone(t.text[over:])
	}
	return len(p), nil
}

// lines returns the lines that were kept.
func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.TrimSpace(string(t.text))
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

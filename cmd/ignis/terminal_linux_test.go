package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ignis-go/ignis/internal/childproc"
)

// console is a terminal with a program on it.
type console struct {
	t     *testing.T
	file  *os.File
	shown chan string // what the program writes
	text  string      // and what no call has returned yet
}

// newConsole starts a program on a new terminal.
func newConsole(t *testing.T, cmd *childproc.Cmd) *console {
	t.Helper()
	file, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("this system has no terminals: %v", err)
	}
	number := 0
	raw, err := file.SyscallConn()
	if err == nil {
		if control := raw.Control(func(fd uintptr) {
			if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
				number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
			}
			if err == nil {
				err = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 500, Col: 300}) // no pages
			}
		}); control != nil {
			err = control
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty, cmd.SysProcAttr.Setpgid = true, true, false
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = terminal.Close()
	c := &console{t: t, file: file, shown: make(chan string, 1000)}
	read, closed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(read)
		for buffer := make([]byte, 4096); ; {
			n, err := file.Read(buffer)
			if err != nil {
				return
			}
			select {
			case c.shown <- string(buffer[:n]):
			case <-closed:
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		close(closed)
		_ = file.Close()
		<-read
	})
	return c
}

// send types text.
func (c *console) send(text string) {
	c.t.Helper()
	if _, err := c.file.WriteString(text); err != nil {
		c.t.Fatal(err)
	}
}

// until returns what is shown before text.
func (c *console) until(text string) string {
	c.t.Helper()
	timeout := time.After(patience)
	for {
		if before, after, ok := strings.Cut(c.text, text); ok {
			c.text = after
			return before
		}
		select {
		case more := <-c.shown:
			c.text += more
		case <-timeout:
			c.t.Fatalf("the terminal does not show %q, but %q", text, c.text)
		}
	}
}

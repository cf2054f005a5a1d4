package systemd

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Take removes the variables, so that child processes do not use what is not theirs.
func TestTakeRemovesVariables(t *testing.T) {
	pid := strconv.Itoa(os.Getpid())
	env := map[string]string{
		"NOTIFY_SOCKET": "@ignis", "WATCHDOG_USEC": "20000000", "WATCHDOG_PID": pid,
		"LISTEN_PID": pid, "LISTEN_FDS": "0", "LISTEN_FDNAMES": "",
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
	s, err := Take()
	if err != nil || s.Notifier == nil || s.Watchdog != 20*time.Second || len(s.Sockets) != 0 {
		t.Errorf("got %+v, %v", s, err)
	}
	for name := range env {
		if value, ok := os.LookupEnv(name); ok {
			t.Errorf("%s is still %q", name, value)
		}
	}
	if s, err = Take(); err != nil || s.Notifier != nil || s.Watchdog != 0 {
		t.Errorf("without variables: %+v, %v", s, err)
	}
}

// Variables that are meant for another process, such as the parent, are ignored.
func TestTakeIgnoresOthers(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "20000000")
	t.Setenv("WATCHDOG_PID", "1")
	t.Setenv("LISTEN_PID", "1")
	t.Setenv("LISTEN_FDS", "3")
	if s, err := Take(); err != nil || s.Watchdog != 0 || len(s.Sockets) != 0 {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestTakeErrors(t *testing.T) {
	pid := strconv.Itoa(os.Getpid())
	for want, env := range map[string]map[string]string{
		"NOTIFY_SOCKET: expected the path": {"NOTIFY_SOCKET": "vsock:2:1"},
		"WATCHDOG_USEC: expected a number": {"WATCHDOG_USEC": "-1"},
		"LISTEN_FDS: expected the number":  {"LISTEN_PID": pid, "LISTEN_FDS": "x"},
	} {
		for name, value := range env {
			t.Setenv(name, value)
		}
		if _, err := Take(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// What could not be sent is sent by the next call.
func TestNotifierTriesAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n")
	n, err := newNotifier(path)
	if err != nil {
		t.Fatal(err)
	}
	calls := []func() error{n.Ready, func() error { return n.Status("x") }, n.Stopping}
	for _, call := range calls {
		if call() == nil {
			t.Error("no error, although there is no socket")
		}
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i, want := range []string{"READY=1", "STATUS=x", "STOPPING=1"} {
		if err := calls[i](); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 100)
		if size, err := conn.Read(got); err != nil || string(got[:size]) != want {
			t.Errorf("got %q, %v, want %q", got[:size], err, want)
		}
	}
}

// Without a service manager, nothing happens.
func TestNilNotifier(t *testing.T) {
	var n *Notifier
	reported, err := n.Reloading()
	for _, e := range []error{err, n.Ready(), n.Alive(), n.Status("x"), n.Stopping()} {
		if e != nil || reported {
			t.Errorf("got %v, %v", reported, e)
		}
	}
}

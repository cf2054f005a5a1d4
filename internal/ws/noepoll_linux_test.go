//go:build linux && !386 && !s390x

package ws

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/gobwas/ws"
)

// If the pollers cannot be created because no descriptors are free, PollFailed is called
// once, and connections are served without pollers.
func TestNoDescriptorForEpoll(t *testing.T) {
	for spare, want := range []string{"epoll_create1: ", "epoll: "} {
		t.Run(fmt.Sprint(spare), func(t *testing.T) { testNoDescriptor(t, spare, want) })
	}
}

func testNoDescriptor(t *testing.T, spare int, want string) {
	var failed []string
	e := NewEngine(EngineConfig{Threads: 2, PollFailed: func(err error) { failed = append(failed, fmt.Sprint(err)) }})
	t.Cleanup(e.Close)
	opts := defaults()
	opts.Engine = e
	first, second := onePair(t), onePair(t)
	free := nextDescriptor(t)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	few := limit
	few.Cur = uint64(free + spare)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	c := first.conn(&opts)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if now := nextDescriptor(t); now != free {
		t.Errorf("a descriptor was left open: the next one is %d, want %d", now, free)
	}
	other := second.conn(&opts)
	if c.Polled() || other.Polled() || len(failed) != 1 || !strings.HasPrefix(failed[0], want) {
		t.Errorf("polled %v and %v, failures %q", c.Polled(), other.Polled(), failed)
	}
	for c, p := range map[*Conn]pair{c: first, other: second} {
		got := make(chan string, 1)
		l := begin(c, nil, func(b []byte) { got <- string(b) })
		t.Cleanup(func() { c.Abort(CauseAborted); wait(t, l.finished) })
		if _, err := p.peer.Write(masked(ws.OpText, true, "hello")); err != nil {
			t.Fatal(err)
		}
		if m := wait(t, got); m != "hello" {
			t.Errorf("got %q", m)
		}
	}
}

// nextDescriptor returns the number that the next descriptor will get.
func nextDescriptor(t *testing.T) int {
	t.Helper()
	fd, err := syscall.Open("/dev/null", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	_ = syscall.Close(fd)
	return fd
}

// A closed engine does not start pollers.
func TestClosedEngine(t *testing.T) {
	e := NewEngine(EngineConfig{Threads: 1, PollFailed: func(err error) { t.Error(err) }})
	e.Close()
	opts := defaults()
	opts.Engine = e
	p := onePair(t)
	c := p.conn(&opts)
	if c.Polled() || len(e.pollers) > 0 {
		t.Error("it has pollers")
	}
	_ = c.nc.Close()
}

//go:build linux && !386 && !s390x

package ignis_test

import (
	"net"
	"syscall"
	"testing"

	"github.com/ignis-go/ignis"
)

// Without a free descriptor, epoll cannot be used. Clients are served anyway, and the log
// explains the cost.
func TestEpollFails(t *testing.T) {
	n := newNode(t, ignis.Config{})
	<-n.Ready()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ours, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	withoutDescriptors(t, func() { ignis.Adopt(n.Server, theirs) })
	if s := n.Stats(); s.WithoutEpoll != 1 || !n.log.Has(`level=WARN msg="epoll is not available, so connections need more memory and CPU time"`) || !n.log.Has("error=\"epoll") {
		t.Errorf("%d clients are served without epoll; the log:\n%s", s.WithoutEpoll, n.log)
	}
	p := &peer{node: n, conn: ours, r: ours, lines: make(chan string, 8), quit: make(chan struct{})}
	p.pump()
	p.authenticate("ann")
}

// withoutDescriptors calls f while the process cannot open any.
func withoutDescriptors(t *testing.T, f func()) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := limit
	none.Cur = 0
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	f()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
}

//go:build unix

package app

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/ignis-go/ignis/internal/loglimit"
	"github.com/ignis-go/ignis/internal/logtest"
	"github.com/ignis-go/ignis/internal/memnet"
)

// Clients cannot take the last 64 descriptors, and no connection the last 16. Of a very low
// limit, they can take half.
func TestReservedDescriptors(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) }()
	for _, row := range []struct {
		descriptors          uint64
		clients, connections int
	}{{1000, 936, 984}, {100, 50, 84}, {30, 15, 15}} {
		lower := limit
		lower.Cur = row.descriptors
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lower); err != nil {
			t.Fatal(err)
		}
		c := production()
		a, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		if n := a.cfg.Server.MaxClients; n != row.clients || DescriptorLimit() != row.descriptors {
			t.Errorf("%d clients for %d descriptors, want %d for %d", n, DescriptorLimit(), row.clients, row.descriptors)
		}
		if n := newRoomyListener(memnet.Listen(), a.limit).(*roomyListener).limit; n != row.connections {
			t.Errorf("with %d descriptors, connections are refused from descriptor %d", row.descriptors, n)
		}
		c.Server.MaxClients = 7
		if a, err = New(c); err != nil || a.cfg.Server.MaxClients != 7 {
			t.Errorf("a configured limit was replaced, %v", err)
		}
	}
}

// halfConn is the server's end of a connection in memory that can be half closed, like TCP.
type halfConn struct {
	net.Conn
	finished, closed *atomic.Int32 // how many such connections are half closed, and closed
}

func (c halfConn) CloseWrite() error { c.finished.Add(1); return nil }
func (c halfConn) Close() error      { c.closed.Add(1); return c.Conn.Close() }

// A refused connection gets an answer, and is not closed before its request has been read,
// because the answer could be lost. Of those that do not read it, only a few are kept for a
// while, and Close waits for them.
func TestRefusedConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logtest.Log
		in, limit := memnet.Listen(), loglimit.New(textLogger(&log))
		l := newRoomyListener(in, limit).(*roomyListener)
		l.limit = 0 // so that even descriptor 0 is too high
		accepting := start(func() error { _, err := l.Accept(); return err })
		var finished, closed atomic.Int32
		add := func() net.Conn {
			near, far := net.Pipe()
			if err := in.Add(t.Context(), halfConn{near, &finished, &closed}); err != nil {
				t.Fatal(err)
			}
			return far
		}
		peer := add()
		answer, err := http.ReadResponse(bufio.NewReader(peer), nil)
		if err != nil || answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" || !answer.Close {
			t.Fatalf("got %+v, %v", answer, err)
		}
		_ = answer.Body.Close()
		synctest.Wait()
		if finished.Load() != 1 || closed.Load() != 0 {
			t.Error("the connection was closed before its request has been read, or the peer does not see the end of the answer")
		}
		if _, err := io.WriteString(peer, "GET / HTTP/1.1\r\n"); err != nil {
			t.Errorf("the request was not read: %v", err)
		}
		if _, err := peer.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("after the request: %v", err)
		}
		for range acceptReserve / 2 {
			add()
		}
		synctest.Wait()
		if n := closed.Load(); n != 1 {
			t.Errorf("%d of the peers that do not read were not waited for", n-1)
		}
		if _, err := add().Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("one more was not closed at once: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if n := closed.Load(); n != acceptReserve/2+2 || finished.Load() != 1 {
			t.Errorf("after Close, %d connections are closed, and %d got an answer", n, finished.Load())
		}
		if <-accepting.done; !errors.Is(accepting.err, net.ErrClosed) {
			t.Errorf("Accept returned %v", accepting.err)
		}
		if !log.Has("level=ERROR") || !log.Has("running out of descriptors") {
			t.Errorf("logged %s", &log)
		}
	})
}

// Connections are refused because of their descriptors. Those without one are accepted.
func TestRefusedOverTCP(t *testing.T) {
	limit := loglimit.New(slog.New(slog.DiscardHandler))
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newRoomyListener(in, limit).(*roomyListener)
	l.limit = 1
	accepting := start(func() error { _, err := l.Accept(); return err })
	peer, err := net.Dial("tcp", in.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(peer), nil)
	if err != nil || answer.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("got %+v, %v", answer, err)
	}
	_, _ = answer.Body.Close(), peer.Close()
	_ = l.Close()
	<-accepting.done

	memory := memnet.Listen()
	dialing := start(func() error {
		far, err := memory.Dial(t.Context())
		if err == nil {
			_ = far.Close()
		}
		return err
	})
	l.Listener = memory
	if c, err := l.Accept(); err != nil || c == nil {
		t.Errorf("a connection without a descriptor: %v, %v", c, err)
	}
	<-dialing.done
}

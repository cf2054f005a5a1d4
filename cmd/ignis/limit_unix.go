//go:build unix

package main

import (
	"log/slog"
	"math"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/ignis-go/ignis/internal/loglimit"
)

// Descriptors are kept for what must go on when clients have taken all others: for
// the connections to Redis, for probes, and for files.
const (
	// clientReserve is how many fewer clients there may be than descriptors.
	clientReserve = 64
	// acceptReserve is how many are kept even from connections that are no clients
	// yet, such as probes.
	acceptReserve = 16
)

// descriptorLimit returns how many descriptors, and so connections, the process
// may have. The Go runtime has raised the soft limit to the hard one.
func descriptorLimit() uint64 {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	return uint64(l.Cur)
}

// maxClients returns how many clients there is room for; 0: any number.
func maxClients() int {
	limit := int(min(descriptorLimit(), math.MaxInt32))
	return max(limit-clientReserve, limit/2)
}

// roomyListener refuses connections before the process runs out of descriptors.
// Without it they would wait for an answer that does not come.
type roomyListener struct {
	net.Listener
	limit int // the number of a descriptor from which on there is no room
	log   *loglimit.Limiter
	slots chan struct{} // of those that are being refused
	busy  sync.WaitGroup
}

func newRoomyListener(l net.Listener, log *loglimit.Limiter) net.Listener {
	limit := int(min(descriptorLimit(), math.MaxInt32))
	return &roomyListener{
		Listener: l, limit: max(limit-acceptReserve, limit/2), log: log, slots: make(chan struct{}, acceptReserve/2),
	}
}

// Close closes the listener and waits for what is being refused, a second at most.
func (l *roomyListener) Close() error {
	defer l.busy.Wait()
	return l.Listener.Close()
}

// Accept returns the next connection that there is room for. The system gives each
// the lowest number that is free, so a high one says that all below are taken.
func (l *roomyListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil || descriptor(c) < l.limit {
			return c, err
		}
		l.log.Log(slog.LevelError, "connection refused: the process is running out of descriptors; raise its limit (ulimit -n, LimitNOFILE)")
		select {
		case l.slots <- struct{}{}:
			l.busy.Go(func() { l.refuse(c) })
		default:
			_ = c.Close()
		}
	}
}

// refuse answers a connection without reading its request.
func (l *roomyListener) refuse(c net.Conn) {
	defer func() { <-l.slots }()
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	_, err := c.Write([]byte("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
	if tcp, ok := c.(*net.TCPConn); ok && err == nil {
		_ = tcp.CloseWrite()
		// Closing while the request is unread could destroy the answer.
		_, _ = c.Read(make([]byte, maxHeader))
	}
}

// descriptor returns the number of a connection's descriptor.
func descriptor(c net.Conn) (n int) {
	if s, ok := c.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { n = int(fd) }) // if not, it is closed
		}
	}
	return n
}

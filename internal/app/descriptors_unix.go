//go:build unix

package app

import (
	"log/slog"
	"math"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/ignis-go/ignis/internal/loglimit"
)

// Some descriptors are reserved, so that connections to Redis, probes and files still work
// when clients have taken all others.
const (
	// clientReserve is the number of descriptors that clients cannot take.
	clientReserve = 64
	// acceptReserve is the number of descriptors that no incoming connection can take.
	acceptReserve = 16
)

// DescriptorLimit returns the maximum number of descriptors of the process, which also
// limits its connections, or 0 if it is not known. The Go runtime raises the soft limit to
// the hard limit at startup.
func DescriptorLimit() uint64 {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	return uint64(l.Cur)
}

// maxClients returns the number of clients for which there are descriptors, or 0 if that
// is not known.
func maxClients() int {
	limit := int(min(DescriptorLimit(), math.MaxInt32))
	return max(limit-clientReserve, limit/2)
}

// roomyListener refuses connections when the process is about to run out of descriptors.
// Without it, peers would wait for an answer that never comes.
type roomyListener struct {
	net.Listener
	limit int // lowest descriptor that causes a connection to be refused
	log   *loglimit.Limiter
	slots chan struct{}  // limits how many are being refused
	busy  sync.WaitGroup // connections that are being refused
}

func newRoomyListener(l net.Listener, log *loglimit.Limiter) net.Listener {
	limit := int(min(DescriptorLimit(), math.MaxInt32))
	return &roomyListener{
		Listener: l, limit: max(limit-acceptReserve, limit/2), log: log, slots: make(chan struct{}, acceptReserve/2),
	}
}

// Close closes the listener and waits, for at most a second, until all connections that are
// being refused are closed.
func (l *roomyListener) Close() error {
	defer l.busy.Wait()
	return l.Listener.Close()
}

// Accept returns the next connection that does not have to be refused. The system assigns
// the lowest free descriptor, so a high one means that all lower ones are in use.
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

// refuse answers 503 without parsing the request, and closes the connection.
func (l *roomyListener) refuse(c net.Conn) {
	defer func() { <-l.slots }()
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	_, err := c.Write([]byte("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
	if half, ok := c.(interface{ CloseWrite() error }); ok && err == nil {
		_ = half.CloseWrite()
		// Closing with unread data resets the connection, and the answer could be lost.
		_, _ = c.Read(make([]byte, maxHeader))
	}
}

// descriptor returns the descriptor of a connection, or 0 if it has none.
func descriptor(c net.Conn) (n int) {
	if s, ok := c.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { n = int(fd) }) // fails only on a closed connection
		}
	}
	return n
}

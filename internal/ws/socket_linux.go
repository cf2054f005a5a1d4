//go:build linux && !386 && !s390x

package ws

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is a duplicate of the descriptor of a connection made by package net, which closes
// its own descriptor. Nothing else in the process knows the duplicate, so only its owner
// can close it.
//
// Every system call on it holds a reference. The descriptor is closed when the last
// reference is released, and close releases the first one. So while one goroutine is about
// to use the descriptor, no other goroutine can close it, and the kernel cannot reuse its
// number for another connection, which would receive bytes not meant for it.
type socket struct {
	fd     int32
	refs   atomic.Int32
	number int32 // identifies the connection to its poller; not reused for a long time
	poller *poller
}

// pollable reports whether nc is a plain socket. A wrapper may transform the bytes
// and must not be bypassed, so only the exact types of package net qualify.
func pollable(nc net.Conn) bool {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		return true
	}
	return false
}

// duplicate returns a new descriptor for nc.
func duplicate(nc net.Conn) (int, error) {
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	var failed error
	err = raw.Control(func(s uintptr) { fd, failed = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 3) })
	return fd, errors.Join(err, failed)
}

// acquire takes a reference and reports whether it could. It fails if the descriptor
// is closed.
func (s *socket) acquire() bool {
	for {
		n := s.refs.Load()
		if n == 0 {
			return false
		}
		if s.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (s *socket) release() {
	if s.refs.Add(-1) == 0 {
		_ = unix.Close(int(s.fd))
	}
}

// send writes as much as the socket accepts without blocking. If n < len(b) and err is nil,
// the socket is full.
func (s *socket) send(b []byte) (n int, err error) {
	n, err = s.transfer(syscall.SYS_SENDTO, b, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
	if errors.Is(err, errAgain) {
		err = nil
	}
	return n, err
}

// recv reads the available data, or returns errAgain if there is none. At the end of the
// stream it returns 0 without an error.
func (s *socket) recv(b []byte) (n int, err error) {
	return s.transfer(syscall.SYS_RECVFROM, b, syscall.MSG_DONTWAIT)
}

// transfer makes a raw system call, which does not block. A regular system call informs the
// scheduler, and in a loop of thousands of short writes the runtime would keep handing the
// processor to other threads, which doubles the cost.
func (s *socket) transfer(trap uintptr, b []byte, flags uintptr) (int, error) {
	if !s.acquire() {
		return 0, net.ErrClosed
	}
	defer s.release()
	for {
		n, _, errno := syscall.RawSyscall6(trap, uintptr(s.fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, errAgain
		default:
			return 0, errno
		}
	}
}

// await makes the poller call c.ready when there is room to write, which may be now.
func (s *socket) await(c *Conn) {
	if !s.acquire() {
		return
	}
	defer s.release()
	if err := s.poller.control(unix.EPOLL_CTL_MOD, s.fd, s.number, readEvents|unix.EPOLLOUT); err != nil {
		c.Abort(CauseLost)
	}
}

// setSendBuffer sets the size of the kernel's buffer. On failure the socket keeps its
// default.
func (s *socket) setSendBuffer(bytes int) {
	if s.acquire() {
		_ = unix.SetsockoptInt(int(s.fd), unix.SOL_SOCKET, unix.SO_SNDBUF, bytes)
		s.release()
	}
}

// query returns the result of f for the descriptor of the socket. It reports false if the
// descriptor is closed or not known, or if f fails. It allocates memory only for a connection
// of package net.
func (c *Conn) query(f func(fd int) (int, error)) (int, bool) {
	if !c.Polled() {
		n, err := 0, errors.ErrUnsupported
		withDescriptor(c.inner(), func(fd int) { n, err = f(fd) })
		return n, err == nil
	}
	if !c.sock.acquire() {
		return 0, false
	}
	defer c.sock.release()
	n, err := f(int(c.sock.fd))
	return n, err == nil
}

// Indexes into the result of the socket option SO_MEMINFO; see linux/sock_diag.h.
const (
	memInfoReceived = 0
	memInfoQueued   = 5
	memInfoLength   = 9
)

// bufferedBy returns the memory that the kernel uses for data of the socket, in bytes.
func bufferedBy(fd int) (int, error) {
	var info [memInfoLength]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := syscall.RawSyscall6(syscall.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0, errno
	}
	return int(info[memInfoReceived]) + int(info[memInfoQueued]), nil
}

// unsentBy returns how many bytes the peer has yet to confirm.
func unsentBy(fd int) (int, error) {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	// When the connection breaks, the count no longer changes.
	if err != nil || n == 0 || polled(fd, 0)&(unix.POLLERR|unix.POLLHUP) != 0 {
		return 0, err
	}
	return n, nil
}

// incomingOf returns how many bytes have arrived and are not read yet.
func incomingOf(fd int) (int, error) { return unix.IoctlGetInt(fd, unix.SIOCINQ) }

// hungUp reports whether the peer of a connection of package net has closed its side, or
// the connection is broken.
func hungUp(nc net.Conn) (is bool) {
	withDescriptor(nc, func(fd int) {
		is = polled(fd, unix.POLLRDHUP)&(unix.POLLRDHUP|unix.POLLERR|unix.POLLHUP) != 0
	})
	return is
}

func withDescriptor(nc net.Conn, f func(fd int)) {
	if s, ok := nc.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { f(int(fd)) }) // fails only on a closed connection
		}
	}
}

// polled returns which of the given events have occurred, plus the events that poll(2)
// always reports.
func polled(fd int, events int16) int16 {
	state := []unix.PollFd{{Fd: int32(fd), Events: events}}
	if _, err := unix.Poll(state, 0); err != nil {
		return 0
	}
	return state[0].Revents
}

// closeWrite ends the stream to the peer.
func (s *socket) closeWrite() {
	if s.acquire() {
		_ = unix.Shutdown(int(s.fd), unix.SHUT_WR)
		s.release()
	}
}

// close releases the descriptor. It must be called once. If reset is set, unsent data
// is discarded.
func (s *socket) close(reset bool) {
	if reset {
		_ = unix.SetsockoptLinger(int(s.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	s.poller.remove(s.fd)
	s.release()
}

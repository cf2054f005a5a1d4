//go:build linux && !386 && !s390x

package ws

import (
	"net"
	"syscall"
	"unsafe"
)

// rawConn returns access to the socket's descriptor when nc is a plain socket
// that can be read and written without blocking, or nil. Wrappers around a
// connection do something with the bytes and must not be bypassed, so only the
// exact types of package net count.
func rawConn(nc net.Conn) syscall.RawConn {
	var raw syscall.RawConn
	switch c := nc.(type) {
	case *net.TCPConn:
		raw, _ = c.SyscallConn()
	case *net.UnixConn:
		raw, _ = c.SyscallConn()
	}
	return raw
}

// transfer runs one non-blocking system call on a descriptor that
// syscall.RawConn holds open meanwhile, so a close cannot hand the descriptor to
// another connection. The calls are raw: an ordinary one enters the scheduler's
// accounting, and in a loop of thousands of short writes the runtime would keep
// handing the processor to other threads, at twice the cost. They return at once
// (MSG_DONTWAIT).
type transfer struct {
	trap  uintptr
	flags uintptr
	buf   []byte
	n     int
	errno syscall.Errno
}

func (t *transfer) attempt(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall6(t.trap, fd,
			uintptr(unsafe.Pointer(unsafe.SliceData(t.buf))), uintptr(len(t.buf)), t.flags, 0, 0)
		if errno == syscall.EINTR {
			continue
		}
		t.n, t.errno = int(n), errno
		if errno != 0 {
			t.n = 0
		}
		return true
	}
}

// sender sends without blocking. It is for one goroutine.
type sender struct {
	transfer
	try func(fd uintptr) bool // the method value, made once
}

func newSender() *sender {
	s := &sender{transfer: transfer{
		trap:  syscall.SYS_SENDTO,
		flags: syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL,
	}}
	s.try = s.attempt
	return s
}

// send writes what the socket takes at once; n < len(b) without an error means
// that it is full.
func (s *sender) send(raw syscall.RawConn, b []byte) (n int, err error) {
	s.buf = b
	err = raw.Write(s.try)
	s.buf = nil
	switch {
	case err != nil:
		return 0, err
	case s.errno == syscall.EAGAIN:
		return 0, nil
	case s.errno != 0:
		return 0, s.errno
	}
	return s.n, nil
}

// readSocket reads until the stream ends or f fails, and returns why. It holds
// a buffer only while there is something to read. It reads until the socket is
// empty even after a short read: readiness is edge-triggered, and the end of the
// stream may have come with the last bytes.
func readSocket(raw syscall.RawConn, f func([]byte) error) error {
	var failed error
	err := raw.Read(func(fd uintptr) bool {
		buf := readBuffers.Get().(*[readBufferSize]byte)
		defer readBuffers.Put(buf)
		for {
			t := transfer{trap: syscall.SYS_RECVFROM, flags: syscall.MSG_DONTWAIT, buf: buf[:]}
			t.attempt(fd)
			switch {
			case t.errno == syscall.EAGAIN:
				return false
			case t.errno != 0:
				failed = t.errno
				return true
			case t.n == 0:
				failed = errEOF
				return true
			}
			if failed = f(buf[:t.n]); failed != nil {
				return true
			}
		}
	})
	if failed != nil {
		return failed
	}
	return err
}

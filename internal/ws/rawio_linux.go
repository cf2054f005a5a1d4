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

// receiver receives without blocking into a pooled buffer, which it holds only
// while there is something in it. It is for one goroutine.
type receiver struct {
	transfer
	from *[readBufferSize]byte
	try  func(fd uintptr) bool // the method value, made once
}

// receive reports whether there is something to deal with; false makes
// RawConn.Read wait until there is.
func (r *receiver) receive(fd uintptr) bool {
	r.from = readBuffers.Get().(*[readBufferSize]byte)
	r.buf = r.from[:]
	r.attempt(fd)
	if r.n == 0 {
		r.release()
	}
	return r.errno != syscall.EAGAIN
}

func (r *receiver) release() {
	readBuffers.Put(r.from)
	r.from, r.buf = nil, nil
}

// readSocket reads until the stream ends or f fails, and returns why. It holds
// a buffer only while there is something to read. After a short read it tries
// again before it waits: readiness is edge-triggered, and the end of the stream
// may have come with the last bytes. Each try is a RawConn.Read of its own,
// because that is what looks at the deadline: a peer that sends without a pause
// must not keep the reader from noticing that the connection ends. And f runs
// outside it, so that it does not keep the descriptor busy.
func readSocket(raw syscall.RawConn, f func([]byte) error) error {
	r := &receiver{transfer: transfer{trap: syscall.SYS_RECVFROM, flags: syscall.MSG_DONTWAIT}}
	r.try = r.receive
	for {
		switch err := raw.Read(r.try); {
		case err != nil:
			return err
		case r.errno != 0:
			return r.errno
		case r.n == 0:
			return errEOF
		}
		err := f(r.buf[:r.n])
		r.release()
		if err != nil {
			return err
		}
	}
}

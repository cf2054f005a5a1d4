//go:build linux && !386 && !s390x

package ws

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// poller reads from its connections, whichever have something to read, on one
// goroutine. It has an epoll set of its own, so that a connection at rest needs no
// goroutine. While nothing happens on any of them the goroutine is parked by
// the runtime: the set is itself a descriptor that the runtime's own epoll set
// can watch.
//
// Events are hints. They are looked up by descriptor, and one that is late may
// find a newer connection under the same number, which then reads in vain.
type poller struct {
	epfd int
	file *os.File // epfd, as the runtime knows it
	raw  syscall.RawConn

	mu    sync.Mutex
	conns []*Conn // by descriptor
}

const (
	// readEvents are edge-triggered: they tell of what is new.
	readEvents = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET
	// broken are those after which neither reading nor writing waits. With EPOLLRDHUP
	// only the peer's side has ended: it may still read, and be full.
	broken = unix.EPOLLHUP | unix.EPOLLERR
	// hangUp are those with which there is an end of the stream to be read.
	hangUp = unix.EPOLLRDHUP | broken

	maxEvents = 256
)

func newPoller() (*poller, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	if err := unix.SetNonblock(epfd, true); err != nil { // tells os that it can be watched
		_ = unix.Close(epfd)
		return nil, fmt.Errorf("epoll: %w", err)
	}
	p := &poller{epfd: epfd, file: os.NewFile(uintptr(epfd), "epoll")}
	if p.raw, err = p.file.SyscallConn(); err == nil {
		err = p.file.SetDeadline(time.Time{}) // fails where the runtime cannot watch it
	}
	if err != nil {
		_ = p.file.Close()
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return p, nil
}

// stop makes run return, or does what is left of that if it never ran.
func (p *poller) stop() { _ = p.file.Close() }

// adopt takes c's connection over from package net. If that fails all stays as
// it was.
func (p *poller) adopt(c *Conn) {
	fd, err := duplicate(c.nc)
	if err != nil {
		return
	}
	nc := c.nc
	c.nc = nil
	c.sock.fd, c.sock.poller = int32(fd), p
	c.sock.refs.Store(1)
	p.mu.Lock()
	if fd >= len(p.conns) {
		p.conns = append(p.conns, make([]*Conn, fd+1-len(p.conns))...)
	}
	p.conns[fd] = c
	p.mu.Unlock()
	if p.interest(unix.EPOLL_CTL_ADD, c.sock.fd, readEvents) != nil {
		p.forget(c.sock.fd)
		c.sock.release()
		c.nc = nc
		return
	}
	_ = nc.Close()
}

// remove takes a descriptor out, before it is closed.
func (p *poller) remove(fd int32) {
	_ = p.interest(unix.EPOLL_CTL_DEL, fd, 0)
	p.forget(fd)
}

func (p *poller) forget(fd int32) {
	p.mu.Lock()
	p.conns[fd] = nil
	p.mu.Unlock()
}

func (p *poller) interest(op int, fd int32, events uint32) error {
	return unix.EpollCtl(p.epfd, op, int(fd), &unix.EpollEvent{Events: events, Fd: fd})
}

// run deals with events until stop.
func (p *poller) run() {
	var events [maxEvents]unix.EpollEvent
	var n int
	var failed syscall.Errno
	wait := func(uintptr) bool {
		n, failed = p.wait(events[:])
		return n > 0 || failed != 0
	}
	buf := make([]byte, readBufferSize)
	var list, unread []event // unread: there is more than one read could take
	for {
		var err error
		if len(unread) > 0 {
			runtime.Gosched() // nothing below waits, nor lets others run
			err = p.raw.Control(func(uintptr) { n, failed = p.wait(events[:]) })
		} else {
			err = p.raw.Read(wait)
		}
		if err != nil {
			return
		}
		if failed != 0 {
			return // the set is gone: it cannot fail otherwise
		}
		list = append(list[:0], unread...)
		clear(unread) // what is over must not be held on to
		unread = unread[:0]
		list = p.lookUp(list, events[:n])
		for i, ev := range list {
			list[i] = event{}
			if ev.c.ready(ev.flags&(unix.EPOLLIN|hangUp) != 0, ev.flags&(unix.EPOLLOUT|broken) != 0) &&
				ev.c.readSome(buf, ev.flags&hangUp != 0) {
				ev.flags &^= unix.EPOLLOUT // which it has been told
				ev.c.place = int32(len(unread))
				unread = append(unread, ev)
			}
		}
	}
}

type event struct {
	c     *Conn
	flags uint32
}

// lookUp appends events to those of connections that are still to be read from.
// Each has one place in the list: a turn reads from everybody once.
func (p *poller) lookUp(dst []event, events []unix.EpollEvent) []event {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, ev := range events {
		c := p.conns[ev.Fd]
		switch {
		case c == nil:
		case int(c.place) < len(dst) && dst[c.place].c == c:
			dst[c.place].flags |= ev.Events
		default:
			c.place = int32(len(dst))
			dst = append(dst, event{c, ev.Events})
		}
	}
	return dst
}

// wait takes the events that there are.
func (p *poller) wait(events []unix.EpollEvent) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(p.epfd),
			uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
		if errno != syscall.EINTR {
			return int(n), errno
		}
	}
}

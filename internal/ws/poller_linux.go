//go:build linux && !386 && !s390x

package ws

import (
	"encoding/binary"
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
// Events are looked up by descriptor. One that is late may find a newer connection
// there, which has another number.
type poller struct {
	epfd int
	file *os.File // epfd, as the runtime knows it
	raw  syscall.RawConn

	mu      sync.Mutex
	conns   []*Conn // by descriptor
	adopted int32   // the number of the last one
	pushed  []*Conn // to be read from, whether there is an event or not
	wakefd  int     // an eventfd in the set; -1 when the poller is stopped
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

	// lateTurns is how many of the connections that used up their last turn get
	// another one before those are looked at for which there is something new.
	lateTurns = 16
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
	p := &poller{epfd: epfd, file: os.NewFile(uintptr(epfd), "epoll"), wakefd: -1}
	if p.raw, err = p.file.SyscallConn(); err == nil {
		err = p.file.SetDeadline(time.Time{}) // fails where the runtime cannot watch it
	}
	if err == nil {
		p.wakefd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	}
	if err == nil {
		err = p.interest(unix.EPOLL_CTL_ADD, int32(p.wakefd), 0, unix.EPOLLIN|unix.EPOLLET)
	}
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return p, nil
}

// stop makes run return, or does what is left of that if it never ran.
func (p *poller) stop() {
	_ = p.file.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wakefd >= 0 {
		_ = unix.Close(p.wakefd)
		p.wakefd = -1
	}
}

// push has c read from, whether there is an event for it or not.
func (p *poller) push(c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pushed = append(p.pushed, c)
	if len(p.pushed) == 1 && p.wakefd >= 0 {
		_, _ = unix.Write(p.wakefd, binary.NativeEndian.AppendUint64(nil, 1))
	}
}

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
	p.adopted++
	c.sock.number = p.adopted
	p.mu.Unlock()
	if p.interest(unix.EPOLL_CTL_ADD, c.sock.fd, c.sock.number, readEvents) != nil {
		p.forget(c.sock.fd)
		c.sock.release()
		c.nc = nc
		return
	}
	_ = nc.Close()
}

// remove takes a descriptor out, before it is closed.
func (p *poller) remove(fd int32) {
	_ = p.interest(unix.EPOLL_CTL_DEL, fd, 0, 0)
	p.forget(fd)
}

func (p *poller) forget(fd int32) {
	p.mu.Lock()
	p.conns[fd] = nil
	p.mu.Unlock()
}

func (p *poller) interest(op int, fd, number int32, events uint32) error {
	return unix.EpollCtl(p.epfd, op, int(fd), &unix.EpollEvent{Events: events, Fd: fd, Pad: number})
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
	t := turns{buf: make([]byte, readBufferSize)}
	for {
		var err error
		if len(t.late) > 0 {
			runtime.Gosched() // nothing below waits, nor lets others run
			err = p.raw.Control(func(uintptr) { n, failed = p.wait(events[:]) })
		} else {
			err = p.raw.Read(wait)
		}
		if err != nil || failed != 0 {
			return // the set is closed: it cannot fail otherwise
		}
		p.lookUp(&t, events[:n])
		t.take()
	}
}

// lookUp adds the connections that there are events for, or that were pushed.
func (p *poller) lookUp(t *turns, events []unix.EpollEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, ev := range events {
		if int(ev.Fd) >= len(p.conns) {
			continue // wakefd
		}
		if c := p.conns[ev.Fd]; c != nil && c.sock.number == ev.Pad {
			t.fresh = append(t.fresh, event{c, ev.Events})
		}
	}
	for i, c := range p.pushed {
		c.whole = true
		t.add(c)
		p.pushed[i] = nil
	}
	p.pushed = p.pushed[:0]
}

type event struct {
	c     *Conn
	flags uint32
}

// turns is who is read from next. A connection that used up its turn is late: it
// waits for the others that are, while those go first that have something new.
type turns struct {
	fresh []event
	late  []*Conn // each once
	buf   []byte
}

// add makes c late, unless it is.
func (t *turns) add(c *Conn) {
	if !c.late {
		c.late = true
		t.late = append(t.late, c)
	}
}

// take gives a turn to all that are fresh and to the first that are late.
func (t *turns) take() {
	n := min(len(t.late), lateTurns)
	for i, ev := range t.fresh {
		t.fresh[i] = event{} // what is over must not be held on to
		c := ev.c
		read := c.ready(ev.flags&unix.EPOLLIN != 0, ev.flags&(unix.EPOLLOUT|broken) != 0, ev.flags&hangUp != 0)
		c.whole = c.whole || ev.flags&hangUp != 0
		if read && !c.late {
			t.read(c)
		}
	}
	t.fresh = t.fresh[:0]
	for _, c := range t.late[:n] {
		c.late = false
		if c.ready(true, false, false) {
			t.read(c)
		}
	}
	left := copy(t.late, t.late[n:])
	clear(t.late[left:])
	t.late = t.late[:left]
}

// read gives c a turn. If there is more, it is late.
func (t *turns) read(c *Conn) {
	if c.readSome(t.buf, c.whole) {
		t.add(c)
	} else {
		c.whole = false
	}
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

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

// poller reads from all of its connections on one goroutine, as data arrives. It has its
// own epoll set, so an idle connection does not need a goroutine. While nothing happens,
// the runtime parks the poller's goroutine: the set is itself a descriptor that the
// runtime's own epoll set can watch.
//
// Connections are looked up by descriptor. If an event is late, the descriptor may by then
// belong to a newer connection, which has a different number.
type poller struct {
	epfd int
	file *os.File // epfd as a file, so that the runtime can watch it
	raw  syscall.RawConn

	mu      sync.Mutex
	conns   []*Conn // indexed by descriptor
	adopted int32   // number of the latest connection
	pushed  []*Conn // connections to read from even without an event
	wakefd  int     // an eventfd in the set; -1 once the poller is stopped
}

const (
	// readEvents are edge-triggered: only changes are reported.
	readEvents = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET
	// broken are the events after which neither reads nor writes block. EPOLLRDHUP is
	// not one of them: it means only that the peer has stopped sending. The peer may
	// still read, and its socket may be full.
	broken = unix.EPOLLHUP | unix.EPOLLERR
	// hangUp are the events after which reading reaches EOF or an error.
	hangUp = unix.EPOLLRDHUP | broken

	maxEvents = 256

	// lateTurns is how many of the connections that used up their last turn get
	// another one before connections with new events.
	lateTurns = 16
)

func newPoller() (*poller, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	if err := unix.SetNonblock(epfd, true); err != nil { // tells package os that the descriptor can be watched
		_ = unix.Close(epfd)
		return nil, fmt.Errorf("epoll: %w", err)
	}
	p := &poller{epfd: epfd, file: os.NewFile(uintptr(epfd), "epoll"), wakefd: -1}
	if p.raw, err = p.file.SyscallConn(); err == nil {
		err = p.file.SetDeadline(time.Time{}) // fails if the runtime cannot watch it
	}
	if err == nil {
		p.wakefd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	}
	if err == nil {
		err = p.control(unix.EPOLL_CTL_ADD, int32(p.wakefd), 0, unix.EPOLLIN|unix.EPOLLET)
	}
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return p, nil
}

// stop makes run return and releases the poller's descriptors.
func (p *poller) stop() {
	_ = p.file.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wakefd >= 0 {
		_ = unix.Close(p.wakefd)
		p.wakefd = -1
	}
}

// push schedules a read from c even without an event.
func (p *poller) push(c *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pushed = append(p.pushed, c)
	if len(p.pushed) == 1 && p.wakefd >= 0 {
		_, _ = unix.Write(p.wakefd, binary.NativeEndian.AppendUint64(nil, 1))
	}
}

// adopt takes c's connection over from package net. On failure nothing changes.
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
	if p.control(unix.EPOLL_CTL_ADD, c.sock.fd, c.sock.number, readEvents) != nil {
		p.forget(c.sock.fd)
		c.sock.release()
		c.nc = nc
		return
	}
	_ = nc.Close()
}

// remove removes a descriptor. It must be called before the descriptor is closed.
func (p *poller) remove(fd int32) {
	_ = p.control(unix.EPOLL_CTL_DEL, fd, 0, 0)
	p.forget(fd)
}

func (p *poller) forget(fd int32) {
	p.mu.Lock()
	p.conns[fd] = nil
	p.mu.Unlock()
}

func (p *poller) control(op int, fd, number int32, events uint32) error {
	return unix.EpollCtl(p.epfd, op, int(fd), &unix.EpollEvent{Events: events, Fd: fd, Pad: number})
}

// run handles events until stop.
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
			runtime.Gosched() // nothing below blocks or yields
			err = p.raw.Control(func(uintptr) { n, failed = p.wait(events[:]) })
		} else {
			err = p.raw.Read(wait)
		}
		if err != nil || failed != 0 {
			return // the set is closed; it cannot fail for any other reason
		}
		p.lookUp(&t, events[:n])
		t.take()
	}
}

// lookUp adds to t the connections that have events or were pushed.
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

// turns decides which connection is read from next. A connection that has used up its turn
// is late: it queues behind the other late ones, and connections with new events go first.
type turns struct {
	fresh []event
	late  []*Conn // each at most once
	buf   []byte
}

// add makes c late unless it already is.
func (t *turns) add(c *Conn) {
	if !c.late {
		c.late = true
		t.late = append(t.late, c)
	}
}

// take gives a turn to all fresh connections and to the first late ones.
func (t *turns) take() {
	n := min(len(t.late), lateTurns)
	for i, ev := range t.fresh {
		t.fresh[i] = event{} // do not keep finished connections alive
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

// read gives c a turn. If there is more to read, c becomes late.
func (t *turns) read(c *Conn) {
	if c.readSome(t.buf, c.whole) {
		t.add(c)
	} else {
		c.whole = false
	}
}

// wait fetches the available events.
func (p *poller) wait(events []unix.EpollEvent) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(p.epfd),
			uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
		if errno != syscall.EINTR {
			return int(n), errno
		}
	}
}

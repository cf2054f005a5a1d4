// Package flock is a great many WebSocket clients in one thread. It spends as
// little as it can on each message, so that a server can be kept busy from one
// core: sockets of the kernel's without Go's poller, one buffer for all, and messages whose
// numbers are at a fixed place.
//
// A Flock belongs to one goroutine, and nothing happens outside its methods.
package flock

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Config says where a flock connects to.
type Config struct {
	Addr       string // of the server, host:port
	Redis      string // address of a Redis, host:port
	Centrifuge bool   // the server speaks centrifuge's protocol
}

// Flock is the clients of one server, and a publisher on its Redis.
type Flock struct {
	cfg   Config
	to    unix.SockaddrInet4
	epoll int
	redis *publisher
	conns []*conn // by number
	byFD  map[int32]*conn
	buf   []byte
	ready []unix.EpollEvent

	now      time.Time // of the last look at the clock
	last     time.Time // when the last delivery came
	begun    int       // connections under way
	waiting  int       // clients that are not in yet
	live     int       // clients that are in
	closed   int64     // clients that the server closed
	next     uint32    // number of the next message to everyone
	timed    bool      // latencies are kept
	Latency  []uint32  // of deliveries, in microseconds
	Tally              // since the last Reset
	expected int64     // deliveries that are still to come
}

// Tally counts deliveries.
type Tally struct {
	Deliveries, Reordered, Repeated int64
}

// New returns a flock without clients.
func New(c Config) (*Flock, error) {
	to, err := netip.ParseAddrPort(c.Addr)
	if err != nil {
		return nil, err
	}
	f := &Flock{
		cfg: c, byFD: make(map[int32]*conn), now: time.Now(),
		buf: make([]byte, 512<<10), ready: make([]unix.EpollEvent, 512),
	}
	f.to = unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	if f.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if f.redis, err = dialRedis(c.Redis, f.epoll); err != nil {
		return nil, err
	}
	return f, nil
}

// errTimeout is returned by run when nothing has come for too long.
var errTimeout = errors.New("timeout")

// run handles what happens until done says so, until ctx ends, or until nothing
// has come for as long as quiet.
func (f *Flock) run(ctx context.Context, quiet time.Duration, done func() bool) error {
	f.last = time.Now()
	for !done() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := f.poll(20 * time.Millisecond); err != nil {
			return err
		}
		if f.now.Sub(f.last) > quiet {
			return errTimeout
		}
	}
	return nil
}

// poll handles what has happened, or what happens first within the time.
func (f *Flock) poll(wait time.Duration) error {
	// In milliseconds, rounded up: looking again and again would keep the core busy.
	n, err := unix.EpollWait(f.epoll, f.ready, int((wait+time.Millisecond-1)/time.Millisecond))
	f.now = time.Now()
	if err != nil && !errors.Is(err, unix.EINTR) {
		return os.NewSyscallError("epoll_wait", err)
	}
	for _, e := range f.ready[:max(n, 0)] {
		if int(e.Fd) == f.redis.fd {
			if err := f.redis.handle(e.Events); err != nil {
				return err
			}
			continue
		}
		if c := f.byFD[e.Fd]; c != nil {
			f.handle(c, e.Events)
		}
	}
	return nil
}

// pumpUntil handles what happens until the moment.
func (f *Flock) pumpUntil(ctx context.Context, t time.Time) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		left := time.Until(t)
		if left <= 0 {
			return nil
		}
		if err := f.poll(left); err != nil {
			return err
		}
	}
}

// Live returns how many clients are connected, and how many the server closed.
func (f *Flock) Live() (live int, closed int64) { return f.live, f.closed }

// Reset forgets what was counted.
func (f *Flock) Reset() {
	f.Tally, f.Latency, f.closed = Tally{}, f.Latency[:0], 0
}

// Lost ends the count of messages: it returns how many did not come to clients
// that are still connected, and forgets them.
func (f *Flock) Lost() (lost int64) {
	for _, c := range f.conns {
		if c.phase == phaseIn {
			lost += int64(f.next-c.next) + int64(len(c.missing))
		}
		c.next, c.missing = f.next, nil
	}
	f.expected = 0
	return lost
}

// Close closes all connections at once.
func (f *Flock) Close() {
	for fd := range f.byFD {
		_ = unix.Close(int(fd))
	}
	_ = unix.Close(f.redis.fd)
	_ = unix.Close(f.epoll)
}

// describe is an error with how far the flock has come.
func (f *Flock) describe(err error) error {
	return fmt.Errorf("%w: %d of %d clients are in, %d closed, %d deliveries are missing",
		err, f.live, len(f.conns), f.closed, f.expected)
}

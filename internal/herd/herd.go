//go:build linux

package herd

import (
	"context"
	"crypto/ecdh"
	"errors"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ignis-go/ignis/seal"
	"github.com/ignis-go/ignis/wire"
)

// Config says where a herd connects to.
type Config struct {
	Addr string // of the server, address:port or [address]:port
	Host string // that the server is asked for; empty: Addr
	Path string // with the query, if any; empty: /ws
	// Token is what clients authenticate themselves with. Empty: "t".
	Token string
	// Encrypt has each client agree on a key, and open and seal with it. A server
	// that does not do it lets nobody in.
	Encrypt bool
	// Rooms is how many rooms messages are published to, in turn; each client is in
	// one of them. 0: one, the default room, which nobody has to join.
	Rooms int
	// Redis is the address:port of a Redis to publish on, without a password.
	Redis string
	// Publish takes the place of Redis. It must not wait.
	Publish func(room, data string) error
	// Heartbeat is how often each client sends a heartbeat. 0: never.
	Heartbeat time.Duration
	// TimeBursts has Burst keep latencies, too; that costs a fifth of what the herd
	// spends on a delivery.
	TimeBursts bool
	// Tick is called about once a second while something goes on. It may be nil.
	Tick func()

	Centrifuge bool // the server speaks centrifuge's protocol
}

// Herd is the clients of one server, and a publisher on its Redis. Without
// Config.Redis and Config.Publish a client of each room sends what is published
// there, and the server has to relay it.
type Herd struct {
	cfg    Config
	to     unix.Sockaddr
	family int // of its address
	port   int
	epoll  int
	redis  *publisher // nil without Config.Redis
	conns  []*conn    // by number
	byFD   map[int32]*conn
	buf    []byte
	plain  []byte // an opened message
	ready  []unix.EpollEvent

	private *ecdh.PrivateKey // of all clients, with Config.Encrypt

	now      time.Time // of the last look at the clock
	last     time.Time // when the last delivery came, or a client got further in connecting
	begun    int       // connections under way
	waiting  int       // clients that are not in yet
	live     int       // clients that are in
	closed   int64     // clients that the server closed
	rooms    []room    // one or Config.Rooms
	turn     int       // the room of the next message
	timed    bool      // latencies are kept
	ticked   time.Time // when Config.Tick was called last
	beaten   int       // the client that sends the next heartbeat
	expected int64     // deliveries that are still to come

	failures reasons // connections that did not come about
	closes   reasons // clients that the server closed

	Latency Histogram // of deliveries
	Tally             // since the last Reset
}

// room is a room that messages are published to.
type room struct {
	name string
	next uint32 // number of the next message
	live int    // members
}

// Tally counts deliveries. Repeated are those that came again, or that were never
// sent.
type Tally struct {
	Deliveries, Reordered, Repeated int64
}

// New returns a herd without clients.
func New(c Config) (*Herd, error) {
	to, err := netip.ParseAddrPort(c.Addr)
	if err != nil {
		return nil, err
	}
	h := &Herd{
		cfg: c, byFD: make(map[int32]*conn), now: time.Now(), failures: make(reasons), closes: make(reasons),
		buf: make([]byte, 512<<10), ready: make([]unix.EpollEvent, 512),
		port: int(to.Port()), rooms: make([]room, max(1, c.Rooms)),
	}
	h.family, h.to = sockaddr(to)
	if c.Encrypt {
		if h.private, err = seal.NewPrivateKey(); err != nil {
			return nil, err
		}
	}
	h.rooms[0].name = wire.RoomDefault
	for i := range c.Rooms {
		h.rooms[i].name = roomName(i)
	}
	if h.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if c.Redis != "" {
		if h.redis, err = dialRedis(c.Redis, h.epoll); err != nil {
			_ = unix.Close(h.epoll)
			return nil, err
		}
	}
	return h, nil
}

// sockaddr returns an address as the kernel has it, and its family.
func sockaddr(to netip.AddrPort) (family int, sa unix.Sockaddr) {
	if a := to.Addr().Unmap(); a.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(to.Port()), Addr: a.As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
}

// errTimeout is returned by run when nothing has come for too long.
var errTimeout = errors.New("timeout")

// run handles what happens until done says so, until ctx ends, or until for as long
// as quiet no delivery has come that was expected, and no client got further in
// connecting: a server that only pings has nothing more to deliver.
func (h *Herd) run(ctx context.Context, quiet time.Duration, done func() bool) error {
	h.last = time.Now()
	for !done() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := h.poll(20 * time.Millisecond); err != nil {
			return err
		}
		if h.now.Sub(h.last) > quiet {
			return errTimeout
		}
	}
	return nil
}

// poll handles what has happened, or what happens first within the time.
func (h *Herd) poll(wait time.Duration) error {
	// In milliseconds, rounded up: looking again and again would keep the core busy.
	n, err := unix.EpollWait(h.epoll, h.ready, int((wait+time.Millisecond-1)/time.Millisecond))
	h.now = time.Now()
	if since := h.now.Sub(h.ticked); since >= time.Second {
		h.ticked = h.now
		h.beat(min(since, 2*time.Second))
		if h.cfg.Tick != nil {
			h.cfg.Tick()
		}
	}
	if err != nil && !errors.Is(err, unix.EINTR) {
		return os.NewSyscallError("epoll_wait", err)
	}
	for _, e := range h.ready[:max(n, 0)] {
		if h.redis != nil && int(e.Fd) == h.redis.fd {
			if err := h.redis.handle(e.Events); err != nil {
				return err
			}
			continue
		}
		if c := h.byFD[e.Fd]; c != nil {
			h.handle(c, e.Events)
		}
	}
	return nil
}

// beat sends the heartbeats that are due after a time.
func (h *Herd) beat(since time.Duration) {
	if h.cfg.Heartbeat <= 0 {
		return
	}
	for range 1 + int(float64(len(h.conns))*since.Seconds()/h.cfg.Heartbeat.Seconds()) {
		if len(h.conns) == 0 {
			return
		}
		h.beaten = (h.beaten + 1) % len(h.conns)
		if c := h.conns[h.beaten]; c.phase == phaseIn {
			h.send(c, []byte(`{"event":"`+wire.EventHeartbeat+`"}`))
		}
	}
}

// Published returns how many messages were published.
func (h *Herd) Published() (n int64) {
	for _, r := range h.rooms {
		n += int64(r.next)
	}
	return n
}

// Expected returns how many deliveries are still to come.
func (h *Herd) Expected() int64 { return max(0, h.expected) }

// Pump handles what happens for a time.
func (h *Herd) Pump(ctx context.Context, d time.Duration) error {
	return h.pumpUntil(ctx, time.Now().Add(d))
}

// pumpUntil handles what happens until the moment, and what has happened if that is
// over: who sends late has to read all the same.
func (h *Herd) pumpUntil(ctx context.Context, t time.Time) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		// Not for longer: heartbeats are due, and ctx may end.
		if err := h.poll(min(max(0, time.Until(t)), 100*time.Millisecond)); err != nil {
			return err
		}
		if !time.Now().Before(t) {
			return nil
		}
	}
}

// Live returns how many clients are connected, and how many the server closed.
func (h *Herd) Live() (live int, closed int64) { return h.live, h.closed }

// Reset forgets what was counted.
func (h *Herd) Reset() {
	h.Tally, h.Latency, h.closed = Tally{}, Histogram{}, 0
}

// Lost ends the count of messages: it returns how many did not come to clients
// that are still connected, and forgets them.
func (h *Herd) Lost() (lost int64) {
	for _, c := range h.conns {
		if c.phase == phaseIn {
			lost += int64(h.rooms[c.stream].next-c.next) + int64(len(c.missing))
		}
		c.next, c.missing = h.rooms[c.stream].next, nil
	}
	h.expected = 0
	return lost
}

// Close closes all connections at once.
func (h *Herd) Close() {
	for fd := range h.byFD {
		_ = unix.Close(int(fd))
	}
	if h.redis != nil {
		_ = unix.Close(h.redis.fd)
	}
	_ = unix.Close(h.epoll)
}

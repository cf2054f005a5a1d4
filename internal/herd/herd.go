//go:build linux

package herd

import (
	"context"
	"crypto/ecdh"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ignis-go/ignis/seal"
	"github.com/ignis-go/ignis/wire"
)

// Config configures a [Herd].
type Config struct {
	Addr string // address of the server, as address:port or [address]:port
	Host string // Host header of requests; empty means Addr
	Path string // path and query of requests; empty means /ws
	// Token is the token that clients authenticate with. Empty means "t".
	Token string
	// Encrypt makes each client agree on a key with the server, and seal and open messages
	// with it. If the server does not support that, no client can connect.
	Encrypt bool
	// Rooms is the number of rooms to which messages are published in turn. Each client is
	// in one of them. Zero means only the default room, which clients need not join.
	Rooms int
	// Redis is the address:port of a Redis without a password, to which messages are published.
	Redis string
	// Publish is used instead of Redis to publish messages. It must not block.
	Publish func(room, data string) error
	// Heartbeat is the interval between heartbeats of each client. Zero means no heartbeats.
	Heartbeat time.Duration
	// TimeBursts makes Burst measure latencies, which adds about a fifth to the herd's CPU
	// time per delivery.
	TimeBursts bool
	// Tick is called about once per second during calls of methods. It may be nil.
	Tick func()

	Centrifuge bool // whether the server uses centrifuge's protocol
}

// Herd consists of the clients of one server and a publisher on its Redis. Without Config.Redis
// and Config.Publish, one client in each room sends the messages for that room, and the server
// must relay them.
type Herd struct {
	cfg    Config
	to     unix.Sockaddr
	family int // of its address
	port   int
	epoll  int
	redis  *publisher // nil without Config.Redis
	conns  []*conn    // in the order of connecting
	byFD   map[int32]*conn
	buf    []byte
	plain  []byte // an opened message
	ready  []unix.EpollEvent

	private *ecdh.PrivateKey // shared by all clients, set with Config.Encrypt

	now      time.Time // time of the last poll
	last     time.Time // time of the last delivery or progress in connecting
	begun    int       // connections being established
	waiting  int       // clients that are not authenticated yet
	live     int       // authenticated clients that read
	closed   int64     // clients that the server closed
	rooms    []room    // one or Config.Rooms
	turn     int       // room of the next message
	timed    bool      // whether latencies are measured
	ticked   time.Time // time of the last call of Config.Tick
	beaten   int       // client that sent the last heartbeat
	expected int64     // outstanding deliveries

	failures reasons // reasons for failed connections
	closes   reasons // reasons for connections closed by the server

	Latency Histogram // of deliveries
	Tally             // since the last Reset
}

// room is a room that messages are published to.
type room struct {
	name string
	next uint32 // number of the next message
	live int    // members
}

// Tally counts deliveries. Repeated counts those that were duplicates or were never sent.
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

// sockaddr converts an address to the format of system calls, and returns its family.
func sockaddr(to netip.AddrPort) (family int, sa unix.Sockaddr) {
	if a := to.Addr().Unmap(); a.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(to.Port()), Addr: a.As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
}

// errTimeout is returned by run if there was no progress for too long.
var errTimeout = errors.New("timeout")

// run handles events until done returns true or ctx ends. It returns errTimeout if there was no
// expected delivery and no progress in connecting for the duration quiet. Pings do not count,
// because a server that only sends pings has nothing more to deliver.
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

// poll handles pending events, or waits for the first event.
func (h *Herd) poll(wait time.Duration) error {
	// Milliseconds are rounded up, because polling without waiting would keep the core busy.
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

// beat sends the heartbeats that have become due in the given time.
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

// Published returns the number of published messages.
func (h *Herd) Published() (n int64) {
	for _, r := range h.rooms {
		n += int64(r.next)
	}
	return n
}

// Expected returns the number of outstanding deliveries.
func (h *Herd) Expected() int64 { return max(0, h.expected) }

// Pump handles events for the given time.
func (h *Herd) Pump(ctx context.Context, d time.Duration) error {
	return h.pumpUntil(ctx, time.Now().Add(d))
}

// pumpUntil handles events until t. If t has passed, it handles pending events, because a sender
// that is late must still read.
func (h *Herd) pumpUntil(ctx context.Context, t time.Time) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		// Wait only briefly, because heartbeats become due and ctx may end.
		if err := h.poll(min(max(0, time.Until(t)), 100*time.Millisecond)); err != nil {
			return err
		}
		if !time.Now().Before(t) {
			return nil
		}
	}
}

// Live returns the number of connected clients, and of those that the server has closed.
func (h *Herd) Live() (live int, closed int64) { return h.live, h.closed }

// Reset resets the counters and latencies.
func (h *Herd) Reset() {
	h.Tally, h.Latency, h.closed = Tally{}, Histogram{}, 0
}

// Lost returns the number of messages that connected clients did not receive, and stops expecting
// them.
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

// leaveTimeout is the longest time that Leave waits for the server.
const leaveTimeout = 2 * time.Second

// Leave closes the connections of all clients that read with 1000, so that the server does not count
// them as lost, and waits until it has closed them, at most two seconds. Only Close may be called
// afterwards.
func (h *Herd) Leave(ctx context.Context) {
	h.cfg.Tick, h.cfg.Heartbeat = nil, 0
	text := appendFrame(nil, opClose, binary.BigEndian.AppendUint16(nil, closeNormal))
	for _, c := range h.conns {
		if c.phase == phaseIn {
			h.write(c, text)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	_ = h.run(ctx, leaveTimeout, func() bool { return h.live <= 0 }) // Close closes the others
}

// Close closes all connections immediately.
func (h *Herd) Close() {
	for fd := range h.byFD {
		_ = unix.Close(int(fd))
	}
	if h.redis != nil {
		_ = unix.Close(h.redis.fd)
	}
	_ = unix.Close(h.epoll)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/ignis-go/ignis/internal/app"
)

// benchCmd measures a server.
type benchCmd struct {
	URL      string  `name:"url" required:"" placeholder:"URL" help:"WebSocket address of the server, such as ws://127.0.0.1:8080/ws."`
	Clients  count   `default:"1000" placeholder:"N" help:"Clients that connect (${default})."`
	Rooms    count   `default:"1" placeholder:"N" help:"Rooms that the messages go to, in turn (${default}). With 1 that is ws-default, which everybody is in; with more, bench-0000 and so on: each client joins one, and has to be allowed to."`
	Rate     float64 `default:"10" placeholder:"N" help:"Messages a second, in all rooms together, from 0.001 to 100000 (${default})."`
	Burst    count   `placeholder:"N" help:"Instead of a rate: so many messages back to back, and again when all have arrived."`
	Size     count   `default:"128" placeholder:"BYTES" help:"Data of a message (${default}), up to 131072; at least 64 or so are needed. Without --redis the server's --max-payload has to be larger by 32, with --encrypt by a third and 128."`
	Duration period  `default:"30s" placeholder:"TIME" help:"How long messages are sent (${default})."`
	Redis    string  `placeholder:"URL" help:"Redis of the server, to send through as a worker would; ignis serve --help has the forms. Without it a client of each room sends, and the server has to relay what it sends, as it does with --dev. Other users of the machine can read arguments: for a password use --redis-file, or the environment."`
	redisFlags
	Token   string `placeholder:"TOKEN" help:"Token that all clients authenticate with. Other users of the machine can read arguments, but not the environment."`
	Encrypt bool   `help:"Have all clients encrypted, and check that nothing comes in clear; the server needs --encryption."`
	PID     pid    `name:"pid" placeholder:"PID" help:"Process of the server, if it is on this machine: what CPU time and memory it takes is shown as well."`
	JSON    bool   `name:"json" help:"Print the result as one JSON object."`
}

// pid is the number of a process; 0: none was given.
type pid int

// maxPID is the highest that Linux gives a process.
const maxPID = 4<<20 - 1

// UnmarshalText reads a decimal number.
func (p *pid) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 1 || n > maxPID {
		return fmt.Errorf("expected the number of a process, 1 to %d, but got %q", maxPID, text)
	}
	*p = pid(n)
	return nil
}

// Help returns what --help shows below the summary.
func (benchCmd) Help() string {
	return `All clients are in this process, on one thread; for trustworthy figures give the server other processors, as in taskset -c 0 ignis serve and taskset -c 1 ignis bench. Where the result says that this process was busy, it was what limited the rate.

Times are from sending a message to its arrival at each client, through the server and, with --redis, through Redis. Lost is what has not come 5 seconds after the last delivery, to clients that are still connected; reordered is what came behind a later message.

An interrupt ends the measurement early; the result is that so far. It runs on Linux.

Exit codes: 0 everything arrived at everybody; 1 clients could not connect or were closed, or messages were lost.

Examples:

  ignis bench --url ws://127.0.0.1:8080/ws --clients 5000 --redis redis://127.0.0.1:6379

  ignis bench --url ws://127.0.0.1:8080/ws --clients 100 --burst 200 --duration 10s --pid $(pidof ignis)`
}

// spareDescriptors is what the program needs beside its clients.
const spareDescriptors = 32

// Messages a second. With far fewer the time between two has no room in its type.
const minRate, maxRate = 0.001, 100_000.0

// check returns what cannot be done, and the server's URL and address.
func (c *benchCmd) check(ctx context.Context) (u *url.URL, addr string, err error) {
	u, err = url.Parse(c.URL)
	if err != nil || u.Scheme != "ws" || u.Host == "" || u.User != nil {
		return nil, "", usage("behind a proxy that speaks TLS, measure the server itself", "--url: expected an address such as ws://127.0.0.1:8080/ws; wss:// cannot be measured")
	}
	switch limit := app.DescriptorLimit(); {
	case c.Clients < 1 || c.Rooms < 1 || c.Size < 1:
		return nil, "", usage("", "--clients, --rooms and --size: expected numbers of at least 1")
	case c.Size > 128<<10:
		return nil, "", usage("", "--size: expected at most %d bytes", 128<<10)
	case c.Rooms > c.Clients || c.Rooms > 9000:
		return nil, "", usage("", "--rooms: expected no more than there are clients, and at most 9000")
	case !(minRate <= c.Rate && c.Rate <= maxRate): // NaN is not in the range either
		return nil, "", usage("--burst sends as fast as it can", "--rate: expected a number from %v to %v, but got %v", minRate, maxRate, c.Rate)
	case limit > 0 && uint64(c.Clients)+spareDescriptors > limit:
		return nil, "", usage(fmt.Sprintf("ulimit -n %d, or fewer clients", int(c.Clients)+spareDescriptors),
			"--clients: %d need as many descriptors, and this process may have %d", c.Clients, limit)
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil || len(ips) == 0 {
		return nil, "", usage("is the host's name right?", "--url: %w", err)
	}
	p, err := net.LookupPort("tcp", port)
	if err != nil {
		return nil, "", usage("", "--url: %w", err)
	}
	return u, choose(ctx, ips, uint16(p)).String(), nil
}

// choose returns the address of a server that has several: one of IPv4, unless it
// listens on IPv6 only.
func choose(ctx context.Context, ips []netip.Addr, port uint16) netip.AddrPort {
	var v4, v6 netip.AddrPort
	for _, ip := range slices.Backward(ips) { // so that the first of each is kept
		if ip = ip.Unmap(); ip.Is4() {
			v4 = netip.AddrPortFrom(ip, port)
		} else {
			v6 = netip.AddrPortFrom(ip, port)
		}
	}
	if !v6.IsValid() || v4.IsValid() && (listens(ctx, v4) || !listens(ctx, v6)) {
		return v4
	}
	return v6
}

// listens reports whether somebody accepts connections there.
func listens(ctx context.Context, to netip.AddrPort) bool {
	d := net.Dialer{Timeout: 2 * time.Second}
	c, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// benchResult is what was measured. Its JSON form is a promise: fields may be
// added, none goes or changes its meaning.
type benchResult struct {
	Clients             int     `json:"clients"` // asked for
	Connected           int     `json:"connected"`
	ConnectSeconds      float64 `json:"connectSeconds"`
	ConnectsPerSecond   float64 `json:"connectsPerSecond"`
	ClosedBefore        int64   `json:"closedBefore"` // by the server, after connecting
	Closed              int64   `json:"closed"`       // by the server, while it was measured
	Seconds             float64 `json:"seconds"`
	Messages            int64   `json:"messages"`
	Deliveries          int64   `json:"deliveries"`
	DeliveriesPerSecond float64 `json:"deliveriesPerSecond"`
	Lost                int64   `json:"lost"`
	Reordered           int64   `json:"reordered"`
	Repeated            int64   `json:"repeated"`
	LatencyMillis       struct {
		P50  float64 `json:"p50"`
		P99  float64 `json:"p99"`
		P999 float64 `json:"p999"`
		Max  float64 `json:"max"`
	} `json:"latencyMillis"`
	// HerdBusy is how much of the time this process needed a processor, from 0 to 1.
	HerdBusy float64       `json:"herdBusy"`
	Server   *serverResult `json:"server,omitempty"` // with --pid

	EndedEarly string `json:"endedEarly,omitempty"` // why, if it could not go on

	interrupted bool
	failed      error  // EndedEarly as an error
	closes      string // why the server closed clients
	closesHint  string // what to do about most of that
}

// serverResult is what the server took.
type serverResult struct {
	ConnectCPUMicros  float64 `json:"connectCPUMicros"`  // per client
	DeliveryCPUMicros float64 `json:"deliveryCPUMicros"` // per delivery
	CPU               float64 `json:"cpu"`               // processors, while it was measured
	ResidentBytes     float64 `json:"residentBytes"`     // with all clients connected
	ResidentPerClient float64 `json:"residentPerClient"` // bytes, of what it grew by
}

// verdict returns what went wrong, as the program's error.
func (r *benchResult) verdict(viaRedis bool) error {
	var told *exitError
	switch {
	case errors.As(r.failed, &told): // Redis
		return told
	case r.ClosedBefore+r.Closed > 0:
		before := ""
		if r.ClosedBefore > 0 {
			before = fmt.Sprintf(", %d of them before it was measured", r.ClosedBefore)
		}
		return &exitError{
			exitFailed, fmt.Errorf("the server closed %d clients%s: %s", r.ClosedBefore+r.Closed, before, r.closes),
			r.closesHint,
		}
	case r.failed != nil:
		return &exitError{exitFailed, fmt.Errorf("it ended early: %w", r.failed), "is the server still running?"}
	case r.Messages > 0 && r.Deliveries == 0:
		hint := "the server has to relay what a client sends to the room in its data, as it does with --dev; or give --redis"
		if viaRedis {
			hint = "are they the server's Redis and its --prefix? With --rooms, may the clients join rooms named bench-0000 and so on?"
		}
		return &exitError{exitFailed, errors.New("nothing arrived"), hint}
	case r.Lost > 0 || r.Repeated > 0:
		return &exitError{exitFailed, fmt.Errorf("%d deliveries were lost, %d repeated", r.Lost, r.Repeated), ""}
	}
	return nil
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

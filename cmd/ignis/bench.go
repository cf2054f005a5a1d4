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
	URL      string  `name:"url" required:"" placeholder:"URL" help:"WebSocket address of the server, such as ws://127.0.0.1:8080/ws. wss:// is not supported: if a proxy terminates TLS, connect to the server directly."`
	Clients  count   `default:"1000" placeholder:"N" help:"Number of clients (${default})."`
	Rooms    count   `default:"1" placeholder:"N" help:"Number of rooms to which messages are sent in turn (${default}). With 1, this is ws-default, which every client is in. With more, each client joins one of the rooms bench-0000, bench-0001 and so on, and must be allowed to."`
	Rate     float64 `default:"10" placeholder:"N" help:"Messages per second in all rooms together, from 0.001 to 100000 (${default})."`
	Burst    count   `placeholder:"N" help:"Send N messages back to back instead of at a rate, and again when all have arrived."`
	Size     count   `default:"128" placeholder:"BYTES" help:"Bytes of data in a message (${default}), at most 131072. Messages are never smaller than about 64. Without --redis, the server's --max-payload must exceed this by 32 bytes, and with --encrypt by a third and 128 bytes."`
	Duration period  `default:"30s" placeholder:"TIME" help:"Time for which messages are sent (${default})."`
	Redis    string  `placeholder:"URL" help:"Redis of the server, to send through it as a worker would. See ignis serve --help for the forms. Without it, one client in each room sends the messages, and the server must relay them, as it does with --dev. Other users of the machine can read arguments, so for a URL with a password use --redis-file or the environment."`
	redisFlags
	Token   string `placeholder:"TOKEN" help:"Token with which all clients authenticate. Other users of the machine can read arguments, but not the environment."`
	Encrypt bool   `help:"Encrypt messages, and check that none arrives unencrypted. The server must be started with --encryption."`
	PID     pid    `name:"pid" placeholder:"PID" help:"Process ID of the server, if it runs on this machine, to measure its CPU time and memory as well."`
	JSON    bool   `name:"json" help:"Print the result as a JSON object."`
}

// pid is a process ID, or 0 if none was given.
type pid int

// maxPID is the highest process ID on Linux.
const maxPID = 4<<20 - 1

// UnmarshalText parses a decimal number.
func (p *pid) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 1 || n > maxPID {
		return fmt.Errorf("expected a process ID from 1 to %d, but got %q", maxPID, text)
	}
	*p = pid(n)
	return nil
}

// Help returns the text that --help shows below the summary.
func (benchCmd) Help() string {
	return `All clients run in this process, on one thread. For reliable figures, run the server on other processors, as in taskset -c 0 ignis serve and taskset -c 1 ignis bench. If the result says that this process limited the rate, the server may be able to deliver more.

Latency is the time from sending a message until it arrives at a client, through the server and, with --redis, through Redis. A message is lost if it has not arrived at a connected client 5 seconds after the last delivery to any client, and reordered if it arrived after a later message.

An interrupt ends the measurement early and prints the result so far. This command requires Linux.

Exit codes: 0 every message arrived at every client once; 1 clients could not connect or were closed, or messages were lost or repeated; 2 usage error, nothing was done.

Examples:

  ignis bench --url ws://127.0.0.1:8080/ws --clients 5000 --redis redis://127.0.0.1:6379

  ignis bench --url ws://127.0.0.1:8080/ws --clients 100 --burst 200 --duration 10s --pid $(pidof ignis)`
}

// spareDescriptors is the number of file descriptors that the program needs besides those
// of its clients.
const spareDescriptors = 32

// Limits of --rate in messages per second. For much lower rates, the time between two
// messages would overflow a time.Duration.
const minRate, maxRate = 0.001, 100_000.0

// check checks the arguments, and returns the URL and the address of the server.
func (c *benchCmd) check(ctx context.Context) (u *url.URL, addr string, err error) {
	u, err = url.Parse(c.URL)
	if err != nil || u.Scheme != "ws" || u.Host == "" || u.User != nil {
		return nil, "", usage("if a proxy terminates TLS, connect to the server directly", "--url: expected an address such as ws://127.0.0.1:8080/ws; wss:// is not supported")
	}
	switch limit := app.DescriptorLimit(); {
	case c.Clients < 1 || c.Rooms < 1 || c.Size < 1:
		return nil, "", usage("", "--clients, --rooms and --size: expected numbers of at least 1")
	case c.Size > 128<<10:
		return nil, "", usage("", "--size: expected at most %d bytes", 128<<10)
	case c.Rooms > c.Clients || c.Rooms > 9000:
		return nil, "", usage("", "--rooms: expected at most as many as --clients, and at most 9000")
	case !(minRate <= c.Rate && c.Rate <= maxRate): // also rejects NaN
		return nil, "", usage("to send as fast as possible, use --burst", "--rate: expected a number from %v to %v, but got %v", minRate, maxRate, c.Rate)
	case limit > 0 && uint64(c.Clients)+spareDescriptors > limit:
		return nil, "", usage(fmt.Sprintf("run ulimit -n %d first, or use fewer clients", int(c.Clients)+spareDescriptors),
			"--clients: %d clients need as many file descriptors, but this process may open only %d", c.Clients, limit)
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil || len(ips) == 0 {
		return nil, "", usage("check the host name", "--url: %w", err)
	}
	p, err := net.LookupPort("tcp", port)
	if err != nil {
		return nil, "", usage("", "--url: %w", err)
	}
	return u, choose(ctx, ips, uint16(p)).String(), nil
}

// choose returns one of the addresses of a server: the first IPv4 address, unless the
// server listens only on the first IPv6 address.
func choose(ctx context.Context, ips []netip.Addr, port uint16) netip.AddrPort {
	var v4, v6 netip.AddrPort
	for _, ip := range slices.Backward(ips) { // so that the first of each kind remains
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

// listens reports whether a server accepts connections at an address.
func listens(ctx context.Context, to netip.AddrPort) bool {
	d := net.Dialer{Timeout: 2 * time.Second}
	c, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// benchResult is the result of a measurement. Its JSON format is stable: fields may be
// added, but none is removed or changes its meaning.
type benchResult struct {
	Clients             int     `json:"clients"` // --clients
	Connected           int     `json:"connected"`
	ConnectSeconds      float64 `json:"connectSeconds"`
	ConnectsPerSecond   float64 `json:"connectsPerSecond"`
	ClosedBefore        int64   `json:"closedBefore"` // clients closed by the server before messages were sent
	Closed              int64   `json:"closed"`       // clients closed by the server from then on
	Seconds             float64 `json:"seconds"`      // from the first message to the end
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
	// HerdBusy is the share of the time for which this process used a processor, from 0
	// to 1.
	HerdBusy float64       `json:"herdBusy"`
	Server   *serverResult `json:"server,omitempty"` // set with --pid

	EndedEarly string `json:"endedEarly,omitempty"` // the error that ended the measurement, if any

	interrupted bool
	failed      error  // EndedEarly as an error
	closes      string // the reasons why the server closed clients
	closesHint  string // a hint about the most frequent reason
}

// serverResult describes the resources that the server used.
type serverResult struct {
	ConnectCPUMicros  float64 `json:"connectCPUMicros"`  // per client
	DeliveryCPUMicros float64 `json:"deliveryCPUMicros"` // per delivery
	CPU               float64 `json:"cpu"`               // processors used while messages were sent
	ResidentBytes     float64 `json:"residentBytes"`     // memory with all clients connected
	ResidentPerClient float64 `json:"residentPerClient"` // growth of the memory per client, in bytes
}

// verdict returns an error for the worst problem of the measurement, or nil if there is
// none.
func (r *benchResult) verdict(viaRedis bool) error {
	var fromRedis *exitError
	switch {
	case errors.As(r.failed, &fromRedis):
		return fromRedis
	case r.ClosedBefore+r.Closed > 0:
		before := ""
		if r.ClosedBefore > 0 {
			before = fmt.Sprintf(", %d of them before the measurement", r.ClosedBefore)
		}
		return &exitError{
			exitFailed, fmt.Errorf("the server closed %s%s: %s", plural(int(r.ClosedBefore+r.Closed), "client"), before, r.closes),
			r.closesHint,
		}
	case r.failed != nil:
		return &exitError{exitFailed, fmt.Errorf("the measurement ended early: %w", r.failed), "is the server still running?"}
	case r.Messages > 0 && r.Deliveries == 0:
		hint := "start the server with --dev, so that it relays the clients' messages, or use --redis"
		if viaRedis {
			hint = "check that --redis and --prefix are those of the server and, with --rooms, that the clients may join the rooms bench-0000 and so on"
		}
		return &exitError{exitFailed, errors.New("nothing arrived"), hint}
	case r.Lost > 0 || r.Repeated > 0:
		return &exitError{exitFailed, fmt.Errorf("not every message arrived at every client once: lost %d, repeated %d", r.Lost, r.Repeated), ""}
	}
	return nil
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

// herdArgument makes this program run as the herd: it reads orders, which are lines of JSON, from
// standard input, executes them with its clients, and answers each with a report.
const herdArgument = "herd"

// order tells the herd what to do.
type order struct {
	Do       string
	Addr     string // address of the server, host:port
	Protocol string
	Redis    string // URL
	Clients  int
	Encrypt  bool
	Rooms    int // number of rooms, besides the default rooms, among which the clients are distributed
	Size     int // bytes of data
	Count    int // messages
	Window   int // maximum number of messages in flight, 0 if unlimited
	Interval time.Duration
	Duration time.Duration
}

// Kinds of orders.
const (
	doConnect = "connect" // connect Clients clients, and wait until all are in their rooms
	doBurst   = "burst"   // publish Count messages, and wait for their deliveries
	doSteady  = "steady"  // publish a message every Interval for Duration
	doChat    = "chat"    // each client sends a message every Interval for Duration
	doChoke   = "choke"   // connect Clients clients that do not read, and fill their connections
	doCollect = "collect" // wait for Count messages that another process publishes
)

// report is the result of an order.
type report struct {
	Error      string `json:",omitempty"`
	Wall       time.Duration
	Deliveries int64
	Lost       int64
	Reordered  int64
	Repeated   int64
	Closed     int64 // clients closed by the server
	Live       int   // connected clients
	P50, P99   time.Duration
}

// herdProcess is a herd that runs in a separate process on the herd's core.
type herdProcess struct {
	*process
	addr, protocol, redis string
	redisPID              int
}

// startHerd starts a herd for a server.
func (l *lab) startHerd(srv *server) (*herdProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p, err := start("the herd", herdCore, l.dir, []string{"GOMAXPROCS=1", "GOGC=400"}, self, herdArgument)
	if err != nil {
		return nil, err
	}
	return &herdProcess{process: p, addr: srv.addr, protocol: srv.protocol, redis: l.redis, redisPID: l.redisPID}, nil
}

// tell gives an order and waits for the report, without a time limit.
func (h *herdProcess) tell(ctx context.Context, o order) (r report, err error) {
	o.Addr, o.Protocol, o.Redis = h.addr, h.protocol, h.redis
	text, err := json.Marshal(o)
	if err != nil {
		return r, err
	}
	if _, err := h.in.Write(append(text, '\n')); err != nil {
		return r, fmt.Errorf("%w:\n%s", err, h.output())
	}
	select {
	case line, ok := <-h.lines:
		if !ok {
			return r, fmt.Errorf("the herd ended unexpectedly:\n%s", h.output())
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			return r, fmt.Errorf("invalid report %.200q from the herd: %w", line, err)
		}
		if r.Error != "" {
			return r, errors.New("herd: " + r.Error)
		}
		return r, nil
	case <-ctx.Done():
		return r, context.Cause(ctx)
	}
}

// outcome returns an outcome with the counters of the report and no values.
func (r report) outcome(u usage) outcome {
	return outcome{
		Values: make(map[string]float64),
		Lost:   r.Lost, Reordered: r.Reordered, Repeated: r.Repeated, Closed: r.Closed,
		HerdBusy: u.herdBusy, Foreign: u.foreign,
	}
}

// per divides a time by a count and returns seconds. It returns 0 if the count is 0.
func per(d time.Duration, n int64) float64 {
	if n == 0 {
		return 0
	}
	return d.Seconds() / float64(n)
}

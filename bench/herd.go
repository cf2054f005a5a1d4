package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

// herdArgument makes this program the herd: clients that another process of it
// gives orders to, one line of JSON each, and that answers each with a report.
const herdArgument = "herd"

// order is what the herd is told to do.
type order struct {
	Do       string
	Addr     string // of the server, host:port
	Protocol string
	Redis    string // URL
	Clients  int
	Encrypt  bool
	Rooms    int // that the clients are spread over, besides the default rooms
	Size     int // bytes of data
	Count    int // messages
	Window   int // how many of them may be under way; 0: all
	Interval time.Duration
	Duration time.Duration
}

// What can be ordered.
const (
	doConnect = "connect" // Clients, and wait until all are in their rooms
	doBurst   = "burst"   // publish Count messages, and wait until all have come
	doSteady  = "steady"  // publish a message each Interval for Duration
	doChat    = "chat"    // each client sends a message each Interval for Duration
	doChoke   = "choke"   // connect Clients that don't read, and fill their connections
	doCollect = "collect" // wait until Count messages of others have come
)

// report is what came of it.
type report struct {
	Error      string `json:",omitempty"`
	Wall       time.Duration
	Deliveries int64
	Lost       int64
	Reordered  int64
	Repeated   int64
	Closed     int64 // clients
	Live       int   // clients that are left
	P50, P99   time.Duration
}

// herdProcess is a herd as the runner sees it: a process on the herd's core.
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

// tell gives an order and returns the report, which may take as long as it takes.
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
			return r, fmt.Errorf("the herd has ended:\n%s", h.output())
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			return r, fmt.Errorf("the herd said %.200q: %w", line, err)
		}
		if r.Error != "" {
			return r, errors.New("herd: " + r.Error)
		}
		return r, nil
	case <-ctx.Done():
		return r, context.Cause(ctx)
	}
}

// outcome returns the checks of a report as those of a run.
func (r report) outcome(u usage) outcome {
	return outcome{
		Values: make(map[string]float64),
		Lost:   r.Lost, Reordered: r.Reordered, Repeated: r.Repeated, Closed: r.Closed,
		HerdBusy: u.herdBusy, Foreign: u.foreign,
	}
}

// per divides a time by a count, in seconds; by none it is 0.
func per(d time.Duration, n int64) float64 {
	if n == 0 {
		return 0
	}
	return d.Seconds() / float64(n)
}

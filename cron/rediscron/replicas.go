package rediscron

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis/internal/printable"
)

const (
	// maxNodes bounds how many nodes are looked at, and maxWarned of how many the log is told.
	maxNodes  = 1000
	maxWarned = 16
	// lookAgain is after how long a node is looked at again although its connection lasts: it
	// may have got a replica.
	lookAgain = 10 * time.Minute
	// lookSoon is after how long it is looked at again without an answer.
	lookSoon = time.Second
	// maxShown bounds how much of an address or answer is logged.
	maxShown = 512
)

// replicas looks whether nodes that have replicas wait for them: see "With replicas" in the
// package's comment. It does so beside the calls, which do not wait for it.
type replicas struct {
	log     *slog.Logger
	timeout time.Duration // of a look at all nodes
	ctx     context.Context
	stop    context.CancelFunc

	mu      sync.Mutex
	nodes   map[string]*node // by the address that the client dials
	warned  int              // of how many
	next    time.Time        // when one of them is due
	looking bool
	ended   sync.WaitGroup
}

// node is one that the client has connected to. It may be a Sentinel.
type node struct {
	shown     string // its address
	connected time.Time
	looked    time.Time // zero: not since it was connected to
	warned    bool
	denied    bool
}

func newReplicas(log *slog.Logger, timeout time.Duration) *replicas {
	r := &replicas{log: log, timeout: timeout, nodes: make(map[string]*node)}
	r.ctx, r.stop = context.WithCancel(context.Background())
	return r
}

// close ends a look, and allows no other one.
func (r *replicas) close() {
	r.mu.Lock()
	r.stop()
	r.mu.Unlock()
	r.ended.Wait()
}

// connected notes that there is a new connection to a node.
func (r *replicas) connected(addr string, conn net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.nodes[addr]
	if n == nil {
		if len(r.nodes) == maxNodes {
			return
		}
		n = &node{shown: addr}
		if strings.HasPrefix(addr, ":") { // of a Cluster that knows no more
			n.shown = conn.RemoteAddr().String()
		}
		r.nodes[addr] = n
	}
	n.connected, n.looked, r.next = time.Now(), time.Time{}, time.Time{}
}

// look looks at the nodes that are due, if nobody does so already. A call has just been
// answered.
func (r *replicas) look(client rueidis.Client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if r.looking || now.Before(r.next) || r.ctx.Err() != nil {
		return
	}
	due := make(map[string]*node)
	for addr, n := range r.nodes {
		if now.Sub(n.looked) >= lookAgain {
			due[addr] = n
		}
	}
	r.looking, r.next = true, now.Add(lookAgain)
	r.ended.Go(func() {
		ctx, cancel := context.WithTimeout(r.ctx, r.timeout)
		defer cancel()
		nodes := client.Nodes()
		for addr, n := range due {
			c := nodes[addr]
			if c == nil {
				r.unknown(n)
				continue
			}
			info, err := c.Do(ctx, c.B().Info().Section("replication").Build()).ToString()
			r.note(n, info, err, client.Mode() == rueidis.ClientModeSentinel)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.looking = false
	})
}

// unknown notes that a node is none of the client's: not yet, or it is a Sentinel.
func (r *replicas) unknown(n *node) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(n.connected) > r.timeout {
		n.looked = time.Now()
		return
	}
	r.soon()
}

// soon lets nodes that are due be looked at again before long. The caller holds mu.
func (r *replicas) soon() {
	if at := time.Now().Add(lookSoon); at.Before(r.next) {
		r.next = at
	}
}

// note takes a node's answer to INFO replication.
func (r *replicas) note(n *node, info string, err error, bySentinel bool) {
	count, guarded, master := parseReplication(info)
	r.mu.Lock()
	denied, warn := false, false
	if err == nil {
		warn = !n.warned && r.warned < maxWarned && master && !guarded && (count > 0 || bySentinel)
	} else if v, _ := judge(toCheck, rueidis.ClientModeCluster, err); v != works {
		r.soon()
		r.mu.Unlock()
		return
	} else {
		denied = !n.denied
	}
	n.looked, n.denied = time.Now(), n.denied || denied
	if warn {
		n.warned = true
		r.warned++
	}
	r.mu.Unlock()
	switch {
	case denied:
		r.log.Info("redis does not tell this user about its restarts and replicas: a restart that lost grants is not noticed, "+
			"and min-replicas-to-write is not checked; allow INFO", "redis", shown(n.shown), "error", shown(err.Error()))
	case warn:
		r.log.Warn("redis has replicas and takes writes without them, so an instant may run twice: a master that is cut off "+
			"goes on granting what its successor grants, too; set min-replicas-to-write to 1 or more (it or min-replicas-max-lag is 0), "+
			"and min-replicas-max-lag to less than a failover takes", "redis", shown(n.shown), "replicas", count)
	}
}

// parseReplication reads the answer to INFO replication. Redis names the good replicas if
// min-replicas-to-write and min-replicas-max-lag are both set.
func parseReplication(info string) (replicas int, guarded, master bool) {
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "role":
			master = value == "master"
		case "connected_slaves":
			replicas, _ = strconv.Atoi(value)
		case "min_slaves_good_slaves":
			guarded = true
		}
	}
	return replicas, guarded, master
}

func shown(text string) string { return printable.Text(text, maxShown) }

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
	// maxNodes is how many nodes are checked, and maxWarned how many are logged.
	maxNodes  = 1000
	maxWarned = 16
	// lookAgain is the interval at which a node is checked while its connection lasts,
	// because it may have gained a replica.
	lookAgain = 10 * time.Minute
	// lookSoon is the pause before a node that did not answer is checked again.
	lookSoon = time.Second
	// maxShown limits how much of an address or answer is logged.
	maxShown = 512
)

// replicas checks whether nodes that have replicas wait for them; see "With replicas"
// in the package documentation. It does so concurrently with the calls, which do not
// wait for it.
type replicas struct {
	log     *slog.Logger
	timeout time.Duration // limits a check of all nodes
	ctx     context.Context
	stop    context.CancelFunc

	mu      sync.Mutex
	nodes   map[string]*node // by the address that the client dials
	warned  int              // number of nodes that were warned about
	next    time.Time        // when the next node is due
	looking bool
	ended   sync.WaitGroup
}

// node is a node that the client has connected to. It may be a Sentinel.
type node struct {
	shown     string // the node's address
	connected time.Time
	looked    time.Time // when it was last checked; zero if not since the latest connection
	warned    bool
	denied    bool
}

func newReplicas(log *slog.Logger, timeout time.Duration) *replicas {
	r := &replicas{log: log, timeout: timeout, nodes: make(map[string]*node)}
	r.ctx, r.stop = context.WithCancel(context.Background())
	return r
}

// close ends a check and prevents further ones.
func (r *replicas) close() {
	r.mu.Lock()
	r.stop()
	r.mu.Unlock()
	r.ended.Wait()
}

// connected records a new connection to a node.
func (r *replicas) connected(addr string, conn net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.nodes[addr]
	if n == nil {
		if len(r.nodes) == maxNodes {
			return
		}
		n = &node{shown: addr}
		if strings.HasPrefix(addr, ":") { // of a Cluster whose nodes are named by port only
			n.shown = conn.RemoteAddr().String()
		}
		r.nodes[addr] = n
	}
	n.connected, n.looked, r.next = time.Now(), time.Time{}, time.Time{}
}

// look checks the nodes that are due, unless a check is running. It is called right
// after an answer to a call.
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

// unknown handles a node that the client does not list, because it does not know the node
// yet or because the node is a Sentinel.
func (r *replicas) unknown(n *node) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(n.connected) > r.timeout {
		n.looked = time.Now()
		return
	}
	r.soon()
}

// soon schedules another check of the nodes that are due. The caller holds mu.
func (r *replicas) soon() {
	if at := time.Now().Add(lookSoon); at.Before(r.next) {
		r.next = at
	}
}

// note handles a node's answer to INFO replication.
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
		r.log.Info("redis does not tell this user about its restarts and replicas: a restart that lost grants is not detected, "+
			"and min-replicas-to-write is not checked; allow INFO", "redis", shown(n.shown), "error", shown(err.Error()))
	case warn:
		r.log.Warn("redis has replicas and accepts writes without them, so an instant may run twice: a master that is cut off "+
			"continues to grant instants that its successor grants too; set min-replicas-to-write to 1 or more (it or min-replicas-max-lag is 0), "+
			"and min-replicas-max-lag to less than a failover takes", "redis", shown(n.shown), "replicas", count)
	}
}

// parseReplication parses the answer to INFO replication. Redis reports the good
// replicas if min-replicas-to-write and min-replicas-max-lag are both set.
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

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
	looking bool
	ended   sync.WaitGroup
}

// node is one that the client has connected to.
type node struct {
	shown  string    // its address
	looked time.Time // zero: not since it was connected to, or without an answer
	warned bool
	denied bool
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

// connected notes that there is a new connection to a node, or to a Sentinel.
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
	n.looked = time.Time{}
}

// look looks at the nodes that are due, if nobody does so already. A call has just been
// answered.
func (r *replicas) look(client rueidis.Client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.looking || r.ctx.Err() != nil {
		return
	}
	due := make(map[string]*node)
	for addr, n := range r.nodes {
		if time.Since(n.looked) >= lookAgain {
			due[addr], n.looked = n, time.Now()
		}
	}
	if len(due) == 0 {
		return
	}
	r.looking = true
	r.ended.Go(func() {
		ctx, cancel := context.WithTimeout(r.ctx, r.timeout)
		defer cancel()
		for addr, c := range client.Nodes() {
			if n := due[addr]; n != nil {
				info, err := c.Do(ctx, c.B().Info().Section("replication").Build()).ToString()
				r.note(n, info, err, client.Mode() == rueidis.ClientModeSentinel)
			}
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.looking = false
	})
}

// note takes a node's answer to INFO replication.
func (r *replicas) note(n *node, info string, err error, bySentinel bool) {
	count, guarded, master := parseReplication(info)
	r.mu.Lock()
	denied, warn := false, false
	if err == nil {
		warn = !n.warned && r.warned < maxWarned && master && !guarded && (count > 0 || bySentinel)
	} else if v, _ := judge(toCheck, rueidis.ClientModeCluster, err); v == works {
		denied = !n.denied
	} else {
		n.looked = time.Time{}
	}
	if n.denied = n.denied || denied; warn {
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

package bustest

import (
	"context"
	"errors"
	"sync"

	"github.com/ignis-go/ignis"
)

// ErrNotRunning is returned by the buses of [NewCluster] while they are not running.
var ErrNotRunning = errors.New("bustest: bus is not running")

// NewCluster returns connected buses for n nodes. Messages between running nodes are never
// lost; those that a node has not received yet are kept in memory without a limit. Each bus
// also implements [ignis.BusMonitor], and may run again after its Run has returned.
func NewCluster(n int) []ignis.Bus {
	h := &hub{running: make(map[*node]struct{})}
	buses := make([]ignis.Bus, n)
	for i := range buses {
		buses[i] = &node{hub: h, wake: make(chan struct{}, 1)}
	}
	return buses
}

// hub is the state shared by the nodes of a cluster. Its lock establishes an order of envelopes
// that is the same for every node.
type hub struct {
	mu      sync.Mutex
	running map[*node]struct{}
}

type node struct {
	hub     *hub
	wake    chan struct{} // has an element if pending may not be empty
	pending [][]byte      // guarded by hub.mu
}

// Publish gives each running node its own copy, so that a node cannot change what another one
// receives.
func (n *node) Publish(_ string, envelope []byte) error {
	n.hub.mu.Lock()
	defer n.hub.mu.Unlock()
	if _, ok := n.hub.running[n]; !ok {
		return ErrNotRunning
	}
	for to := range n.hub.running {
		to.pending = append(to.pending, append([]byte{}, envelope...))
		select {
		case to.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

func (n *node) Run(ctx context.Context, ready func(), receive func(...[]byte)) error {
	n.hub.mu.Lock()
	if _, ok := n.hub.running[n]; ok {
		n.hub.mu.Unlock()
		return errors.New("bustest: bus is already running")
	}
	n.hub.running[n] = struct{}{}
	n.hub.mu.Unlock()
	defer func() {
		n.hub.mu.Lock()
		defer n.hub.mu.Unlock()
		delete(n.hub.running, n)
		n.pending = nil
	}()
	ready()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-n.wake:
		}
		n.hub.mu.Lock()
		batch := n.pending
		n.pending = nil
		n.hub.mu.Unlock()
		if ctx.Err() != nil {
			return nil
		}
		receive(batch...)
	}
}

// Health implements [ignis.BusMonitor].
func (n *node) Health() error {
	n.hub.mu.Lock()
	defer n.hub.mu.Unlock()
	if _, ok := n.hub.running[n]; !ok {
		return ErrNotRunning
	}
	return nil
}

// Lost implements [ignis.BusMonitor]. It returns 0, because nothing is ever lost.
func (n *node) Lost() uint64 { return 0 }

var _ ignis.BusMonitor = (*node)(nil)

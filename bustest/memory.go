package bustest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// ErrNotRunning is returned by the buses of [NewCluster] while they are not running.
var ErrNotRunning = errors.New("bustest: bus is not running")

// NewCluster returns connected buses for n nodes. Messages between running nodes are never
// lost; those that a node has not received yet are kept in memory without a limit. Each bus
// also implements [ignis.BusMonitor] and [ignis.CommandBus], and may run again after its Run
// has returned.
func NewCluster(n int) []ignis.Bus {
	h := &hub{running: make(map[*node]struct{}), receiving: make(map[*node]struct{}), stored: make(map[string]time.Time)}
	buses := make([]ignis.Bus, n)
	for i := range buses {
		buses[i] = &node{hub: h, wake: make(chan struct{}, 1), wakeCommands: make(chan struct{}, 1)}
	}
	return buses
}

// hub is the state shared by the nodes of a cluster. Its lock establishes an order of envelopes
// that is the same for every node.
type hub struct {
	mu      sync.Mutex
	running map[*node]struct{}

	receiving map[*node]struct{}   // nodes whose ReceiveCommands runs
	stored    map[string]time.Time // commands, and when they are forgotten
}

type node struct {
	hub     *hub
	wake    chan struct{} // has an element if pending may not be empty
	pending [][]byte      // guarded by hub.mu

	wakeCommands chan struct{} // has an element if commands may not be empty
	commands     [][]byte      // guarded by hub.mu
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

// SendCommands implements [ignis.CommandBus].
func (n *node) SendCommands(ctx context.Context, commands ...wire.EncodedCommand) error {
	n.hub.mu.Lock()
	defer n.hub.mu.Unlock()
	if _, ok := n.hub.running[n]; !ok {
		return ErrNotRunning
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, c := range commands {
		if !c.Until.IsZero() {
			n.hub.stored[string(c.Text)] = c.Until
		}
		for to := range n.hub.receiving {
			to.commands = append(to.commands, slices.Clone(c.Text))
			select {
			case to.wakeCommands <- struct{}{}:
			default:
			}
		}
	}
	return nil
}

// ReceiveCommands implements [ignis.CommandBus].
func (n *node) ReceiveCommands(ctx context.Context, stored, sent func(...[]byte)) error {
	n.hub.mu.Lock()
	if _, ok := n.hub.receiving[n]; ok {
		n.hub.mu.Unlock()
		return errors.New("bustest: ReceiveCommands is already running")
	}
	n.hub.receiving[n] = struct{}{}
	now := time.Now()
	maps.DeleteFunc(n.hub.stored, func(_ string, until time.Time) bool { return !until.After(now) })
	var all [][]byte
	for text := range n.hub.stored {
		all = append(all, []byte(text))
	}
	n.hub.mu.Unlock()
	defer func() {
		n.hub.mu.Lock()
		defer n.hub.mu.Unlock()
		delete(n.hub.receiving, n)
		n.commands = nil
	}()
	if ctx.Err() != nil {
		return nil
	}
	stored(all...)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-n.wakeCommands:
		}
		n.hub.mu.Lock()
		batch := n.commands
		n.commands = nil
		n.hub.mu.Unlock()
		if ctx.Err() != nil {
			return nil
		}
		if len(batch) > 0 {
			sent(batch...)
		}
	}
}

var (
	_ ignis.BusMonitor = (*node)(nil)
	_ ignis.CommandBus = (*node)(nil)
)

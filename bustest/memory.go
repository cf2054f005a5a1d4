package bustest

import (
	"context"
	"errors"
	"maps"
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
	h := &hub{stored: make(map[string]time.Time)}
	buses := make([]ignis.Bus, n)
	for i := range buses {
		to := &node{hub: h, envelopes: newMailbox(h), commands: newMailbox(h)}
		h.nodes = append(h.nodes, to)
		buses[i] = to
	}
	return buses
}

// hub is the state shared by the nodes of a cluster. Its lock establishes an order of envelopes
// that is the same for every node.
type hub struct {
	nodes []*node

	mu     sync.Mutex
	stored map[string]time.Time // commands, and when they are forgotten
}

type node struct {
	hub       *hub
	envelopes *mailbox // open while Run runs
	commands  *mailbox // open while ReceiveCommands runs
}

// mailbox holds what a node has yet to receive.
type mailbox struct {
	hub  *hub
	wake chan struct{} // has an element if pending may not be empty

	open    bool     // guarded by hub.mu
	pending [][]byte // guarded by hub.mu
}

func newMailbox(h *hub) *mailbox { return &mailbox{hub: h, wake: make(chan struct{}, 1)} }

// putLocked puts a copy of text into an open mailbox, so that a node cannot change what another
// one receives.
func (m *mailbox) putLocked(text []byte) {
	if !m.open {
		return
	}
	m.pending = append(m.pending, append([]byte{}, text...))
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// deliver calls receive with what arrives until ctx is done.
func (m *mailbox) deliver(ctx context.Context, receive func(...[]byte)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.wake:
		}
		m.hub.mu.Lock()
		batch := m.pending
		m.pending = nil
		m.hub.mu.Unlock()
		if ctx.Err() != nil {
			return
		}
		if len(batch) > 0 {
			receive(batch...)
		}
	}
}

// close makes the mailbox accept nothing, and empties it.
func (m *mailbox) close() {
	m.hub.mu.Lock()
	defer m.hub.mu.Unlock()
	m.open, m.pending = false, nil
}

// Publish gives each running node its own copy.
func (n *node) Publish(_ string, envelope []byte) error {
	n.hub.mu.Lock()
	defer n.hub.mu.Unlock()
	if !n.envelopes.open {
		return ErrNotRunning
	}
	for _, to := range n.hub.nodes {
		to.envelopes.putLocked(envelope)
	}
	return nil
}

func (n *node) Run(ctx context.Context, ready func(), receive func(...[]byte)) error {
	n.hub.mu.Lock()
	if n.envelopes.open {
		n.hub.mu.Unlock()
		return errors.New("bustest: bus is already running")
	}
	n.envelopes.open = true
	n.hub.mu.Unlock()
	defer n.envelopes.close()
	ready()
	n.envelopes.deliver(ctx, receive)
	return nil
}

// Health implements [ignis.BusMonitor].
func (n *node) Health() error {
	n.hub.mu.Lock()
	defer n.hub.mu.Unlock()
	if !n.envelopes.open {
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
	if !n.envelopes.open {
		return ErrNotRunning
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, c := range commands {
		if !c.Until.IsZero() {
			n.hub.stored[string(c.Text)] = c.Until
		}
		for _, to := range n.hub.nodes {
			to.commands.putLocked(c.Text)
		}
	}
	return nil
}

// ReceiveCommands implements [ignis.CommandBus].
func (n *node) ReceiveCommands(ctx context.Context, stored, sent func(...[]byte)) error {
	n.hub.mu.Lock()
	if n.commands.open {
		n.hub.mu.Unlock()
		return errors.New("bustest: ReceiveCommands is already running")
	}
	n.commands.open = true
	now := time.Now()
	maps.DeleteFunc(n.hub.stored, func(_ string, until time.Time) bool { return !until.After(now) })
	var all [][]byte
	for text := range n.hub.stored {
		all = append(all, []byte(text))
	}
	n.hub.mu.Unlock()
	defer n.commands.close()
	if ctx.Err() != nil {
		return nil
	}
	stored(all...)
	n.commands.deliver(ctx, sent)
	return nil
}

var (
	_ ignis.BusMonitor = (*node)(nil)
	_ ignis.CommandBus = (*node)(nil)
)

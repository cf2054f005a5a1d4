package enforce

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/ignis-go/ignis/access"
)

// Stats is a snapshot of a policy's metrics. Counters start at zero when the policy is
// created.
type Stats struct {
	Joins        uint64                   // rooms that clients were allowed to join
	AskedJoins   uint64                   // rooms that WebhookRooms was asked about
	RefusedJoins map[access.Reason]uint64 // rooms that the rules refused

	Relayed         uint64                   // messages sent to rooms
	ToWebhook       uint64                   // messages passed to WebhookMessage
	Others          uint64                   // messages passed to OnMessage because they name no room
	RefusedMessages map[access.Reason]uint64 // messages that were refused, except by callbacks
}

// counters are the numbers behind Stats.
type counters struct {
	joins, askedJoins, relayed, toWebhook, others atomic.Uint64
	refusedJoins, refusedMessages                 reasons
}

// reasons counts refusals by reason.
type reasons struct {
	mu    sync.Mutex
	count map[access.Reason]uint64
}

func (r *reasons) add(reason access.Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count == nil {
		r.count = make(map[access.Reason]uint64)
	}
	r.count[reason]++
}

func (r *reasons) snapshot() map[access.Reason]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.count)
}

// Stats returns a snapshot of the policy's metrics.
func (p *Policy) Stats() Stats {
	n := &p.stats
	return Stats{
		Joins: n.joins.Load(), AskedJoins: n.askedJoins.Load(), RefusedJoins: n.refusedJoins.snapshot(),
		Relayed: n.relayed.Load(), ToWebhook: n.toWebhook.Load(), Others: n.others.Load(),
		RefusedMessages: n.refusedMessages.snapshot(),
	}
}

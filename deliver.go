package ignis

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ignis-go/ignis/internal/ws"
	"github.com/ignis-go/ignis/wire"
)

// outgoing is a message on its way to clients. It is encoded once for each version of
// the protocol, and only for versions that somebody who gets it speaks.
type outgoing struct {
	wire.Message            // what clients of protocol 2 get
	key          string     // see Key
	slow         SlowPolicy // for clients that are behind
}

// frame encodes the message for the version of the protocol.
func (o outgoing) frame(protocol uint8) *ws.Message {
	m := o.Message
	if protocol < 2 {
		m.Room, m.From = "", wire.Sender{}
	}
	return frame(m).Under(ws.Policy(o.slow), o.key)
}

// differs reports whether clients of protocol 2 get another frame.
func (o outgoing) differs() bool { return o.Room != "" || o.From != (wire.Sender{}) }

// frame encodes a message once for all who get it.
func frame(m wire.Message) *ws.Message {
	return ws.Text(wire.MessageSize(m), func(dst []byte) []byte { return wire.AppendMessage(dst, m) })
}

// batch is messages that are encoded for one version of the protocol, at first use.
type batch struct {
	frames []*ws.Message
	one    [1]*ws.Message // what frames refers to, where it is one
}

func (b *batch) encode(messages []outgoing, protocol uint8, join bool) {
	b.frames = b.one[:0]
	if len(messages) > 1 {
		b.frames = make([]*ws.Message, 0, len(messages))
	}
	for _, m := range messages {
		b.frames = append(b.frames, m.frame(protocol))
	}
	if join && len(messages) > 1 {
		b.frames = append(b.one[:0], ws.Join(b.frames...))
	}
}

// deliver queues messages for every client here that they are for. Local messages and
// those from the bus meet here. It keeps neither slice, and returns how many clients the
// messages were for.
func (s *Server) deliver(to Address, exclude []string, messages ...outgoing) (recipients int) {
	list := targets.Get().(*[]*session)
	defer func() {
		clear(*list) // keep no client alive
		*list = (*list)[:0]
		targets.Put(list)
	}()
	switch to.Type {
	case wire.TypeClient:
		if member, ok := s.reg.Get(to.Name); ok && member.Active() {
			*list = append(*list, member.Value)
		}
	case wire.TypeUser:
		*list = s.reg.AppendUser(*list, to.Name)
	case wire.TypeRoom:
		*list = s.reg.AppendRoom(*list, to.Name)
	case wire.TypeBroadcast:
		*list = s.reg.AppendActive(*list)
	}
	var batches [2]batch // by version of the protocol
	differs := slices.ContainsFunc(messages, outgoing.differs)
	except := newIDSet(exclude)
	queued := 0
	for _, c := range *list {
		if except.has(c.member.ID) {
			continue
		}
		recipients++
		b, protocol := &batches[0], uint8(1)
		if differs && c.protocol > 1 {
			b, protocol = &batches[1], c.protocol
		}
		if b.frames == nil {
			b.encode(messages, protocol, len(*list) > 1)
		}
		parked := c.parked.Load()
		for _, m := range b.frames {
			if parked != nil && to.Type == wire.TypeRoom && parked.keep(c, to.Name, m, messages[0].slow) {
				continue
			}
			t := c.conn.Enqueue(m)
			queued += t.Queued
			c.dropped(t, messages[0].slow) // the same for all, as to is
		}
	}
	s.counts.sent.Add(uint64(queued)) // once, not for each: the counter is everybody's
	return recipients
}

// targets holds the slices that deliver collects clients in, so that the
// registry's locks are free while messages are queued.
var targets = sync.Pool{New: func() any { return new([]*session) }}

// enqueued counts what became of the protocol's own messages for one client.
func (c *session) enqueued(t ws.Tally) {
	s := c.server
	s.counts.sent.Add(uint64(t.Queued))
	c.dropped(t, SlowDisconnect)
}

// Why a client did not get messages: the keys of Stats.Dropped.
const (
	droppedFull     = "backpressure"
	droppedOldest   = "oldest"
	droppedReplaced = "replaced"
	droppedClosing  = "connection closing"
	droppedSealing  = "seal failed"
	droppedLarge    = "too large to seal"
)

// dropped counts what one client will not get, and logs why.
func (c *session) dropped(t ws.Tally, slow SlowPolicy) {
	s := c.server
	if t == (ws.Tally{Queued: t.Queued}) {
		return
	}
	for _, d := range []struct {
		messages int
		reason   string
		counter  *atomic.Uint64
	}{
		{t.Full, droppedFull, &s.counts.droppedFull},
		{t.Oldest, droppedOldest, &s.counts.droppedOldest},
		{t.Replaced, droppedReplaced, &s.counts.droppedReplaced},
		{t.Closing, droppedClosing, &s.counts.droppedClosing},
		{t.Large, droppedLarge, &s.counts.droppedLarge},
	} {
		if d.messages > 0 {
			d.counter.Add(uint64(d.messages))
			hook(s, "Dropped", s.cfg.Hooks.Dropped, DroppedInfo{c.member.ID, d.messages, d.reason})
		}
	}
	if t.Large > 0 {
		s.warn("message dropped: it is over BackpressureLimit, and the client is encrypted", "client", c.member.ID)
	}
	if t.Full > 0 {
		s.warn("client does not read as fast as it is sent to", "client", c.member.ID, "cut_off", slow == SlowDisconnect)
	}
}

// idSet is a set of client ids. Most are empty or tiny; a large one, which may
// come from outside, gets a map.
type idSet struct {
	list []string
	set  map[string]struct{}
}

func newIDSet(ids []string) idSet {
	s := idSet{list: ids}
	if len(ids) > 8 {
		s.set = make(map[string]struct{}, len(ids))
		for _, id := range ids {
			s.set[id] = struct{}{}
		}
	}
	return s
}

func (s idSet) has(id string) bool {
	if s.set != nil {
		_, ok := s.set[id]
		return ok
	}
	return slices.Contains(s.list, id)
}

package ignis

import (
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ignis-go/ignis/internal/ws"
	"github.com/ignis-go/ignis/wire"
)

// outgoing is a message to clients. It is encoded once per version of the protocol, and
// only for the versions that its recipients use.
type outgoing struct {
	wire.Message            // as clients of protocol 2 receive it
	key          string     // see Key, and scope
	slow         SlowPolicy // for clients that are behind
}

// frame encodes the message for a version of the protocol.
func (o outgoing) frame(protocol uint8) *ws.Message {
	m := o.Message
	if protocol < 2 {
		m.Room, m.From = "", wire.Sender{}
	}
	return frame(m).Under(ws.Policy(o.slow), o.key)
}

// maxKey is the maximum length of a key, in bytes. Longer keys in envelopes from the bus
// are ignored.
const maxKey = 256

// scope qualifies a key with the address and the event, because messages with the same
// key replace each other only if they have the same address and event as well.
func scope(to Address, event, key string) string {
	if key == "" || len(key) > maxKey {
		return ""
	}
	return to.String() + "\x00" + event + "\x00" + key
}

// differs reports whether clients of protocol 2 receive a different frame.
func (o outgoing) differs() bool { return o.Room != "" || o.From != (wire.Sender{}) }

// frame encodes a message once for all its recipients.
func frame(m wire.Message) *ws.Message {
	return ws.Text(wire.MessageSize(m), func(dst []byte) []byte { return wire.AppendMessage(dst, m) })
}

// batch is a list of messages, encoded for one version of the protocol on first use.
type batch []*ws.Message

func (b *batch) encode(messages []outgoing, protocol uint8, join bool) {
	for _, m := range messages {
		*b = append(*b, m.frame(protocol))
	}
	if join && len(messages) > 1 {
		*b = append((*b)[:0], ws.Join(slices.Clone(*b)...))
	}
}

// delivery is the memory that deliver needs. It collects the clients first, so that the
// registry's locks are free while messages are queued.
type delivery struct {
	clients []*session
	batches [2]batch // by version of the protocol
}

var deliveries = sync.Pool{New: func() any { return new(delivery) }}

// done returns d to the pool, without references to clients and messages.
func (d *delivery) done() {
	clear(d.clients)
	d.clients = d.clients[:0]
	for i, b := range d.batches {
		clear(b[:cap(b)]) // joining has shortened it
		d.batches[i] = b[:0]
	}
	deliveries.Put(d)
}

// appendRecipients appends the authenticated clients of this instance that to addresses.
func (s *Server) appendRecipients(dst []*session, to Address) []*session {
	switch to.Type {
	case wire.TypeClient:
		if member, ok := s.reg.Get(to.Name); ok && member.Active() {
			dst = append(dst, member.Value)
		}
	case wire.TypeUser:
		dst = s.reg.AppendUser(dst, to.Name)
	case wire.TypeRoom:
		dst = s.reg.AppendRoom(dst, to.Name)
	case wire.TypeBroadcast:
		dst = s.reg.AppendActive(dst)
	}
	return dst
}

// deliver queues messages for all clients of this instance that they are addressed to. It
// is used for messages sent here and for those from the bus. It does not keep the slices.
// It returns the number of recipients.
func (s *Server) deliver(to Address, exclude []string, messages ...outgoing) (recipients int) {
	d := deliveries.Get().(*delivery)
	defer d.done()
	d.clients = s.appendRecipients(d.clients, to)
	differs := slices.ContainsFunc(messages, outgoing.differs)
	except := newIDSet(exclude)
	queued := 0
	for _, c := range d.clients {
		if except.has(c.member.ID) {
			continue
		}
		recipients++
		b, protocol := &d.batches[0], uint8(1)
		if differs && c.protocol > 1 {
			b, protocol = &d.batches[1], c.protocol
		}
		if len(*b) == 0 {
			b.encode(messages, protocol, len(d.clients) > 1)
		}
		parked := c.parked.Load()
		for _, m := range *b {
			if parked != nil && to.Type == wire.TypeRoom && parked.keep(c, to.Name, m, messages[0].slow) {
				continue
			}
			t := c.conn.Enqueue(m)
			queued += t.Queued
			c.dropped(t, messages[0].slow) // all messages have the same policy because they have the same address
		}
	}
	s.counts.sent.Add(uint64(queued)) // once rather than per client, because the counter is contended
	s.counts.recipients.add(recipients, len(messages))
	return recipients
}

// enqueued counts the result of queuing one of the protocol's own messages.
func (c *session) enqueued(t ws.Tally) {
	s := c.server
	s.counts.sent.Add(uint64(t.Queued))
	c.dropped(t, SlowDisconnect)
}

// The reasons why a client did not receive messages. They are the keys of Stats.Dropped.
const (
	droppedFull     = "backpressure"
	droppedOldest   = "oldest"
	droppedReplaced = "replaced"
	droppedClosing  = "connection closing"
	droppedSealing  = "seal failed"
	droppedLarge    = "too large to seal"
)

// dropped counts the messages that a client will not receive, and logs the reason.
func (c *session) dropped(t ws.Tally, slow SlowPolicy) {
	s := c.server
	if t == (ws.Tally{Queued: t.Queued}) {
		return
	}
	for _, d := range []struct {
		messages int32
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
			hook(s, "Dropped", s.cfg.Hooks.Dropped, DroppedInfo{c.member.ID, int(d.messages), d.reason})
		}
	}
	if t.Large > 0 {
		s.warn("message dropped: it exceeds BackpressureLimit and the client is encrypted", "client", c.member.ID)
	}
	if t.Full > 0 {
		s.limit.LogLater(slog.LevelWarn, "client reads too slowly", func() []any {
			return append(c.slowness(), "cut_off", slow == SlowDisconnect)
		})
	}
}

// idSet is a set of client IDs. Most sets are empty or tiny. A large one, which an
// emitter can send, uses a map.
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

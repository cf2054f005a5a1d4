package ignis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/ignis-go/ignis/internal/ws"
	"github.com/ignis-go/ignis/wire"
)

// Destination says whom [Server.Send] sends to.
type Destination struct {
	kind   wire.Type // "": none, which is no destination
	target string
}

// ToClient is the client with the id, on whatever instance it is.
func ToClient(id string) Destination { return Destination{wire.TypeClient, id} }

// User is all sessions of the user, on all instances.
func User(id string) Destination { return Destination{wire.TypeUser, id} }

// Room is all members of the room, on all instances.
func Room(name string) Destination { return Destination{wire.TypeRoom, name} }

// Everyone is all authenticated clients, on all instances.
func Everyone() Destination { return Destination{kind: wire.TypeBroadcast} }

// To is Ignis's way to name a destination: the client with that id if it is
// here, else the room of that name, which is also how a client on another
// instance is reached; everyone if the name is empty.
func To(name string) Destination {
	if name == "" {
		return Everyone()
	}
	return Destination{typeAny, name}
}

// typeAny is a client or a room, as Server.resolve decides.
const typeAny wire.Type = "any"

// Exclusion is a list of client ids that must not get a message; see [Except].
type Exclusion []string

// Except leaves out the clients with the ids, wherever they are. It counts for
// rooms and broadcasts.
func Except(clientIDs ...string) Exclusion { return clientIDs }

// exclude returns the ids that a message to d is kept from: a client or a user
// that it names gets it.
func (d Destination) exclude(ids []string) []string {
	if d.kind == wire.TypeRoom || d.kind == wire.TypeBroadcast {
		return ids
	}
	return nil
}

// Send sends an event here and on every other instance. An empty event or nil
// data sends nothing. The data may be anything that encodes as JSON; a
// json.RawMessage goes through as it is.
//
// Errors: ErrNotRunning; a destination without a name; data that is not JSON; one
// that wraps wire.ErrTooLarge for a message over Config.MaxMessage; a
// *BusError when the clients of this instance were sent to, but not those of
// others; ctx's error if it has ended before the call. Send does not wait for
// anything.
func (s *Server) Send(ctx context.Context, to Destination, event string, data any, except ...Exclusion) error {
	if err := s.running(); err != nil {
		return err
	}
	if event == "" || data == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	raw, err := s.encode(event, data)
	if err != nil || raw == nil { // a json.RawMessage may be nil, too
		return err
	}
	if err := to.check(); err != nil {
		return err
	}
	to = s.resolve(to)
	exclude := to.exclude(slices.Concat(except...))
	s.deliver(to, exclude, frame(event, raw))
	return s.publish(&wire.Envelope{
		ServerID: s.id, Type: to.kind, Target: to.target,
		Event: event, Data: raw, Exclude: exclude,
	})
}

// encode returns the data of an event, if clients may be sent it.
func (s *Server) encode(event string, data any) (json.RawMessage, error) {
	raw, err := wire.EncodeData(data)
	if err == nil {
		err = wire.CheckSize(wire.Message{Event: event, Data: raw}, s.cfg.MaxMessage)
	}
	if err != nil {
		return nil, fmt.Errorf("ignis: %w", err)
	}
	return raw, nil
}

// check returns what is wrong with a destination. A zero one is a mistake, and
// must not reach everyone.
func (d Destination) check() error {
	switch {
	case d.kind == "":
		return errors.New("ignis: the destination is the zero value: use ToClient, User, Room, Everyone or To")
	case d.kind != wire.TypeBroadcast && (d.target == "" || !utf8.ValidString(d.target)):
		return fmt.Errorf("ignis: the destination %s %q is empty or not UTF-8", d.kind, d.target)
	}
	return nil
}

// resolve decides what a destination made by To means here.
func (s *Server) resolve(to Destination) Destination {
	if to.kind != typeAny {
		return to
	}
	if m, ok := s.reg.Get(to.target); ok && m.Active() {
		return ToClient(to.target)
	}
	return Room(to.target)
}

// SendToClient sends an event to a client of this instance. Nil data is left
// out, and an empty event sends nothing. An id that is not here is no error.
func (s *Server) SendToClient(id, event string, data any) error {
	return s.sendHere(ToClient(id), event, data, nil)
}

// SendToUser sends an event to the user's sessions on this instance.
func (s *Server) SendToUser(userID, event string, data any) error {
	return s.sendHere(User(userID), event, data, nil)
}

// SendToRoom sends an event to the room's members on this instance.
func (s *Server) SendToRoom(room, event string, data any, except ...Exclusion) error {
	return s.sendHere(Room(room), event, data, except)
}

// Broadcast sends an event to all authenticated clients of this instance.
func (s *Server) Broadcast(event string, data any, except ...Exclusion) error {
	return s.sendHere(Everyone(), event, data, except)
}

func (s *Server) sendHere(to Destination, event string, data any, except []Exclusion) error {
	if err := s.running(); err != nil {
		return err
	}
	if event == "" {
		return nil // clients would drop it
	}
	raw, err := s.encode(event, data)
	if err != nil {
		return err
	}
	s.deliver(to, slices.Concat(except...), frame(event, raw))
	return nil
}

// frame encodes a message once for all who get it.
func frame(event string, data json.RawMessage) *ws.Message {
	m := wire.Message{Event: event, Data: data}
	return ws.Text(wire.MessageSize(m), func(dst []byte) []byte { return wire.AppendMessage(dst, m) })
}

// deliver queues messages for every client here that they are for. Local messages
// and those from the bus meet here. It keeps the slice.
func (s *Server) deliver(to Destination, exclude []string, messages ...*ws.Message) {
	list := targets.Get().(*[]*client)
	defer func() {
		clear(*list) // keep no client alive
		*list = (*list)[:0]
		targets.Put(list)
	}()
	switch to.kind {
	case wire.TypeClient:
		if member, ok := s.reg.Get(to.target); ok && member.Active() {
			*list = append(*list, member.Value)
		}
	case wire.TypeUser:
		*list = s.reg.AppendUser(*list, to.target)
	case wire.TypeRoom:
		*list = s.reg.AppendRoom(*list, to.target)
	case wire.TypeBroadcast:
		*list = s.reg.AppendActive(*list)
	}
	if s.cfg.DropWhenFull {
		for _, m := range messages {
			m.Under(ws.DropNewest, "")
		}
	}
	if len(*list) > 1 && len(messages) > 1 {
		messages = []*ws.Message{ws.Join(messages...)}
	}
	except := newIDSet(exclude)
	queued := 0
	for _, c := range *list {
		if except.has(c.member.ID) {
			continue
		}
		for _, m := range messages {
			t := c.conn.Enqueue(m)
			queued += t.Queued
			if t.Full+t.Closing+t.Large > 0 {
				s.dropped(c, t)
			}
		}
	}
	s.counts.sent.Add(uint64(queued)) // once, not for each: the counter is everybody's
}

// targets holds the slices that deliver collects clients in, so that the
// registry's locks are free while messages are queued.
var targets = sync.Pool{New: func() any { return new([]*client) }}

// enqueued counts what became of messages for one client.
func (s *Server) enqueued(c *client, t ws.Tally) {
	s.counts.sent.Add(uint64(t.Queued))
	s.dropped(c, t)
}

// dropped counts what was not queued for one client.
func (s *Server) dropped(c *client, t ws.Tally) {
	s.counts.droppedClosing.Add(uint64(t.Closing))
	if t.Large > 0 {
		s.counts.droppedLarge.Add(uint64(t.Large))
		s.warn("message dropped: it is over BackpressureLimit, and the client is encrypted", "client", c.member.ID)
	}
	if t.Full > 0 {
		s.counts.droppedFull.Add(uint64(t.Full))
		s.warn("client does not read as fast as it is sent to", "client", c.member.ID, "cut_off", !s.cfg.DropWhenFull)
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

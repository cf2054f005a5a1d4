package ignis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ignis-go/ignis/wire"
)

// Address identifies the recipients of a message. Create it with [ToClient], [ToUser],
// [ToRoom], [ToEveryone] or [To].
type Address = wire.Address

// ToClient returns the address of the client with the ID, on any instance.
func ToClient(id string) Address { return wire.ToClient(id) }

// ToUser returns the address of all sessions of the user, on all instances.
func ToUser(id string) Address { return wire.ToUser(id) }

// ToRoom returns the address of all members of the room, on all instances.
func ToRoom(name string) Address { return wire.ToRoom(name) }

// ToEveryone returns the address of all authenticated clients, on all instances.
func ToEveryone() Address { return wire.ToEveryone() }

// To returns an address that stands for the client with the given ID if it is connected to
// this server, or else for the room with the given name, as in Ignis. Since each client is
// in a room named by its ID, the address reaches clients of other instances as well. Only
// a [Server] accepts it.
func To(name string) Address { return Address{Type: typeAny, Name: name} }

// typeAny is either a client or a room; Server.resolve decides which.
const typeAny wire.Type = "any"

// SendOption modifies how a message is sent; see [Except], [Key] and [From]. If an option
// is repeated, the last one applies, except that the IDs of all Except options are
// combined.
type SendOption = wire.SendOption

// Except excludes the clients with the IDs, on any instance. It applies to messages to a
// room or to everyone and has no effect on others.
func Except(clientIDs ...string) SendOption { return wire.Except(clientIDs...) }

// Key sets the key of a message, at most 256 bytes. Of messages with the same address,
// event and key, such as prices of one symbol, a client that is behind needs only the
// latest; see [SlowLatest]. Empty: no key.
func Key(key string) SendOption { return wire.Key(key) }

// From marks a message as relayed for the client c. Clients of protocol 2 receive the
// client's ID and user ID in the field from of the message. If the data is a JSON object,
// they are also added to it as the field from, replacing any field of that name, so that
// clients of protocol 1 receive them as well.
func From(c *Client) SendOption { return wire.From(wire.Sender{ID: c.ID, UserID: c.UserID}) }

// letter is a message with its address and options.
type letter struct {
	to      Address
	message wire.Message
	exclude []string
	key     string

	traceparent string // of the span in which it is sent; empty if there is none
}

// letter validates the arguments of Send and returns them as a letter.
func (s *Server) letter(to Address, event string, data any, o SendOption) (letter, error) {
	l, err := s.unstamped(to, event, data, o)
	if err == nil && l.message.From != (wire.Sender{}) {
		l.message.Data = l.message.From.Stamp(l.message.Data)
	}
	return l, err
}

// unstamped is like letter, but does not add the sender to the data.
func (s *Server) unstamped(to Address, event string, data any, o SendOption) (letter, error) {
	l := letter{to: to, message: wire.Message{Event: event}}
	if event == "" {
		return l, errors.New("the event is empty")
	}
	var err error
	if l.to, err = s.resolve(to); err != nil {
		return l, err
	}
	if len(o.Key) > maxKey {
		return l, fmt.Errorf("the key has %d bytes, and the limit is %d", len(o.Key), maxKey)
	}
	l.key, l.message.From = o.Key, o.From
	if l.to.Excludes() {
		l.exclude = o.Exclude
	}
	if l.message.Data, err = s.encode(event, data); err != nil {
		return l, err
	}
	if l.to.Type == wire.TypeRoom {
		l.message.Room = l.to.Name
	}
	return l, nil
}

// resolve resolves an address made by To and validates addresses. The zero Address is
// invalid, so that a mistake does not reach everyone.
func (s *Server) resolve(to Address) (Address, error) {
	if to.Type == typeAny {
		if m, ok := s.reg.Get(to.Name); ok && m.Active() {
			return ToClient(to.Name), nil
		}
		to.Type = wire.TypeRoom
	}
	return to, to.Check()
}

// encode returns the data of an event, or an error if it is invalid or too large.
func (s *Server) encode(event string, data any) (json.RawMessage, error) {
	raw, err := wire.EncodeData(data)
	if err == nil {
		err = wire.CheckSize(wire.Message{Event: event, Data: raw}, s.cfg.MaxMessage)
	}
	if err != nil {
		return nil, fmt.Errorf("event %.100q: %w", event, err)
	}
	return raw, nil
}

// Send sends an event to clients of all instances. It queues the event for the clients of
// this instance and passes it to the bus for the others, and does not wait for clients or
// the network. The data may be any value that can be encoded as JSON. A [json.RawMessage]
// is sent unchanged, and nil sends an event without data.
//
// Send returns [ErrNotRunning] if the server is not running; ctx's error if ctx is already
// done; an error if the event is empty, the address is invalid or the data
// cannot be encoded; an error that wraps [wire.ErrTooLarge] if the message exceeds
// Config.MaxMessage; and a [*BusError] if the event was sent to the clients of this
// instance but not to those of others.
func (s *Server) Send(ctx context.Context, to Address, event string, data any, options ...SendOption) error {
	if err := s.running(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	l, err := s.letter(to, event, data, wire.CombineOptions(options...))
	if err != nil {
		return fmt.Errorf("ignis: send: %w", err)
	}
	if s.cfg.Tracer != nil {
		return s.sendTraced(ctx, l)
	}
	s.post(l)
	return s.publish(l)
}

// SendLocal sends an event only to the clients of this instance. It returns the same
// errors as [Server.Send], except those of the context and the bus.
func (s *Server) SendLocal(to Address, event string, data any, options ...SendOption) error {
	if err := s.running(); err != nil {
		return err
	}
	l, err := s.letter(to, event, data, wire.CombineOptions(options...))
	if err != nil {
		return fmt.Errorf("ignis: send: %w", err)
	}
	s.post(l)
	return nil
}

// post delivers a letter to the clients of this instance, and returns their number.
func (s *Server) post(l letter) (recipients int) {
	n := s.deliver(l.to, l.exclude, s.outgoing(l))
	hook(s, "Sent", s.cfg.Hooks.Sent, SentInfo{To: l.to, Messages: 1, Recipients: n})
	return n
}

func (s *Server) outgoing(l letter) outgoing {
	return outgoing{l.message, scope(l.to, l.message.Event, l.key), s.slowPolicy(l.to)}
}

package ignis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ignis-go/ignis/wire"
)

// Address names the clients that a message is for: [ToClient], [ToUser], [ToRoom],
// [ToEveryone] or [To].
type Address = wire.Address

// ToClient returns the address of the client with the ID, on whatever instance it is.
func ToClient(id string) Address { return wire.ToClient(id) }

// ToUser returns the address of all sessions of the user, on all instances.
func ToUser(id string) Address { return wire.ToUser(id) }

// ToRoom returns the address of all members of the room, on all instances.
func ToRoom(name string) Address { return wire.ToRoom(name) }

// ToEveryone returns the address of all authenticated clients, on all instances.
func ToEveryone() Address { return wire.ToEveryone() }

// To returns an address as Ignis understands a name: the client with that ID if it is
// connected to this server, else the room of that name, which is also how a client of
// another instance is reached. Only a [Server] accepts it.
func To(name string) Address { return Address{Type: typeAny, Name: name} }

// typeAny is a client or a room, as Server.resolve decides.
const typeAny wire.Type = "any"

// SendOption changes how a message is sent; see [Except], [Key] and [From]. Later
// options win, except that all of Except add up.
type SendOption = wire.SendOption

// Except keeps a message from the clients with the IDs, wherever they are. It applies
// to rooms and to everyone.
func Except(clientIDs ...string) SendOption { return wire.Except(clientIDs...) }

// Key groups messages of which a client that is behind needs only the latest, such as
// prices of one symbol; see [SlowLatest]. An empty key groups nothing.
func Key(key string) SendOption { return wire.Key(key) }

// From says that a message is relayed for the client c. Clients of protocol 2 see it as
// the message's from, and all clients as the field from of its data, where that is an
// object, in place of any that it had.
func From(c *Client) SendOption { return wire.From(wire.Sender{ID: c.ID, UserID: c.UserID}) }

// letter is a message and all that goes with it.
type letter struct {
	to      Address
	message wire.Message
	exclude []string
	key     string
}

// letter makes one of what Send is given, and checks it.
func (s *Server) letter(to Address, event string, data any, options []SendOption) (letter, error) {
	l := letter{to: to, message: wire.Message{Event: event}}
	if event == "" {
		return l, errors.New("ignis: send: the event is empty")
	}
	var err error
	if l.to, err = s.resolve(to); err != nil {
		return l, fmt.Errorf("ignis: send: %w", err)
	}
	o := wire.CombineOptions(options...)
	l.key, l.message.From = o.Key, o.From
	if l.to.Excludes() {
		l.exclude = o.Exclude
	}
	if l.message.Data, err = s.encode(event, data); err != nil {
		return l, err
	}
	if l.message.From != (wire.Sender{}) {
		l.message.Data = l.message.From.Stamp(l.message.Data)
	}
	if l.to.Type == wire.TypeRoom {
		l.message.Room = l.to.Name
	}
	return l, nil
}

// resolve checks an address and decides what one made by To means here. The zero
// address is a mistake, and must not reach everyone.
func (s *Server) resolve(to Address) (Address, error) {
	if to.Type == typeAny {
		if m, ok := s.reg.Get(to.Name); ok && m.Active() {
			return ToClient(to.Name), nil
		}
		to.Type = wire.TypeRoom
	}
	return to, to.Check()
}

// encode returns the data of an event, if clients may be sent it.
func (s *Server) encode(event string, data any) (json.RawMessage, error) {
	raw, err := wire.EncodeData(data)
	if err == nil {
		err = wire.CheckSize(wire.Message{Event: event, Data: raw}, s.cfg.MaxMessage)
	}
	if err != nil {
		return nil, fmt.Errorf("ignis: send %.100q: %w", event, err)
	}
	return raw, nil
}

// Send sends an event to clients of all instances: to those of this one at once, and
// to the others through the bus. The data may be anything that encodes as JSON; a
// [json.RawMessage] is sent as it is, and nil sends an event without data. Send does not
// wait for clients or for the network.
//
// It returns [ErrNotRunning]; ctx's error if ctx has ended before the call; an error if
// the event is empty, the address names nobody or the data is not JSON; an error that
// wraps [wire.ErrTooLarge] if the message is over Config.MaxMessage; and a [*BusError]
// if the clients of this instance were sent the event but those of others were not.
func (s *Server) Send(ctx context.Context, to Address, event string, data any, options ...SendOption) error {
	if err := s.running(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	l, err := s.letter(to, event, data, options)
	if err != nil {
		return err
	}
	s.post(l)
	return s.publish(l)
}

// SendLocal sends an event to the clients of this instance alone. Its errors are those
// of [Server.Send], except that it needs neither a context nor the bus.
func (s *Server) SendLocal(to Address, event string, data any, options ...SendOption) error {
	if err := s.running(); err != nil {
		return err
	}
	l, err := s.letter(to, event, data, options)
	if err != nil {
		return err
	}
	s.post(l)
	return nil
}

// post delivers a letter here.
func (s *Server) post(l letter) {
	n := s.deliver(l.to, l.exclude, outgoing{l.message, l.key, s.slowPolicy(l.to)})
	hook(s, "Sent", s.cfg.Hooks.Sent, SentInfo{To: l.to, Messages: 1, Recipients: n})
}

package emitter

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/wire"
)

// Whom a message is for.
const (
	Client   = wire.TypeClient    // the client with the id
	User     = wire.TypeUser      // all sessions of the user
	Room     = wire.TypeRoom      // all members of the room
	Everyone = wire.TypeBroadcast // all clients; the message has no target
)

// Message is one event and whom it is for.
type Message struct {
	Type   wire.Type
	Target string
	// Event is the name: not empty, and neither "connected" nor "encrypted",
	// on which clients base their encryption. Other system names are
	// sent like any name; "error" may be an application's.
	Event string
	// Data is sent as wire.EncodeData writes it: a json.RawMessage as it is,
	// nil as no data at all, anything else as JSON.
	Data any
	// Exclude lists ids of clients that must not get the message. Rooms and
	// broadcasts alone may have some.
	Exclude []string
}

// Check returns the error that wraps ErrMessage if the message cannot be sent as it is,
// without sending it. The limit for its size is that of an empty Config.
func (m *Message) Check() error {
	if _, err := m.encode(wire.DefaultMaxMessage); err != nil {
		return fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return nil
}

// encode checks the message and writes its envelope.
func (m *Message) encode(limit int) (redisbus.Item, error) {
	if err := m.check(); err != nil {
		return redisbus.Item{}, err
	}
	data, err := wire.EncodeData(m.Data)
	if err != nil {
		return redisbus.Item{}, fmt.Errorf("data: %w", err)
	}
	if err := wire.CheckSize(wire.Message{Event: m.Event, Data: data}, limit); err != nil {
		return redisbus.Item{}, err
	}
	envelope := wire.Envelope{
		ServerID: wire.EmitterID, Type: m.Type, Target: m.Target,
		Event: m.Event, Data: data, Exclude: m.Exclude,
	}
	return redisbus.Item{Channel: envelope.Channel(), Envelope: wire.AppendEnvelope(nil, &envelope)}, nil
}

func (m *Message) check() error {
	switch m.Type {
	case Client, User, Room:
		if m.Target == "" {
			return fmt.Errorf("no target: want the %s's id or name", m.Type)
		}
	case Everyone:
		if m.Target != "" {
			return errors.New("a message for everyone has no target")
		}
	default:
		return fmt.Errorf("type %q; want %s, %s, %s or %s", m.Type, Client, User, Room, Everyone)
	}
	switch m.Event {
	case "":
		return errors.New("no event")
	case wire.EventConnected, wire.EventEncrypted:
		return fmt.Errorf("the event %q is the server's own", m.Event)
	}
	if len(m.Exclude) > 0 && (m.Type == Client || m.Type == User) {
		return fmt.Errorf("a message for a %s excludes nobody", m.Type)
	}
	// Escaping would change them: the message would go to somebody else.
	for _, text := range append([]string{m.Target, m.Event}, m.Exclude...) {
		if !utf8.ValidString(text) {
			return errors.New("the target, event or an excluded id is not valid UTF-8")
		}
	}
	return nil
}

// BatchError says which messages of a Send failed.
type BatchError struct {
	// Errors has one entry for each message, in order; nil: Redis has taken it.
	Errors []error
}

// Error counts the failures and shows the first.
func (e *BatchError) Error() string {
	var first error
	at, failed := 0, 0
	for i, err := range e.Errors {
		if err != nil {
			if failed++; failed == 1 {
				first, at = err, i+1
			}
		}
	}
	return fmt.Sprintf("%d of %d messages failed, first message %d: %v", failed, len(e.Errors), at, first)
}

// Unwrap returns the failures.
func (e *BatchError) Unwrap() []error {
	var failed []error
	for _, err := range e.Errors {
		if err != nil {
			failed = append(failed, err)
		}
	}
	return failed
}

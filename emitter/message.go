package emitter

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/ignis-go/ignis/wire"
)

// Message is one event and the clients it is for.
type Message struct {
	// To is whom it is for: wire.ToClient, wire.ToUser, wire.ToRoom or wire.ToEveryone.
	To wire.Address
	// Event is the name: not empty, and neither "connected" nor "encrypted",
	// on which clients base their encryption. Other system names are
	// sent like any name; "error" may be an application's.
	Event string
	// Data is sent as wire.EncodeData writes it: a json.RawMessage as it is,
	// nil as no data at all, anything else as JSON.
	Data any
	// Exclude lists IDs of clients that must not get the message. Only a message to a
	// room or to everyone may have any.
	Exclude []string
	// Key groups messages of which a client that is behind needs only the latest; see
	// [wire.Key]. Empty: none.
	Key string
	// From is the client that the message is relayed for; see [wire.From]. Zero: none.
	From wire.Sender
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
func (m *Message) encode(limit int) (wire.Publication, error) {
	if err := m.check(); err != nil {
		return wire.Publication{}, err
	}
	data, err := wire.EncodeData(m.Data)
	if err != nil {
		return wire.Publication{}, fmt.Errorf("data: %w", err)
	}
	if m.From != (wire.Sender{}) {
		data = m.From.Stamp(data)
	}
	if err := wire.CheckSize(wire.Message{Event: m.Event, Data: data}, limit); err != nil {
		return wire.Publication{}, err
	}
	envelope := wire.Envelope{
		ServerID: wire.EmitterID, To: m.To, Event: m.Event, Data: data, Exclude: m.Exclude, From: m.From, Key: m.Key,
	}
	return wire.Publication{Channel: m.To.Channel(), Envelope: wire.AppendEnvelope(nil, &envelope)}, nil
}

func (m *Message) check() error {
	if err := m.To.Check(); err != nil {
		return err
	}
	switch m.Event {
	case "":
		return errors.New("no event")
	case wire.EventConnected, wire.EventEncrypted:
		return fmt.Errorf("the event %q is the server's own", m.Event)
	}
	if len(m.Exclude) > 0 && !m.To.Excludes() {
		return fmt.Errorf("a message to a %s excludes nobody", m.To.Type)
	}
	// Escaping would change them: the message would go to somebody else.
	for _, text := range append([]string{m.Event, m.Key, m.From.ID, m.From.UserID}, m.Exclude...) {
		if !utf8.ValidString(text) {
			return errors.New("the event, the key, the sender or an excluded ID is not valid UTF-8")
		}
	}
	if m.From.ID == "" && m.From.UserID != "" {
		return errors.New("the sender has no client ID")
	}
	return nil
}

// BatchError says which messages of a SendAll failed.
type BatchError struct {
	// Errors has one entry for each message, in order; nil if the Publisher has taken it.
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

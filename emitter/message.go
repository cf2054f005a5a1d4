package emitter

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/ignis-go/ignis/wire"
)

// Message is an event with its address.
type Message struct {
	// To is the address; see [wire.ToClient], [wire.ToUser], [wire.ToRoom] and
	// [wire.ToEveryone].
	To wire.Address
	// Event is the name of the event. It must not be empty, "connected" or "encrypted".
	// Clients rely on the last two for their encryption. All other names are allowed, even
	// those of other system events.
	Event string
	// Data is the payload. A [json.RawMessage] is sent unchanged, any other value is
	// encoded as JSON, and nil sends an event without data; see [wire.EncodeData].
	Data any
	// Exclude lists the IDs of clients that must not receive the message. It must be empty
	// unless the message is for a room or for everyone.
	Exclude []string
	// Key is the key of the message; see [wire.Key]. Servers ignore a key of more than 256
	// bytes. Empty: no key.
	Key string
	// From is the client for which the message is relayed; see [wire.From]. Zero: none.
	From wire.Sender
}

// Check returns an error that wraps [ErrMessage] if the message is invalid. It assumes the
// default of Config.MaxMessage. It does not send the message.
func (m *Message) Check() error {
	if _, err := m.encode(wire.DefaultMaxMessage, ""); err != nil {
		return fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return nil
}

// encode checks the message and encodes its envelope.
func (m *Message) encode(limit int, traceparent string) (wire.Publication, error) {
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
		Traceparent: traceparent,
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
		return fmt.Errorf("the event %q is reserved for servers", m.Event)
	}
	if len(m.Exclude) > 0 && !m.To.Excludes() {
		return fmt.Errorf("a message to a %s cannot exclude clients", m.To.Type)
	}
	// Encoding replaces invalid UTF-8. The key or an ID would become a different one.
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

// BatchError is the error for a call of SendAll of which some messages failed.
type BatchError struct {
	// Errors has one entry for each message, in order: its error, or nil if the Publisher
	// accepted it.
	Errors []error
}

// Error returns the number of failures and the first of them.
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

// Unwrap returns the errors of the messages that failed.
func (e *BatchError) Unwrap() []error {
	var failed []error
	for _, err := range e.Errors {
		if err != nil {
			failed = append(failed, err)
		}
	}
	return failed
}

package httppublisher

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ignis-go/ignis/wire"
)

const (
	maxKey     = 256  // servers ignore longer keys
	maxExclude = 1000 // clients that the API lets a message exclude
)

// target is the target of a message or a command in the API.
type target struct {
	Room     string `json:"room,omitempty"`
	User     string `json:"user,omitempty"`
	Client   string `json:"client,omitempty"`
	Everyone bool   `json:"everyone,omitempty"`
}

func newTarget(to wire.Address) (target, error) {
	if err := to.Check(); err != nil {
		return target{}, err
	}
	switch to.Type {
	case wire.TypeRoom:
		return target{Room: to.Name}, nil
	case wire.TypeUser:
		return target{User: to.Name}, nil
	case wire.TypeClient:
		return target{Client: to.Name}, nil
	}
	return target{Everyone: true}, nil
}

// message is a message in the API.
type message struct {
	To      target          `json:"to"`
	Event   string          `json:"event"`
	Data    json.RawMessage `json:"data,omitempty"`
	Key     string          `json:"key,omitempty"`
	Exclude []string        `json:"exclude,omitempty"`
	From    *wire.Sender    `json:"from,omitempty"`
}

// convert returns the message of an envelope, and its traceparent.
func convert(envelope []byte) (text []byte, traceparent string, err error) {
	e, err := wire.DecodeEnvelope(envelope)
	if err != nil {
		return nil, "", fmt.Errorf("not an envelope: %w", err)
	}
	text, err = encodeMessage(&e)
	return text, e.Traceparent, err
}

// encodeMessage returns the message of an envelope.
func encodeMessage(e *wire.Envelope) (_ []byte, err error) {
	m := message{Event: e.Event, Data: e.Data, Key: e.Key, Exclude: e.Exclude}
	if m.To, err = newTarget(e.To); err != nil {
		return nil, err
	}
	switch {
	case e.Event == wire.EventConnected, e.Event == wire.EventEncrypted:
		return nil, fmt.Errorf("the event %s is reserved for servers", e.Event)
	case len(e.Exclude) > maxExclude:
		return nil, fmt.Errorf("the message excludes %d clients, and the API accepts %d", len(e.Exclude), maxExclude)
	case len(e.Exclude) > 0 && !e.To.Excludes():
		return nil, errors.New("only messages to rooms and to everyone can exclude clients")
	}
	if len(m.Key) > maxKey {
		m.Key = ""
	}
	if e.From.ID != "" {
		m.From = &e.From
	}
	data := m.Data
	m.Data = nil // encoding/json would change its white space and escapes
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	if data == nil {
		return text, nil
	}
	text = append(text[:len(text)-1], `,"data":`...)
	return append(append(text, data...), '}'), nil
}

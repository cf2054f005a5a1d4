package wire

import "encoding/json"

// Type says whom an envelope is for.
type Type string

// The types of envelopes. Servers ignore others.
const (
	TypeClient    Type = "client"
	TypeUser      Type = "user"
	TypeRoom      Type = "room"
	TypeBroadcast Type = "broadcast"
)

// Envelope is what servers and emitters exchange over Redis: one event and
// whom it is for.
type Envelope struct {
	// ServerID is the sending server's UUID, or [EmitterID].
	ServerID string
	Type     Type
	// Target is the client id, user id or room; unused for a broadcast.
	Target string
	Event  string
	// Data is the event's payload as JSON text; nil when absent. After
	// [DecodeEnvelope] it shares memory with the input.
	Data json.RawMessage
	// Exclude lists ids of clients that must not get the event. It counts for
	// rooms and broadcasts.
	Exclude []string
}

// Channel returns the Redis channel to publish e on.
func (e *Envelope) Channel() string { return Channel(e.Type, e.Target) }

// DecodeEnvelope reads the JSON text of an envelope. Unknown keys are ignored,
// unknown types are not an error. Of exclude only the strings in an array count, as
// with the original. The error wraps [ErrFormat] or [ErrShape].
// The envelope's data shares memory with text.
func DecodeEnvelope(text []byte) (Envelope, error) {
	var server, kind, target, event, data, exclude []byte
	err := EachField(text, func(key, value []byte) {
		switch string(key) {
		case "serverId":
			server = value
		case "type":
			kind = value
		case "target":
			target = value
		case "event":
			event = value
		case "data":
			data = value
		case "exclude":
			exclude = value
		}
	})
	if err != nil {
		return Envelope{}, err
	}
	e := Envelope{Data: data}
	if e.ServerID, err = requireString(server, "serverId"); err != nil {
		return Envelope{}, err
	}
	if e.Event, err = requireString(event, "event"); err != nil {
		return Envelope{}, err
	}
	e.Type = typeValue(kind)
	e.Target, _ = stringValue(target)
	e.Exclude = stringsValue(exclude)
	return e, nil
}

// typeValue decodes a JSON string as a type; the known ones take no memory.
func typeValue(value []byte) Type {
	switch string(value) {
	case `"room"`:
		return TypeRoom
	case `"user"`:
		return TypeUser
	case `"client"`:
		return TypeClient
	case `"broadcast"`:
		return TypeBroadcast
	}
	s, _ := stringValue(value)
	return Type(s)
}

// AppendEnvelope appends the JSON text of e to dst, keys in the order that
// Ignis writes them; target is left out of a broadcast, data and exclude when
// they are absent. The data must be valid JSON; see [EncodeData].
func AppendEnvelope(dst []byte, e *Envelope) []byte {
	dst = append(dst, `{"serverId":`...)
	dst = appendString(dst, e.ServerID)
	dst = append(dst, `,"type":`...)
	dst = appendString(dst, string(e.Type))
	if e.Type != TypeBroadcast {
		dst = append(dst, `,"target":`...)
		dst = appendString(dst, e.Target)
	}
	dst = append(dst, `,"event":`...)
	dst = appendString(dst, e.Event)
	if e.Data != nil {
		dst = append(dst, `,"data":`...)
		dst = append(dst, e.Data...)
	}
	if len(e.Exclude) > 0 {
		dst = append(dst, `,"exclude":[`...)
		for i, id := range e.Exclude {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, id)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

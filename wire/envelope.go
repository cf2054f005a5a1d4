package wire

import "encoding/json"

// Envelope is what servers and emitters exchange over Redis: one event and the
// clients it is for.
type Envelope struct {
	// ServerID is the sending server's UUID, or [EmitterID].
	ServerID string
	// To is whom the event is for. After [DecodeEnvelope] it may be of any type,
	// also of one that this package does not know.
	To    Address
	Event string
	// Data is the event's payload as JSON text; nil when absent. After
	// [DecodeEnvelope] it shares memory with the input.
	Data json.RawMessage
	// Exclude lists IDs of clients that must not get the event. It applies to rooms
	// and broadcasts.
	Exclude []string

	// The fields below are not Ignis's: they follow its own, and peers that do not
	// know them ignore them.

	// From is the client that the event is relayed for; zero when there is none.
	From Sender
	// Key groups events of which a client that is behind needs only the latest;
	// empty for none.
	Key string
}

// DecodeEnvelope reads the JSON text of an envelope. It ignores unknown keys and
// accepts unknown types. Of exclude only the strings in an array count, as with the
// original. The error wraps [ErrFormat] or [ErrShape]. The envelope's data shares
// memory with text.
func DecodeEnvelope(text []byte) (Envelope, error) {
	var server, kind, target, event, data, exclude, from, group []byte
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
		case "from":
			from = value
		case "key":
			group = value
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
	e.To.Type = typeValue(kind)
	if e.To.Type != TypeBroadcast {
		e.To.Name, _ = stringValue(target)
	}
	e.Exclude = stringsValue(exclude)
	if from != nil {
		e.From = senderValue(from)
	}
	e.Key, _ = stringValue(group)
	return e, nil
}

// typeValue decodes a JSON string as a type. The known types take no memory.
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

// AppendEnvelope appends the JSON text of e to dst: Ignis's keys in the order in which
// Ignis writes them, then from and key. It leaves out the target of a broadcast, and
// whatever is absent. The data must be valid JSON; see [EncodeData].
func AppendEnvelope(dst []byte, e *Envelope) []byte {
	dst = append(dst, `{"serverId":`...)
	dst = appendString(dst, e.ServerID)
	dst = append(dst, `,"type":`...)
	dst = appendString(dst, string(e.To.Type))
	if e.To.Type != TypeBroadcast {
		dst = append(dst, `,"target":`...)
		dst = appendString(dst, e.To.Name)
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
	if e.From != (Sender{}) {
		dst = append(dst, `,"from":`...)
		dst = e.From.append(dst)
	}
	if e.Key != "" {
		dst = append(dst, `,"key":`...)
		dst = appendString(dst, e.Key)
	}
	return append(dst, '}')
}

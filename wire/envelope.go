package wire

import "encoding/json"

// Envelope is what servers and emitters exchange over Redis: an event and its address.
type Envelope struct {
	// ServerID is the UUID of the sending server, or [EmitterID].
	ServerID string
	// To is the address of the event. [DecodeEnvelope] also returns addresses of unknown
	// types.
	To    Address
	Event string
	// Data is the payload as JSON, or nil if absent. After [DecodeEnvelope] it shares
	// memory with the input.
	Data json.RawMessage
	// Exclude lists the IDs of clients that must not receive the event. It applies only
	// to rooms and broadcasts.
	Exclude []string

	// The following fields are extensions. They come after the fields of Ignis, and peers
	// that do not know them ignore them.

	// From is the client for which the event is relayed, or zero if there is none.
	From Sender
	// Key is the key of the event, or empty if it has none. Of events with the same key,
	// a client that is behind needs only the latest.
	Key string
	// Traceparent identifies the span of a distributed trace in which the event was sent, or
	// is empty if there is none; see [ValidTraceparent].
	Traceparent string
}

// DecodeEnvelope decodes an envelope. It ignores unknown keys and accepts unknown types.
// Like Ignis, it ignores elements of exclude that are not strings. It also ignores a
// malformed traceparent. Errors wrap
// [ErrFormat] or [ErrShape]. The data of the envelope shares memory with text.
func DecodeEnvelope(text []byte) (Envelope, error) {
	var d EnvelopeDecoder
	return d.Decode(text)
}

// EnvelopeDecoder decodes envelopes. It saves memory and time if consecutive envelopes come
// from the same server, have the same address or the same event. The zero value is ready to
// use. A decoder must not be used concurrently.
type EnvelopeDecoder struct {
	server, target, event, trace string // of the previous envelope
}

// Decode is like [DecodeEnvelope].
func (d *EnvelopeDecoder) Decode(text []byte) (Envelope, error) {
	var server, kind, target, event, data, exclude, from, group, trace []byte
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
		case "traceparent":
			trace = value
		}
	})
	if err != nil {
		return Envelope{}, err
	}
	e := Envelope{Data: data}
	if e.ServerID, err = requireString(server, "serverId", &d.server); err != nil {
		return Envelope{}, err
	}
	if e.Event, err = requireString(event, "event", &d.event); err != nil {
		return Envelope{}, err
	}
	e.To.Type = typeValue(kind)
	if e.To.Type != TypeBroadcast {
		e.To.Name, _ = repeatedString(target, &d.target)
	}
	e.Exclude = stringsValue(exclude)
	if from != nil {
		e.From = senderValue(from)
	}
	e.Key, _ = stringValue(group)
	if len(trace) == TraceparentSize+len(`""`) {
		if s, _ := repeatedString(trace, &d.trace); ValidTraceparent(s) {
			e.Traceparent = s
		}
	}
	return e, nil
}

// typeValue decodes a JSON string as a type. It allocates no memory for known types.
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

// AppendEnvelope appends the JSON encoding of e to dst: the keys of Ignis in the order in
// which Ignis writes them, followed by from, key and traceparent. Absent fields and the target
// of a broadcast are omitted. The data must be valid JSON; see [EncodeData].
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
	if e.Traceparent != "" {
		dst = append(dst, `,"traceparent":`...)
		dst = appendString(dst, e.Traceparent)
	}
	return append(dst, '}')
}

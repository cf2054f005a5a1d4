package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

var (
	// ErrFormat is wrapped by decoding errors for input that is not valid JSON in UTF-8
	// or is nested deeper than [MaxDepth].
	ErrFormat = errors.New("invalid JSON")
	// ErrShape is wrapped by decoding errors for valid JSON that is not an object of the
	// expected form, for example because the event is missing, empty or not a string.
	ErrShape = errors.New("not a message")
	// ErrTooLarge is wrapped by errors for messages that exceed a limit.
	ErrTooLarge = errors.New("message too large")
)

// Message is a message between a client and a server.
type Message struct {
	// Event is the name of the message. It is never empty in a decoded message.
	Event string
	// Data is the payload as JSON, or nil if absent. After [DecodeMessage] it shares
	// memory with the input.
	Data json.RawMessage
	// ID identifies a message that expects an answer, and the answer (protocol 2). In
	// protocol 1 its meaning is up to the application. It is empty if absent or not a
	// string.
	ID string
	// Room is the room to which a server sent the message, or for which a client intends
	// it (protocol 2). It is empty if absent or not a string.
	Room string
	// From is the client for which the message was relayed (protocol 2). Servers ignore
	// it in messages from clients.
	From Sender
}

// Decode decodes the data of m into the value that v points to, like
// [encoding/json.Unmarshal]. If m has no data, or data of another form, it returns a
// [*DataError].
func (m Message) Decode(v any) error {
	if m.Data == nil {
		return &DataError{event: m.Event}
	}
	if err := Decode(m.Data, v); err != nil {
		return &DataError{m.Event, err}
	}
	return nil
}

// DataError is the error for a message whose data does not have the form that the
// recipient expects. Its text can be logged: it contains types but no values.
type DataError struct {
	event string
	err   error // nil: the message has no data
}

func (e *DataError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("event %.100q carries no data", e.event)
	}
	return fmt.Sprintf("data of event %.100q: %v", e.event, e.err)
}

// Unwrap returns the error of [Decode], or nil if the message has no data.
func (e *DataError) Unwrap() error { return e.err }

// Reason says what is wrong in words for the sender of the message. It names the field,
// but nothing of the recipient's program.
func (e *DataError) Reason() string {
	if e.err == nil {
		return "The message needs data"
	}
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](e.err)
	switch {
	case !ok:
		return "The data are invalid"
	case wrong.Field == "":
		return "The data must not be of type " + wrong.Value
	}
	return "The field " + wrong.Field + " must not be of type " + wrong.Value
}

// Decode decodes JSON into the value that v points to, like [encoding/json.Unmarshal]. It
// differs in the error for a number that does not fit, which contains the word "number"
// instead of all its digits.
func Decode(text []byte, v any) error {
	err := json.Unmarshal(text, v)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		w := *wrong
		w.Value, _, _ = strings.Cut(w.Value, " ")
		return &w
	}
	return err
}

// DecodeMessage decodes a message. Keys are case-sensitive and unknown keys are ignored.
// If a key occurs twice, the last one counts. Errors wrap [ErrFormat] or [ErrShape]. The
// data of the message shares memory with text.
func DecodeMessage(text []byte) (Message, error) {
	var event, id, data, room, from []byte
	err := EachField(text, func(key, value []byte) {
		switch string(key) {
		case "event":
			event = value
		case "data":
			data = value
		case "id":
			id = value
		case "room":
			room = value
		case "from":
			from = value
		}
	})
	if err != nil {
		return Message{}, err
	}
	m := Message{Data: data}
	if m.Event, err = requireString(event, "event", new(string)); err != nil {
		return Message{}, err
	}
	m.ID, _ = stringValue(id)
	m.Room, _ = stringValue(room)
	if from != nil {
		m.From = senderValue(from)
	}
	return m, nil
}

// Authentication is the part of the data of an authenticate event that the protocol
// defines. Applications may send more.
type Authentication struct {
	Type, Token, PublicKey string
	// Protocol is the highest version that the client supports. It is 1 if the client did
	// not send it.
	Protocol int
	// Software is the name of the client program, as name/version, or empty if the client
	// did not send it. It is meant for statistics and must not be trusted.
	Software string
}

// maxSoftware is the maximum number of characters in the name, and in the version, of a
// client program.
const maxSoftware = 64

// softwareValue decodes {name, version}. The value must be valid JSON.
func softwareValue(value []byte) string {
	var name, version string
	if len(value) == 0 || value[0] != '{' {
		return ""
	}
	_ = EachField(value, func(key, value []byte) { // cannot fail, because value is valid
		switch string(key) {
		case "name":
			name, _ = stringValue(value)
		case "version":
			version, _ = stringValue(value)
		}
	})
	if utf8.RuneCountInString(name) > maxSoftware || utf8.RuneCountInString(version) > maxSoftware {
		return ""
	}
	if version != "" {
		return name + "/" + version
	}
	return name
}

// DecodeAuthentication decodes the data of an authenticate event. Fields that are missing
// or have the wrong type are zero, except Protocol, which is then 1. If data is not an
// object, this applies to all fields.
func DecodeAuthentication(data json.RawMessage) (a Authentication) {
	a.Protocol = 1
	err := EachField(data, func(key, value []byte) {
		switch string(key) {
		case "type":
			a.Type, _ = stringValue(value)
		case "token":
			a.Token, _ = stringValue(value)
		case "publicKey":
			a.PublicKey, _ = stringValue(value)
		case "protocol":
			// Atoi also accepts a sign and leading zeros, but JSON does not allow the
			// latter.
			if n, err := strconv.Atoi(string(value)); err == nil {
				a.Protocol = max(n, 1)
			}
		case "client":
			a.Software = softwareValue(value)
		}
	})
	if err != nil {
		return Authentication{Protocol: 1}
	}
	return a
}

// DataRoom returns the room that the data of a message names, or "". Messages of protocol 1
// have no field for a room, so clients that use it put the room into the field room of the
// data. Of duplicate fields, the last one counts, as in JavaScript; the room is "" if that is
// not a string. The data must be valid JSON.
func DataRoom(data json.RawMessage) (room string) {
	_ = EachField(data, func(key, value []byte) { // data that is not an object names no room
		if string(key) == "room" {
			room, _ = stringValue(value)
		}
	})
	return room
}

// ConnectedData is the data of a connected event. In protocol 1 it has only the fields up
// to Salt.
type ConnectedData struct {
	ID              string `json:"id"`
	UserID          string `json:"userId,omitempty"`
	Time            string `json:"time"` // in TimeFormat
	ServerPublicKey string `json:"serverPublicKey,omitempty"`
	Salt            string `json:"salt,omitempty"`

	Protocol int `json:"protocol,omitempty"`
	// Expires is the time at which the session ends, in TimeFormat. It is empty if the
	// session does not end.
	Expires string `json:"expires,omitempty"`
	// Heartbeat is the time in milliseconds after which the server disconnects a silent
	// client.
	Heartbeat int64 `json:"heartbeat,omitempty"`
	// MaxPayload is the maximum size in bytes of a message from the client.
	MaxPayload int `json:"maxPayload,omitempty"`
	// Server is the product and version of the server.
	Server string `json:"server,omitempty"`
}

// Encode returns d as JSON, with the fields in the order above. Empty fields are omitted,
// except ID and Time. Encode does not use encoding/json, which would take longer than
// everything else that admits a client.
func (d ConnectedData) Encode() json.RawMessage {
	b := make([]byte, 0, 256)
	field := func(name, value string) {
		if value != "" {
			b = appendString(append(b, name...), value)
		}
	}
	number := func(name string, value int64) {
		if value != 0 {
			b = strconv.AppendInt(append(b, name...), value, 10)
		}
	}
	b = appendString(append(b, `{"id":`...), d.ID)
	field(`,"userId":`, d.UserID)
	b = appendString(append(b, `,"time":`...), d.Time)
	field(`,"serverPublicKey":`, d.ServerPublicKey)
	field(`,"salt":`, d.Salt)
	number(`,"protocol":`, int64(d.Protocol))
	field(`,"expires":`, d.Expires)
	number(`,"heartbeat":`, d.Heartbeat)
	number(`,"maxPayload":`, int64(d.MaxPayload))
	field(`,"server":`, d.Server)
	return append(b, '}')
}

// DecodeRooms decodes the data of a join or leave event, {rooms: string[]}. It decodes at
// most limit elements. It returns the names, the number of elements that are not strings,
// and the number of elements over the limit. It reports false if data has another form.
func DecodeRooms(data json.RawMessage, limit int) (names []string, bad, over int, ok bool) {
	var list []byte
	err := EachField(data, func(key, value []byte) {
		if string(key) == "rooms" {
			list = value
		}
	})
	if err != nil || len(list) == 0 || list[0] != '[' {
		return nil, 0, 0, false
	}
	n := 0
	eachElement(list, func(value []byte) {
		if n++; n > limit {
			over++
			return
		}
		if name, ok := stringValue(value); ok {
			names = append(names, name)
		} else {
			bad++
		}
	})
	return names, bad, over, true
}

// AppendMessage appends the JSON encoding of a message to dst, with the keys in the order
// event, data, room, from, id. Absent and empty fields are omitted. The data must be
// valid JSON; see [EncodeData].
func AppendMessage(dst []byte, m Message) []byte {
	dst = append(dst, `{"event":`...)
	dst = appendString(dst, m.Event)
	if m.Data != nil {
		dst = append(dst, `,"data":`...)
		dst = append(dst, m.Data...)
	}
	if m.Room != "" {
		dst = append(dst, `,"room":`...)
		dst = appendString(dst, m.Room)
	}
	if m.From != (Sender{}) {
		dst = append(dst, `,"from":`...)
		dst = m.From.append(dst)
	}
	if m.ID != "" {
		dst = append(dst, `,"id":`...)
		dst = appendString(dst, m.ID)
	}
	return append(dst, '}')
}

// MessageSize returns the number of bytes that [AppendMessage] appends, not counting the
// additional bytes of escapes.
func MessageSize(m Message) int {
	n := len(`{"event":""}`) + len(m.Event)
	if m.Data != nil {
		n += len(`,"data":`) + len(m.Data)
	}
	if m.Room != "" {
		n += len(`,"room":""`) + len(m.Room)
	}
	if m.From != (Sender{}) {
		n += len(`,"from":{"id":""}`) + len(m.From.ID)
		if m.From.UserID != "" {
			n += len(`,"userId":""`) + len(m.From.UserID)
		}
	}
	if m.ID != "" {
		n += len(`,"id":""`) + len(m.ID)
	}
	return n
}

// CheckSize returns an error that wraps [ErrTooLarge] if [MessageSize] of m exceeds
// limit.
func CheckSize(m Message, limit int) error {
	if n := MessageSize(m); n > limit {
		return fmt.Errorf("%w: %d bytes, but the limit is %d", ErrTooLarge, n, limit)
	}
	return nil
}

// Checked is JSON that the caller has already checked, such as a value that [EachField] has
// passed. [EncodeData] returns it without checking it again. If it is not valid as defined by
// [Valid], clients that receive it disconnect. Pass a pointer as data, because a slice in an
// interface would need memory of its own.
type Checked json.RawMessage

// EncodeData returns v as JSON for the data of a message. For a nil interface it returns
// nil, which means absent data; to send null, pass json.RawMessage("null"). A
// [json.RawMessage] is validated and returned without being copied. Any other value is
// encoded as by JavaScript's JSON.stringify: <, >, & and U+2028 are not escaped.
func EncodeData(v any) (json.RawMessage, error) {
	if v == nil {
		return nil, nil
	}
	if checked, ok := v.(*Checked); ok {
		return json.RawMessage(*checked), nil
	}
	if raw, ok := v.(json.RawMessage); ok {
		if raw == nil {
			return nil, nil
		}
		if err := Valid(raw); err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
		return raw, nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	text := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	// A Marshaler may return invalid UTF-8 in strings, and any value may be nested too
	// deep.
	if err := Valid(text); err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	return unescape(text), nil
}

// unescape replaces, in place, the escapes that encoding/json always writes for U+2028,
// U+2029 and invalid UTF-8 (U+FFFD) with the characters.
func unescape(text []byte) []byte {
	if !bytes.Contains(text, []byte(`\u202`)) && !bytes.Contains(text, []byte(`\ufffd`)) {
		return text
	}
	out := text[:0]
	for i := 0; i < len(text); {
		switch rest := text[i:]; {
		case bytes.HasPrefix(rest, []byte(`\u2028`)):
			out = append(out, "\u2028"...)
			i += 6
		case bytes.HasPrefix(rest, []byte(`\u2029`)):
			out = append(out, "\u2029"...)
			i += 6
		case bytes.HasPrefix(rest, []byte(`\ufffd`)):
			out = append(out, "\ufffd"...)
			i += 6
		case rest[0] == '\\': // skip the escaped character, so that \\u2028 is preserved
			out = append(out, rest[:2]...)
			i += 2
		default:
			out = append(out, rest[0])
			i++
		}
	}
	return out
}

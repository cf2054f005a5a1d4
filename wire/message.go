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
	// ErrFormat is wrapped by decoding errors for input that is not JSON text
	// in valid UTF-8, or that is nested deeper than [MaxDepth].
	ErrFormat = errors.New("not a JSON text")
	// ErrShape is wrapped by decoding errors for JSON that is not an object of
	// the expected shape: no event, an empty one, or one that is not a string.
	ErrShape = errors.New("not a message")
	// ErrTooLarge is wrapped by errors about a message that is over a limit.
	ErrTooLarge = errors.New("message too large")
)

// Message is what a client and a server exchange.
type Message struct {
	// Event names the message. It is never empty in a decoded message.
	Event string
	// Data is the payload as JSON text; nil when absent. After [DecodeMessage]
	// it shares memory with the input.
	Data json.RawMessage
	// ID marks a message that wants an answer, and the answer (protocol 2). In
	// protocol 1 it is the application's own. It is empty when absent or not a string.
	ID string
	// Room is the room that the message is meant for, or was sent to (protocol 2);
	// empty when absent or not a string.
	Room string
	// From is the client that the message was relayed for (protocol 2). A server
	// ignores it in what clients send.
	From Sender
}

// Decode stores the data of m in the value that v points to, as
// [encoding/json.Unmarshal] does. Absent data is an error. Errors are fit for a log:
// they name the type of a value that does not fit, and not the value.
func (m Message) Decode(v any) error {
	if m.Data == nil {
		return fmt.Errorf("event %.100q carries no data", m.Event)
	}
	if err := Decode(m.Data, v); err != nil {
		return fmt.Errorf("data of event %.100q: %w", m.Event, err)
	}
	return nil
}

// Decode stores JSON text in the value that v points to, as [encoding/json.Unmarshal]
// does. Where that would repeat a number that does not fit, however many digits it
// has, the error says "number".
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

// DecodeMessage reads the JSON text of one message. Unknown keys are ignored;
// of a key that comes twice the last counts; keys are case sensitive. The error
// wraps [ErrFormat] or [ErrShape]. The message's data shares memory with text.
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
	if m.Event, err = requireString(event, "event"); err != nil {
		return Message{}, err
	}
	m.ID, _ = stringValue(id)
	m.Room, _ = stringValue(room)
	if from != nil {
		m.From = senderValue(from)
	}
	return m, nil
}

// Authentication is what the protocol says about the data of an authenticate event.
// An application may send more.
type Authentication struct {
	Type, Token, PublicKey string
	// Protocol is the highest version that the client speaks; 1 when it does not say.
	Protocol int
	// Software names the client's program, as name/version; empty when it does not
	// say. It is for statistics and not to be trusted.
	Software string
}

// maxSoftware is how many characters of a client's name, and of its version, count.
const maxSoftware = 64

// softwareValue decodes {name, version}. The value has been through a scanner.
func softwareValue(value []byte) string {
	var name, version string
	if len(value) == 0 || value[0] != '{' {
		return ""
	}
	_ = EachField(value, func(key, value []byte) { // it has been checked
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

// DecodeAuthentication reads the data of an authenticate event. Fields that are missing
// or of another type have their zero values, as all have when data is not an object;
// Protocol is then 1.
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
			// Atoi accepts a sign and leading zeros; a scanner has refused the latter.
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

// ConnectedData is the data of a connected event. Protocol 1 has the fields up to Salt.
type ConnectedData struct {
	ID              string `json:"id"`
	UserID          string `json:"userId,omitempty"`
	Time            string `json:"time"` // in TimeFormat
	ServerPublicKey string `json:"serverPublicKey,omitempty"`
	Salt            string `json:"salt,omitempty"`

	Protocol int `json:"protocol,omitempty"`
	// Expires is when the session ends, in TimeFormat; empty if it does not.
	Expires string `json:"expires,omitempty"`
	// Heartbeat is after how many milliseconds of silence the server gives the client up.
	Heartbeat int64 `json:"heartbeat,omitempty"`
	// MaxPayload is the size in bytes of the largest message that the client may send.
	MaxPayload int `json:"maxPayload,omitempty"`
	// Server is the server's product and version.
	Server string `json:"server,omitempty"`
}

// DecodeRooms reads the data of a join or leave event, {rooms: string[]}. It decodes
// at most limit elements. It returns the names, how many elements were not strings,
// and how many were over the limit. Ok is false for data of another shape.
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

// AppendMessage appends the JSON text of a message to dst, with its keys in the order
// event, data, room, from, id. It leaves out what is absent or empty. The data must be
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

// MessageSize returns how many bytes [AppendMessage] needs at least; exactly
// that many when nothing has to be escaped.
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

// CheckSize returns an error that wraps [ErrTooLarge] if m takes more than limit
// bytes, as [MessageSize] counts them.
func CheckSize(m Message, limit int) error {
	if n := MessageSize(m); n > limit {
		return fmt.Errorf("%w: %d bytes, and the limit is %d", ErrTooLarge, n, limit)
	}
	return nil
}

// EncodeData returns v as the JSON text for a message's data. A nil interface
// means absent data and gives nil; to send null, pass json.RawMessage("null").
// A [json.RawMessage] is checked and returned as it is, not copied. Anything
// else is written as JavaScript's JSON.stringify would write it: <, >, & and
// U+2028 are not escaped.
func EncodeData(v any) (json.RawMessage, error) {
	if v == nil {
		return nil, nil
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
	// A Marshaler may return invalid UTF-8 within quotes, and anything may nest
	// too deep.
	if err := Valid(text); err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	return unescape(text), nil
}

// unescape turns the escapes that encoding/json insists on for U+2028, U+2029
// and, in place of bytes that are not UTF-8, U+FFFD back into the characters,
// in place.
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
		case rest[0] == '\\': // skip what is escaped, so that \\u2028 stays
			out = append(out, rest[:2]...)
			i += 2
		default:
			out = append(out, rest[0])
			i++
		}
	}
	return out
}

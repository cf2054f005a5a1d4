package wire

import (
	"bytes"
	"encoding/json"
)

// Sender is the client that a message was relayed for. The server sets it; a client
// cannot.
type Sender struct {
	ID     string `json:"id"`
	UserID string `json:"userId,omitempty"`
}

func (s Sender) append(dst []byte) []byte {
	dst = append(dst, `{"id":`...)
	dst = appendString(dst, s.ID)
	if s.UserID != "" {
		dst = append(dst, `,"userId":`...)
		dst = appendString(dst, s.UserID)
	}
	return append(dst, '}')
}

// senderValue decodes a sender; it is zero for anything else. The value has been
// through a scanner.
func senderValue(value []byte) (s Sender) {
	if len(value) == 0 || value[0] != '{' {
		return Sender{}
	}
	_ = EachField(value, func(key, value []byte) { // it has been checked
		switch string(key) {
		case "id":
			s.ID, _ = stringValue(value)
		case "userId":
			s.UserID, _ = stringValue(value)
		}
	})
	return s
}

// Stamp returns data with s as its last field, named from, in place of any that it
// had, so that clients of protocol 1 see who sent it. The values are copied as they
// are written. Data that is not an object is returned as it is. The data must be valid
// JSON; see [EncodeData].
func (s Sender) Stamp(data json.RawMessage) json.RawMessage {
	if !bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) {
		return data
	}
	out := append(make([]byte, 0, len(data)+len(`,"from":{"id":"","userId":""}`)+len(s.ID)+len(s.UserID)), '{')
	err := EachField(data, func(key, value []byte) {
		if string(key) == "from" {
			return
		}
		out = append(append(appendString(out, string(key)), ':'), value...)
		out = append(out, ',')
	})
	if err != nil {
		return data
	}
	out = append(out, `"from":`...)
	return append(s.append(out), '}')
}

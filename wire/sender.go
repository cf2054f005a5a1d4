package wire

import (
	"bytes"
	"encoding/json"
)

// Sender identifies the client for which a message was relayed. Only servers set it.
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

// senderValue decodes a sender, or returns zero if value is not one. The value must be
// valid JSON.
func senderValue(value []byte) (s Sender) {
	if len(value) == 0 || value[0] != '{' {
		return Sender{}
	}
	_ = EachField(value, func(key, value []byte) { // cannot fail, because value is valid
		switch string(key) {
		case "id":
			s.ID, _ = stringValue(value)
		case "userId":
			s.UserID, _ = stringValue(value)
		}
	})
	return s
}

// Stamp returns data with s as the last field, named from, replacing any fields of that
// name, so that clients of protocol 1 see the sender as well. If data is not an object,
// Stamp returns it unchanged. Values are copied byte for byte. The data must be valid JSON;
// see [EncodeData].
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

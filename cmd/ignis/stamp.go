package main

import (
	"bytes"
	"encoding/json"

	"github.com/ignis-go/ignis/wire"
)

// sender is what the server says of who sent a relayed message.
type sender struct {
	ID     string `json:"id"`
	UserID string `json:"userId,omitempty"`
}

// stamp returns the room that an object names, and the object with the sender
// as its last field in place of any from of the client's. Keys and values are
// copied as they are written, so that no number loses digits. The room is empty
// when data is no object or names none.
func stamp(data json.RawMessage, id, userID string) (room string, stamped json.RawMessage, err error) {
	from, err := wire.EncodeData(sender{id, userID})
	if err != nil {
		return "", nil, err
	}
	if len(data) == 0 || data[0] != '{' {
		return "", nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if _, err := dec.Token(); err != nil {
		return "", nil, err
	}
	out := append(make([]byte, 0, len(data)+len(from)+len(`,"from":`)), '{')
	for dec.More() {
		start := dec.InputOffset()
		key, err := dec.Token()
		if err != nil {
			return "", nil, err
		}
		written := bytes.TrimLeft(data[start:dec.InputOffset()], ", \t\r\n")
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return "", nil, err
		}
		switch key {
		case "from":
			continue
		case "room": // of a key that comes twice the last counts
			room = ""
			_ = json.Unmarshal(value, &room) // anything but a string names none
		}
		out = append(append(out, written...), ':')
		out = append(append(out, value...), ',')
	}
	out = append(append(append(out, `"from":`...), from...), '}')
	return room, out, nil
}

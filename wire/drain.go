package wire

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// Draining is the data of an event with [EventDraining], which announces that the server will
// close the connection for a planned reason, with [CloseGoingAway].
type Draining struct {
	// RetryAfter is the time from the event until the client should connect again. It
	// differs between clients, so that they do not all connect at the same time.
	RetryAfter time.Duration
}

// Encode returns the JSON encoding of d, with the time in milliseconds.
func (d Draining) Encode() json.RawMessage {
	return append(strconv.AppendInt([]byte(`{"retryAfter":`), max(d.RetryAfter.Milliseconds(), 0), 10), '}')
}

// DecodeDraining decodes the data of a draining event. It reports false if the data has no
// valid retryAfter.
func DecodeDraining(data json.RawMessage) (d Draining, ok bool) {
	err := EachField(data, func(key, value []byte) {
		if string(key) == "retryAfter" {
			ms, err := strconv.ParseFloat(string(value), 64)
			if ok = err == nil && ms >= 0 && ms <= maxRetryAfter; ok {
				d.RetryAfter = time.Duration(math.Round(ms)) * time.Millisecond
			}
		}
	})
	return d, err == nil && ok
}

// maxRetryAfter is the longest time in milliseconds that DecodeDraining accepts: a day.
const maxRetryAfter = 24 * 60 * 60 * 1000

// MaxServerID is the maximum length in bytes of the ID of a server.
const MaxServerID = 64

// Drain says which server closes its clients gradually and then shuts down.
type Drain struct {
	// ServerID is the ID of the server. Other servers ignore the command.
	ServerID string
}

// Check returns an error if d is invalid.
func (d Drain) Check() error {
	if d.ServerID == "" || len(d.ServerID) > MaxServerID || !utf8.ValidString(d.ServerID) {
		return fmt.Errorf("drain: the ID of the server must have 1 to %d bytes of UTF-8", MaxServerID)
	}
	return nil
}

// Encode returns the command for d. id identifies it; a server executes only the first
// command with an ID. d must be valid; see [Drain.Check].
func (d Drain) Encode(id string) EncodedCommand {
	data := append(appendString([]byte(`{"server":`), d.ServerID), '}')
	return EncodedCommand{Text: AppendCommand(nil, &Command{Name: CommandDrain, ID: id, Data: data})}
}

// Drain decodes the arguments of a [CommandDrain]. It returns only valid ones. Errors wrap
// [ErrFormat] or [ErrShape].
func (c *Command) Drain() (Drain, error) {
	if err := c.requireID(); err != nil {
		return Drain{}, err
	}
	var server []byte
	if err := EachField(c.Data, func(key, value []byte) {
		if string(key) == "server" {
			server = value
		}
	}); err != nil {
		return Drain{}, err
	}
	id, ok := stringValue(server)
	if !ok {
		return Drain{}, fmt.Errorf("%w: server must be a string", ErrShape)
	}
	d := Drain{ServerID: id}
	if err := d.Check(); err != nil {
		return Drain{}, fmt.Errorf("%w: %w", ErrShape, err)
	}
	return d, nil
}

package wire

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// MaxCloseReason is the maximum length in bytes of the reason in a close frame.
const MaxCloseReason = 123

// Disconnection says which clients are disconnected, and with which close frame.
type Disconnection struct {
	To Address
	// Code is the close code: 1000, 1008, or 4000 to 4999. Clients that are closed with
	// [CloseDisconnected] do not reconnect automatically.
	Code uint16
	// Reason is the text of the close frame, at most [MaxCloseReason] bytes.
	Reason string
}

// Check returns an error if d is invalid.
func (d Disconnection) Check() error {
	if err := d.To.Check(); err != nil {
		return fmt.Errorf("disconnect: %w", err)
	}
	if err := CheckClose(d.Code, d.Reason); err != nil {
		return fmt.Errorf("disconnect: %w", err)
	}
	if err := checkCommand(d.command()); err != nil {
		return fmt.Errorf("disconnect: %w", err)
	}
	return nil
}

// CheckClose returns an error unless an application may close clients with the code and the
// reason.
func CheckClose(code uint16, reason string) error {
	switch {
	case code != 1000 && code != 1008 && (code < 4000 || code > 4999):
		return fmt.Errorf("close code %d: want 1000, 1008 or 4000 to 4999", code)
	case len(reason) > MaxCloseReason:
		return fmt.Errorf("the reason has %d bytes: want at most %d", len(reason), MaxCloseReason)
	case !utf8.ValidString(reason):
		return errors.New("the reason is not valid UTF-8")
	}
	return nil
}

// Encode returns the command for d. id identifies it; a server executes only the first
// command with an ID. serverID is the ID of the server that has already executed it, or
// empty. d must be valid; see [Disconnection.Check].
func (d Disconnection) Encode(id, serverID string) EncodedCommand {
	c := d.command()
	c.ID, c.ServerID = id, serverID
	return EncodedCommand{Text: AppendCommand(nil, &c)}
}

func (d Disconnection) command() Command {
	data := strconv.AppendUint([]byte(`{"code":`), uint64(d.Code), 10)
	if d.Reason != "" {
		data = appendString(append(data, `,"reason":`...), d.Reason)
	}
	return Command{Name: CommandDisconnect, To: d.To, Data: append(data, '}')}
}

// Disconnection decodes the arguments of a [CommandDisconnect]. It returns only valid ones.
// Errors wrap [ErrFormat] or [ErrShape].
func (c *Command) Disconnection() (Disconnection, error) {
	if err := c.requireID(); err != nil {
		return Disconnection{}, err
	}
	d := Disconnection{To: c.To}
	var code, reason []byte
	if err := EachField(c.Data, func(key, value []byte) {
		switch string(key) {
		case "code":
			code = value
		case "reason":
			reason = value
		}
	}); err != nil {
		return Disconnection{}, err
	}
	n, err := strconv.ParseUint(string(code), 10, 16)
	if err != nil {
		return Disconnection{}, fmt.Errorf("%w: code must be a close code", ErrShape)
	}
	d.Code = uint16(n)
	if reason != nil {
		var ok bool
		if d.Reason, ok = stringValue(reason); !ok {
			return Disconnection{}, fmt.Errorf("%w: reason must be a string", ErrShape)
		}
	}
	if err := d.Check(); err != nil {
		return Disconnection{}, fmt.Errorf("%w: %w", ErrShape, err)
	}
	return d, nil
}

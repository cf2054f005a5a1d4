package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ChannelCommands is the Redis channel on which servers and emitters send commands to all
// servers; see [Command]. Ignis does not use it.
const ChannelCommands = "ignis:commands"

const (
	// CommandVersion is the version of the format of commands. Servers ignore commands of
	// later versions.
	CommandVersion = 1
	// MaxCommand is the maximum length of an encoded command, in bytes.
	MaxCommand = 16 << 10
)

// The names of commands.
const (
	CommandRevoke     = "revoke"     // revoke access; see [Revocation]
	CommandDisconnect = "disconnect" // disconnect clients; see [Disconnection]
	CommandJoin       = "join"       // add clients to rooms; see [RoomChange]
	CommandLeave      = "leave"      // remove clients from rooms; see [RoomChange]
	CommandDrain      = "drain"      // make a server drain; see [Drain]
)

// MaxCommandID is the maximum length in bytes of the ID of a command.
const MaxCommandID = 64

// ErrVersion is wrapped by the error for a command of a later version.
var ErrVersion = errors.New("unsupported version")

// Command tells all servers of a cluster to do something. Executing a command twice has the
// same effect as executing it once, because servers may receive a command repeatedly.
type Command struct {
	// Name says what to do, such as [CommandRevoke]. Servers ignore unknown names.
	Name string
	// ID identifies a command whose repetition would have an effect, so that a server can
	// ignore it. It has at most [MaxCommandID] bytes. It is empty for other commands.
	ID string
	// ServerID is the UUID of the server that has already executed the command, or empty.
	ServerID string
	// To is the address of the clients that the command is for, or zero.
	To Address
	// Data contains the arguments as JSON, or nil. After [DecodeCommand] it shares memory
	// with the input.
	Data json.RawMessage
}

// EncodedCommand is the text of a command and the time until which it must be stored for
// servers that start or reconnect later. If Until is zero, the command is not stored.
type EncodedCommand struct {
	Text  []byte
	Until time.Time
}

// requireID returns an error unless c has a valid ID.
func (c *Command) requireID() error {
	if c.ID == "" || len(c.ID) > MaxCommandID {
		return fmt.Errorf("%w: id must have 1 to %d bytes", ErrShape, MaxCommandID)
	}
	return nil
}

// checkCommand returns an error if the text of a command with these arguments would be too
// large with the longest ID.
func checkCommand(c Command) error {
	longest := strings.Repeat("x", MaxCommandID)
	c.ID, c.ServerID = longest, longest
	if n := len(AppendCommand(nil, &c)); n > MaxCommand {
		return fmt.Errorf("%w: %d bytes, but the limit for a command is %d", ErrTooLarge, n, MaxCommand)
	}
	return nil
}

// AppendCommand appends the JSON encoding of c to dst, with the keys in the order version,
// command, id, serverId, to, data. Empty fields are omitted. The data must be valid JSON.
func AppendCommand(dst []byte, c *Command) []byte {
	dst = append(dst, `{"version":`...)
	dst = strconv.AppendInt(dst, CommandVersion, 10)
	field := func(name, value string) {
		if value != "" {
			dst = appendString(append(dst, name...), value)
		}
	}
	field(`,"command":`, c.Name)
	field(`,"id":`, c.ID)
	field(`,"serverId":`, c.ServerID)
	if c.To != (Address{}) {
		field(`,"to":`, c.To.String())
	}
	if c.Data != nil {
		dst = append(dst, `,"data":`...)
		dst = append(dst, c.Data...)
	}
	return append(dst, '}')
}

// DecodeCommand decodes a command. It ignores unknown keys and accepts unknown names. Errors
// wrap [ErrTooLarge], [ErrFormat], [ErrShape] or [ErrVersion].
func DecodeCommand(text []byte) (Command, error) {
	if len(text) > MaxCommand {
		return Command{}, fmt.Errorf("%w: %d bytes, but the limit for a command is %d", ErrTooLarge, len(text), MaxCommand)
	}
	var version, name, id, server, to, data []byte
	err := EachField(text, func(key, value []byte) {
		switch string(key) {
		case "version":
			version = value
		case "command":
			name = value
		case "id":
			id = value
		case "serverId":
			server = value
		case "to":
			to = value
		case "data":
			data = value
		}
	})
	if err != nil {
		return Command{}, err
	}
	switch n, err := strconv.ParseUint(string(version), 10, 64); {
	case err != nil || n == 0:
		return Command{}, fmt.Errorf("%w: version must be a positive integer", ErrShape)
	case n > CommandVersion:
		return Command{}, fmt.Errorf("%w: the command has version %d, and this program supports version %d", ErrVersion, n, CommandVersion)
	}
	c := Command{Data: data}
	if c.Name, err = requireString(name, "command", new(string)); err != nil {
		return Command{}, err
	}
	c.ID, _ = stringValue(id)
	c.ServerID, _ = stringValue(server)
	if to != nil {
		address, _ := stringValue(to)
		if c.To, err = ParseAddress(address); err != nil {
			return Command{}, fmt.Errorf("%w: to: %w", ErrShape, err)
		}
	}
	return c, nil
}

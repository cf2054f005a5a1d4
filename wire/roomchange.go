package wire

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// RoomChange says which clients join or leave rooms without having asked for it.
type RoomChange struct {
	To Address
	// Rooms are the names of the rooms, at least one and at most [MaxCommandRooms].
	Rooms []string
	// Leave makes the clients leave the rooms instead of joining them.
	Leave bool
}

// MaxCommandRooms is the maximum number of rooms in a command. While a server changes the rooms of
// many clients, other commands wait.
const MaxCommandRooms = 128

// Check returns an error if r is invalid.
func (r RoomChange) Check() error {
	c := r.command()
	if err := r.To.Check(); err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	if len(r.Rooms) == 0 {
		return fmt.Errorf("%s: name at least one room", c.Name)
	}
	if len(r.Rooms) > MaxCommandRooms {
		return fmt.Errorf("%s: name at most %d rooms, and use several commands for more", c.Name, MaxCommandRooms)
	}
	for _, room := range r.Rooms {
		if room == "" || !utf8.ValidString(room) {
			return fmt.Errorf("%s: %w", c.Name, errRoomName)
		}
	}
	if err := checkCommand(c); err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	return nil
}

var errRoomName = errors.New("the name of a room must be valid UTF-8 and not empty")

// Encode returns the command for r. id identifies it; a server executes only the first
// command with an ID. serverID is the ID of the server that has already executed it, or
// empty. r must be valid; see [RoomChange.Check].
func (r RoomChange) Encode(id, serverID string) EncodedCommand {
	c := r.command()
	c.ID, c.ServerID = id, serverID
	return EncodedCommand{Text: AppendCommand(nil, &c)}
}

func (r RoomChange) command() Command {
	c := Command{Name: CommandJoin, To: r.To}
	if r.Leave {
		c.Name = CommandLeave
	}
	data := []byte(`{"rooms":[`)
	for i, room := range r.Rooms {
		if i > 0 {
			data = append(data, ',')
		}
		data = appendString(data, room)
	}
	c.Data = append(data, `]}`...)
	return c
}

// RoomChange decodes the arguments of a [CommandJoin] or a [CommandLeave]. It returns only
// valid ones. Errors wrap [ErrFormat] or [ErrShape].
func (c *Command) RoomChange() (RoomChange, error) {
	if err := c.requireID(); err != nil {
		return RoomChange{}, err
	}
	var rooms []byte
	if err := EachField(c.Data, func(key, value []byte) {
		if string(key) == "rooms" {
			rooms = value
		}
	}); err != nil {
		return RoomChange{}, err
	}
	r := RoomChange{To: c.To, Leave: c.Name == CommandLeave}
	ok := len(rooms) > 0 && rooms[0] == '['
	if ok {
		eachElement(rooms, func(value []byte) {
			room, isString := stringValue(value)
			ok = ok && isString
			r.Rooms = append(r.Rooms, room)
		})
	}
	if !ok {
		return RoomChange{}, fmt.Errorf("%w: rooms must be an array of strings", ErrShape)
	}
	if err := r.Check(); err != nil {
		return RoomChange{}, fmt.Errorf("%w: %w", ErrShape, err)
	}
	return r, nil
}

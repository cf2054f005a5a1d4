package wire

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Type is the kind of recipients that an [Address] names.
type Type string

// The types of addresses. Servers ignore envelopes of any other type.
const (
	TypeClient    Type = "client"
	TypeUser      Type = "user"
	TypeRoom      Type = "room"
	TypeBroadcast Type = "broadcast"
)

// Address identifies the recipients of a message. The zero Address is invalid; see
// [Address.Check]. Addresses can be compared with ==.
type Address struct {
	Type Type
	// Name is the client ID, the user ID or the room. It is empty for a broadcast.
	Name string
}

// ToClient returns the address of the client with the ID.
func ToClient(id string) Address { return Address{TypeClient, id} }

// ToUser returns the address of all sessions of the user.
func ToUser(id string) Address { return Address{TypeUser, id} }

// ToRoom returns the address of all members of the room.
func ToRoom(name string) Address { return Address{TypeRoom, name} }

// ToEveryone returns the address of all authenticated clients.
func ToEveryone() Address { return Address{Type: TypeBroadcast} }

// Check returns an error if a is invalid: it is the zero Address, its type is unknown, a
// name is missing or superfluous, or the name is not valid UTF-8.
func (a Address) Check() error {
	switch a.Type {
	case TypeClient, TypeUser, TypeRoom:
		if a.Name == "" {
			return fmt.Errorf("the address of type %s has no name", a.Type)
		}
		if !utf8.ValidString(a.Name) {
			return fmt.Errorf("the name in the address of type %s is not valid UTF-8", a.Type)
		}
	case TypeBroadcast:
		if a.Name != "" {
			return errors.New("the address of type broadcast must not have a name")
		}
	case "":
		return errors.New("the address is the zero value: name a client, a user, a room or everyone")
	default:
		return fmt.Errorf("address type %.20q: want client, user, room or broadcast", a.Type)
	}
	return nil
}

// Excludes reports whether clients can be excluded from a message to a. A message to a
// client or a user always reaches all recipients.
func (a Address) Excludes() bool { return a.Type == TypeRoom || a.Type == TypeBroadcast }

// Channel returns the Redis channel for envelopes to a. For an unknown type it is
// [ChannelBroadcast].
func (a Address) Channel() string {
	switch a.Type {
	case TypeClient:
		return clientPrefix + a.Name
	case TypeUser:
		return userPrefix + a.Name
	case TypeRoom:
		return roomPrefix + a.Name
	}
	return ChannelBroadcast
}

// everyone is the text form of a broadcast.
const everyone = "everyone"

// String returns the text form of a: client:ID, user:ID, room:NAME or everyone.
func (a Address) String() string {
	if a.Type == TypeBroadcast && a.Name == "" {
		return everyone
	}
	return string(a.Type) + ":" + a.Name
}

// ParseAddress parses the text form that [Address.String] returns. It returns only valid
// addresses; see [Address.Check].
func ParseAddress(text string) (Address, error) {
	if text == everyone {
		return ToEveryone(), nil
	}
	kind, name, ok := strings.Cut(text, ":")
	a := Address{Type(kind), name}
	if !ok || a.Type == TypeBroadcast {
		return Address{}, fmt.Errorf("address %.100q: want client:ID, user:ID, room:NAME or everyone", text)
	}
	if err := a.Check(); err != nil {
		return Address{}, err
	}
	return a, nil
}

// MarshalText returns the text form of a, for flags, JSON and configuration files.
func (a Address) MarshalText() ([]byte, error) {
	if err := a.Check(); err != nil {
		return nil, err
	}
	return []byte(a.String()), nil
}

// UnmarshalText parses the text form of an address; see [ParseAddress].
func (a *Address) UnmarshalText(text []byte) (err error) {
	*a, err = ParseAddress(string(text))
	return err
}

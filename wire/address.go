package wire

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Type says what kind of receiver an [Address] names.
type Type string

// The types of addresses. Servers ignore envelopes of any other type.
const (
	TypeClient    Type = "client"
	TypeUser      Type = "user"
	TypeRoom      Type = "room"
	TypeBroadcast Type = "broadcast"
)

// Address names the clients that a message is for. The zero Address names nobody;
// [Address.Check] rejects it. Addresses can be compared with ==.
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

// Check returns an error if a names nobody: it is the zero Address, it has no name
// where one is needed or one where none belongs, its name is not valid UTF-8, or its
// type is unknown.
func (a Address) Check() error {
	switch a.Type {
	case TypeClient, TypeUser, TypeRoom:
		if a.Name == "" {
			return fmt.Errorf("the address names no %s", a.Type)
		}
		if !utf8.ValidString(a.Name) {
			return fmt.Errorf("the address names a %s that is not valid UTF-8", a.Type)
		}
	case TypeBroadcast:
		if a.Name != "" {
			return errors.New("a broadcast has no name")
		}
	case "":
		return errors.New("the address is the zero value: name a client, a user, a room or everyone")
	default:
		return fmt.Errorf("address type %.20q: want client, user, room or broadcast", a.Type)
	}
	return nil
}

// Excludes reports whether a message to a may leave out some clients. A message to a
// client or to a user always reaches those it names.
func (a Address) Excludes() bool { return a.Type == TypeRoom || a.Type == TypeBroadcast }

// Channel returns the Redis channel for envelopes to a. For a type that this package
// does not know it is [ChannelBroadcast].
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

// ParseAddress reads the text form that [Address.String] returns. The address it
// returns passes [Address.Check].
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

// UnmarshalText sets a from its text form; see [ParseAddress].
func (a *Address) UnmarshalText(text []byte) (err error) {
	*a, err = ParseAddress(string(text))
	return err
}

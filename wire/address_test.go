package wire_test

import (
	"encoding/json"
	"testing"

	"github.com/ignis-go/ignis/wire"
)

func TestAddressText(t *testing.T) {
	for text, want := range map[string]wire.Address{
		"client:c1":     wire.ToClient("c1"),
		"user:a:b":      wire.ToUser("a:b"),
		"room:lobby":    wire.ToRoom("lobby"),
		"room:everyone": wire.ToRoom("everyone"),
		"everyone":      wire.ToEveryone(),
	} {
		got, err := wire.ParseAddress(text)
		if err != nil || got != want || got.String() != text || got.Check() != nil {
			t.Errorf("ParseAddress(%q) = %v, %v", text, got, err)
		}
		var decoded []wire.Address
		b, err := json.Marshal([]wire.Address{want})
		if err == nil {
			err = json.Unmarshal(b, &decoded)
		}
		if err != nil || len(decoded) != 1 || decoded[0] != want {
			t.Errorf("%s as JSON: %s, %v, %v", text, b, decoded, err)
		}
	}
	for _, text := range []string{"", "lobby", "room:", "user", "broadcast:", "broadcast:x", "everyone:", "Room:x", "galaxy:x", "room:\xff", "client:"} {
		if a, err := wire.ParseAddress(text); err == nil || a != (wire.Address{}) {
			t.Errorf("ParseAddress(%q) = %v, %v", text, a, err)
		}
	}
}

func TestAddressCheck(t *testing.T) {
	for _, a := range []wire.Address{
		{},
		{Name: "x"},
		wire.ToClient(""), wire.ToUser(""), wire.ToRoom(""), wire.ToRoom("\xff"),
		{Type: wire.TypeBroadcast, Name: "x"},
		{Type: "galaxy", Name: "x"},
	} {
		if a.Check() == nil {
			t.Errorf("%#v passes", a)
		}
		if text, err := a.MarshalText(); err == nil {
			t.Errorf("%#v becomes %s", a, text)
		}
	}
	for a, want := range map[wire.Address]bool{
		wire.ToClient("x"): false, wire.ToUser("x"): false, wire.ToRoom("x"): true, wire.ToEveryone(): true,
	} {
		if a.Check() != nil || a.Excludes() != want {
			t.Errorf("%v: %v, Excludes is %v", a, a.Check(), a.Excludes())
		}
	}
}

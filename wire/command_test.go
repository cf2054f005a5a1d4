package wire_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ignis-go/ignis/wire"
)

func TestRevocationsInCommands(t *testing.T) {
	until, before := time.UnixMilli(1800000000123), time.UnixMilli(1700000000000)
	for want, r := range map[string]wire.Revocation{
		`{"version":1,"command":"revoke","to":"user:ann","data":{"until":"2027-01-15T08:00:00.123Z"}}`:                                               {UserID: "ann", Until: until},
		`{"version":1,"command":"revoke","to":"user:a\"\n<é","data":{"issuedBefore":"2023-11-14T22:13:20.000Z","until":"2027-01-15T08:00:00.123Z"}}`: {UserID: "a\"\n<é", IssuedBefore: before, Until: until},
		`{"version":1,"command":"revoke","to":"client:1","data":{"until":"2027-01-15T08:00:00.123Z"}}`:                                               {ClientID: "1", Until: until},
		`{"version":1,"command":"revoke","data":{"token":"t:1","until":"2027-01-15T08:00:00.123Z"}}`:                                                 {TokenID: "t:1", Until: until},
		`{"version":1,"command":"revoke","to":"everyone","data":{"issuedBefore":"2023-11-14T22:13:20.000Z","until":"2027-01-15T08:00:00.123Z"}}`:     {Everyone: true, IssuedBefore: before, Until: until},
	} {
		if err := r.Check(); err != nil {
			t.Errorf("%+v: %v", r, err)
		}
		e := r.Encode()
		if string(e.Text) != want || !e.Until.Equal(until) {
			t.Errorf("encoded as %s until %v\n    want %s", e.Text, e.Until, want)
		}
		// Fractions of a millisecond are rounded up.
		r.Until = r.Until.Add(-999_999)
		if !r.IssuedBefore.IsZero() {
			r.IssuedBefore = r.IssuedBefore.Add(-1)
		}
		if e := r.Encode(); string(e.Text) != want || !e.Until.Equal(until) {
			t.Errorf("encoded as %s until %v, not rounded up", e.Text, e.Until)
		}
		c, err := wire.DecodeCommand(e.Text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.Revocation()
		if err != nil || string(got.Encode().Text) != want {
			t.Errorf("%s: decoded as %+v, %v", want, got, err)
		}
	}
}

func TestInvalidRevocations(t *testing.T) {
	now := time.Now()
	for name, r := range map[string]wire.Revocation{
		"nothing":               {Until: now},
		"two":                   {UserID: "a", TokenID: "b", Until: now},
		"everyone and one":      {Everyone: true, UserID: "a", IssuedBefore: now, Until: now},
		"everyone":              {Everyone: true, Until: now},
		"no time":               {UserID: "a"},
		"a token before":        {TokenID: "a", IssuedBefore: now, Until: now},
		"a client before":       {ClientID: "a", IssuedBefore: now, Until: now},
		"too long":              {UserID: strings.Repeat("x", wire.MaxRevokedName+1), Until: now},
		"not UTF-8":             {UserID: "\xff", Until: now},
		"before 1970":           {UserID: "a", Until: time.Unix(-1, 0)},
		"after 9999":            {UserID: "a", Until: time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)},
		"issued before 1970":    {UserID: "a", IssuedBefore: time.Unix(-1, 0), Until: now},
		"issued in a far year":  {UserID: "a", IssuedBefore: time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC), Until: now},
		"a time that overflows": {UserID: "a", Until: time.Unix(1<<62, 0)},
	} {
		if r.Check() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestCommandsOnClients(t *testing.T) {
	for want, c := range map[string]wire.EncodedCommand{
		`{"version":1,"command":"disconnect","id":"i","serverId":"s","to":"user:ann","data":{"code":4006,"reason":"a \"b\" é"}}`: wire.Disconnection{To: wire.ToUser("ann"), Code: 4006, Reason: "a \"b\" é"}.Encode("i", "s"),
		`{"version":1,"command":"disconnect","id":"i","to":"everyone","data":{"code":1000}}`:                                     wire.Disconnection{To: wire.ToEveryone(), Code: 1000}.Encode("i", ""),
		`{"version":1,"command":"join","id":"i","serverId":"s","to":"client:c","data":{"rooms":["a","\"b"]}}`:                    wire.RoomChange{To: wire.ToClient("c"), Rooms: []string{"a", `"b`}}.Encode("i", "s"),
		`{"version":1,"command":"leave","id":"i","to":"room:r","data":{"rooms":["r"]}}`:                                          wire.RoomChange{To: wire.ToRoom("r"), Rooms: []string{"r"}, Leave: true}.Encode("i", ""),
	} {
		if string(c.Text) != want || !c.Until.IsZero() {
			t.Errorf("encoded as %s until %v\n    want %s", c.Text, c.Until, want)
		}
	}
}

// A command may have MaxCommand bytes, including the longest ID.
func TestLargestCommand(t *testing.T) {
	id := strings.Repeat("i", wire.MaxCommandID)
	r := wire.RoomChange{To: wire.ToUser("ann"), Rooms: []string{"x"}}
	r.Rooms[0] = strings.Repeat("x", wire.MaxCommand-len(r.Encode(id, id).Text)+1)
	if err := r.Check(); err != nil || len(r.Encode(id, id).Text) != wire.MaxCommand {
		t.Errorf("%d bytes: %v", len(r.Encode(id, id).Text), err)
	}
	r.Rooms[0] += "x"
	if err := r.Check(); !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("one byte more: %v", err)
	}
}

// A command with more rooms than MaxCommandRooms is neither sent nor accepted.
func TestManyRoomsInACommand(t *testing.T) {
	r := wire.RoomChange{To: wire.ToEveryone()}
	for i := range wire.MaxCommandRooms {
		r.Rooms = append(r.Rooms, fmt.Sprint("room-", i))
	}
	if err := r.Check(); err != nil {
		t.Error(err)
	}
	r.Rooms = append(r.Rooms, "one-more")
	if r.Check() == nil {
		t.Error("no error")
	}
	c, err := wire.DecodeCommand(r.Encode("i", "").Text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.RoomChange(); !errors.Is(err, wire.ErrShape) {
		t.Errorf("decoded: %v", err)
	}
}

func TestCommands(t *testing.T) {
	c := wire.Command{Name: "join", ID: "1", ServerID: "2", To: wire.ToUser("ann"), Data: []byte(`{"rooms":["lobby"]}`)}
	text := wire.AppendCommand(nil, &c)
	if want := `{"version":1,"command":"join","id":"1","serverId":"2","to":"user:ann","data":{"rooms":["lobby"]}}`; string(text) != want {
		t.Errorf("encoded as %s", text)
	}
	got, err := wire.DecodeCommand(text)
	if d := cmp.Diff(c, got); err != nil || d != "" {
		t.Errorf("decoded with %v (-want +got):\n%s", err, d)
	}
	for text, want := range map[string]error{
		`{"version":2,"command":"x"}`:               wire.ErrVersion,
		`{"version":2}`:                             wire.ErrVersion,
		`{"version":1}`:                             wire.ErrShape,
		`{"command":"x"}`:                           wire.ErrShape,
		`{"version":1,"command":"x","to":"planet"}`: wire.ErrShape,
		`[]`: wire.ErrShape,
		`{`:  wire.ErrFormat,
		strings.Repeat(" ", wire.MaxCommand) + `{}`: wire.ErrTooLarge,
	} {
		if _, err := wire.DecodeCommand([]byte(text)); !errors.Is(err, want) {
			t.Errorf("%.50s: %v, want %v", text, err, want)
		}
	}
	if _, err := wire.DecodeCommand([]byte(`{"version":1,"command":"x","new":{}}`)); err != nil {
		t.Errorf("an unknown key: %v", err)
	}
}

// Arguments that were decoded are valid, and encoding them gives equal ones.
func FuzzDecodeCommand(f *testing.F) {
	until := time.UnixMilli(1800000000123)
	for _, r := range []wire.Revocation{{UserID: "ann", Until: until}, {TokenID: "t", Until: until}, {Everyone: true, IssuedBefore: until, Until: until}} {
		f.Add(r.Encode().Text)
	}
	f.Add(wire.Disconnection{To: wire.ToUser("ann"), Code: 4006, Reason: "bye"}.Encode("1", "2").Text)
	f.Add(wire.RoomChange{To: wire.ToRoom("a"), Rooms: []string{"b", "c"}}.Encode("1", "").Text)
	f.Add(wire.RoomChange{To: wire.ToEveryone(), Rooms: []string{"b"}, Leave: true}.Encode("1", "").Text)
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := wire.DecodeCommand(text)
		if err != nil {
			return
		}
		if _, err := wire.DecodeCommand(wire.AppendCommand(nil, &c)); err != nil && len(text) < wire.MaxCommand/8 {
			t.Errorf("%s: %v", wire.AppendCommand(nil, &c), err)
		}
		if d, err := c.Disconnection(); err == nil {
			again, err := wire.DecodeCommand(d.Encode(c.ID, c.ServerID).Text)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := again.Disconnection(); err != nil || got != d || d.Check() != nil {
				t.Errorf("%+v became %+v, %v", d, got, err)
			}
		}
		if r, err := c.RoomChange(); err == nil {
			again, err := wire.DecodeCommand(r.Encode(c.ID, c.ServerID).Text)
			if err != nil {
				t.Fatal(err)
			}
			got, err := again.RoomChange()
			r.Leave = again.Name == wire.CommandLeave
			if d := cmp.Diff(r, got); err != nil || d != "" || r.Check() != nil {
				t.Errorf("decoded with %v (-want +got):\n%s", err, d)
			}
		}
		r, err := c.Revocation()
		if err != nil {
			return
		}
		if err := r.Check(); err != nil {
			t.Error(err)
		}
		again, err := wire.DecodeCommand(r.Encode().Text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := again.Revocation(); err != nil || string(got.Encode().Text) != string(r.Encode().Text) {
			t.Errorf("%+v became %+v, %v", r, got, err)
		}
	})
}

package ignis_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// The reasons for refused joins, as they are counted.
const (
	refusedMalformed = "malformed request"
	refusedName      = "name not allowed"
	refusedOther     = "another client's id"
	refusedMany      = "too many names in one request"
	refusedByApp     = "not allowed by the application"
	refusedFull      = "in too many rooms"
)

// rooms returns the rooms of a client, except the default rooms.
func (p *peer) rooms() []string {
	p.t.Helper()
	synctest.Wait()
	c, ok := p.Client(p.id)
	if !ok {
		p.t.Fatal("the client is not connected")
	}
	want := []string{p.id, wire.RoomDefault, wire.RoomNotification}
	if len(c.Rooms) < 3 || !slices.Equal(c.Rooms[:3], want) {
		p.t.Errorf("in rooms %q, which do not start with %q", c.Rooms, want)
		return nil
	}
	return c.Rooms[3:]
}

func names(names ...string) string {
	data, _ := json.Marshal(append([]string{}, names...))
	return `{"rooms":` + string(data) + `}`
}

func TestJoin(t *testing.T) {
	long := strings.Repeat("é", 255) // characters, not bytes
	many := make([]string, 130)
	for i := range many {
		many[i] = fmt.Sprint("room", i)
	}
	for name, row := range map[string]struct {
		data    string // data of the join
		joined  []string
		refused map[string]uint64
	}{
		"two":                 {names("a", "b"), []string{"a", "b"}, nil},
		"the same twice":      {names("a", "b", "a"), []string{"a", "b"}, nil},
		"an additional key":   {`{"rooms":["a"],"other":1}`, []string{"a"}, nil},
		"none":                {names(), nil, nil},
		"no data":             {``, nil, map[string]uint64{refusedMalformed: 1}},
		"data is null":        {`null`, nil, map[string]uint64{refusedMalformed: 1}},
		"data is an array":    {`["a"]`, nil, map[string]uint64{refusedMalformed: 1}},
		"data is a string":    {`"a"`, nil, map[string]uint64{refusedMalformed: 1}},
		"no rooms":            {`{}`, nil, map[string]uint64{refusedMalformed: 1}},
		"rooms in capitals":   {`{"Rooms":["a"]}`, nil, map[string]uint64{refusedMalformed: 1}},
		"rooms is null":       {`{"rooms":null}`, nil, map[string]uint64{refusedMalformed: 1}},
		"rooms is a string":   {`{"rooms":"a"}`, nil, map[string]uint64{refusedMalformed: 1}},
		"rooms is an object":  {`{"rooms":{"0":"a"}}`, nil, map[string]uint64{refusedMalformed: 1}},
		"other elements":      {`{"rooms":[1,null,["a"],{"a":1},true,"b"]}`, []string{"b"}, map[string]uint64{refusedName: 5}},
		"an empty name":       {names("", "a"), []string{"a"}, map[string]uint64{refusedName: 1}},
		"256 characters":      {names(long + "x"), []string{long + "x"}, nil},
		"257 characters":      {names(long + "xx"), nil, map[string]uint64{refusedName: 1}},
		"256 in UTF-16":       {names(strings.Repeat("🔥", 128)), []string{strings.Repeat("🔥", 128)}, nil},
		"258 in UTF-16":       {names(strings.Repeat("🔥", 129)), nil, map[string]uint64{refusedName: 1}},
		"reserved names":      {names("ws:", "ws:room:a", "ws-x", "WS:x", " ws:"), []string{"ws-x", "WS:x", " ws:"}, map[string]uint64{refusedName: 2}},
		"not allowed":         {names("private-a", "a"), []string{"a"}, map[string]uint64{refusedByApp: 1}},
		"not allowed twice":   {names("private-a", "private-a"), nil, map[string]uint64{refusedByApp: 1}},
		"validator fails":     {names("fail", "a"), nil, map[string]uint64{refusedByApp: 2}},
		"validator panics":    {names("panic", "a"), nil, map[string]uint64{refusedByApp: 2}},
		"more than requested": {names("greedy"), []string{"greedy"}, nil},
		"too many names":      {names(many...), many[:125], map[string]uint64{refusedMany: 2, refusedFull: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				n := startMem(t, ignis.Config{ValidateRooms: validate, MaxRooms: 125})
				p := n.login("ann")
				p.join(row.data)
				if got := p.rooms(); !slices.Equal(got, row.joined) {
					t.Errorf("joined %q, want %q", got, row.joined)
				}
				p.only() // nothing is sent
				if got := n.Stats().RefusedJoins; !maps.Equal(got, row.refused) {
					t.Errorf("refused %v, want %v", got, row.refused)
				}
				for reason := range row.refused {
					if !n.log.Has("join refused: " + reason) {
						t.Errorf("not in the log: %s", reason)
					}
				}
				if got := n.Stats().Rooms; got != 2+len(row.joined) {
					t.Errorf("%d rooms in the index", got)
				}
			})
		})
	}
}

func (p *peer) join(data string) {
	if data != "" {
		data = `,"data":` + data
	}
	p.text(`{"event":"join"` + data + `}`)
}

// validate fails, panics, refuses and allows too much.
func validate(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) {
	switch {
	case slices.Contains(rooms, "fail"):
		return rooms, errors.New("no database")
	case slices.Contains(rooms, "panic"):
		panic("no luck")
	case slices.Contains(rooms, "greedy"):
		rooms[0] = "everything" // it may modify its argument
		return []string{"everything", "ws:room:a", "greedy", "greedy", ""}, nil
	}
	allowed := slices.DeleteFunc(rooms, func(room string) bool { return strings.HasPrefix(room, "private-") })
	return allowed, nil
}

func TestNoValidatorRefusesEveryJoin(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{})
		p := n.login("ann")
		p.join(names("a", "b"))
		if got := p.rooms(); len(got) > 0 || n.Stats().RefusedJoins[refusedByApp] != 2 {
			t.Errorf("joined %q", got)
		}
	})
}

// A client that joined a room named by another client's ID could eavesdrop.
func TestNoClientJoinsTheRoomOfAnother(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n, elsewhere := startMem(t, ignis.Config{ValidateRooms: allRooms}), startMem(t, ignis.Config{})
		p, here, there := n.login("ann"), n.login("bob"), elsewhere.login("cat")
		waiting := n.connect()
		synctest.Wait()
		var unauthorized string
		for _, c := range n.Clients() {
			if c.State == ignis.StateUnauthorized {
				unauthorized = c.ID
			}
		}
		free := "7b0a1f9c-3d5e-4c2b-9a8d-1e2f3a4b5c6d" // a UUID, but not a client ID
		p.join(names(here.id, there.id, unauthorized, strings.ToUpper(there.id), free, p.id))
		if got := p.rooms(); !slices.Equal(got, []string{free}) || n.Stats().RefusedJoins[refusedOther] != 4 {
			t.Errorf("joined %q; refused %v", got, n.Stats().RefusedJoins)
		}
		_ = n.SendLocal(ignis.ToRoom(here.id), "x", 1)
		here.only(`{"event":"x","data":1}`)
		p.only()
		waiting.only()
	})
}

func TestRoomLimits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		asked := 0
		n := startMem(t, ignis.Config{MaxRooms: 3, MaxRoomsPerRequest: 2, ValidateRooms: func(_ context.Context, _ *ignis.Client, rooms []string) ([]string, error) {
			asked += len(rooms)
			return rooms, nil
		}})
		p := n.login("ann")
		p.join(names("a", "b", "c"))
		p.join(names("c", "d"))
		if got := p.rooms(); !slices.Equal(got, []string{"a", "b", "c"}) || asked != 4 {
			t.Errorf("joined %q, and %d names were validated", got, asked)
		}
		p.text(`{"event":"leave","data":` + names("a", "b", "c") + `}`)
		p.join(names("d"))
		if got := p.rooms(); !slices.Equal(got, []string{"c", "d"}) {
			t.Errorf("in %q", got)
		}
		if n.Stats().RefusedLeaves != 1 || !n.log.Has("leave refused: "+refusedMany) {
			t.Errorf("counted %+v", n.Stats())
		}
		if err := n.Join(p.id, "e", "f"); err != nil { // no limit for the application
			t.Error(err)
		}
		if got := p.rooms(); !slices.Equal(got, []string{"c", "d", "e", "f"}) {
			t.Errorf("in %q", got)
		}
		if want := map[string]uint64{refusedMany: 1, refusedFull: 1}; !maps.Equal(n.Stats().RefusedJoins, want) {
			t.Errorf("refused %v, want %v", n.Stats().RefusedJoins, want)
		}
	})
}

func TestLeave(t *testing.T) {
	for name, row := range map[string]struct {
		data    string
		left    []string // rooms that it is in afterwards
		ignored uint64
	}{
		"one":              {names("a"), []string{"b"}, 0},
		"both and another": {names("b", "x", "a"), nil, 0},
		"none":             {names(), []string{"a", "b"}, 0},
		"a number as well": {`{"rooms":[1,"a"]}`, []string{"b"}, 0},
		"its own ID":       {`{"rooms":["ID"]}`, []string{"a", "b"}, 0},
		"a string":         {`{"rooms":"a"}`, []string{"a", "b"}, 1},
		"null":             {`null`, []string{"a", "b"}, 1},
		"an array":         {`["a"]`, []string{"a", "b"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				n := startMem(t, ignis.Config{ValidateRooms: allRooms})
				p := n.login("ann")
				p.join(names("a", "b"))
				p.text(`{"event":"leave","data":` + strings.ReplaceAll(row.data, "ID", p.id) + `}`)
				if got := p.rooms(); !slices.Equal(got, row.left) {
					t.Errorf("in %q, want %q", got, row.left)
				}
				p.only()
				s := n.Stats()
				if s.Ignored != row.ignored || len(s.RefusedJoins) > 0 || s.Rooms != 2+len(row.left) {
					t.Errorf("counted %+v", s)
				}
				_ = n.SendLocal(ignis.ToRoom("a"), "x", 1)
				if got := len(p.got()); (got == 1) != slices.Contains(row.left, "a") {
					t.Errorf("%d messages to the room arrived", got)
				}
			})
		})
	}
}

// Empty rooms and users without clients are removed from the indexes immediately.
func TestEmptyIndexesAreRemoved(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{DefaultRooms: []string{}, ValidateRooms: allRooms})
		p, q := n.login("ann"), n.login("ann")
		p.join(names("a"))
		q.join(names("a", "b"))
		check := func(clients, users, rooms int) {
			t.Helper()
			synctest.Wait()
			if s := n.Stats(); s.Clients != clients || s.Authenticated != clients || s.Users != users || s.Rooms != rooms {
				t.Errorf("%d of %d clients, %d users, %d rooms; want %d, %d, %d",
					s.Authenticated, s.Clients, s.Users, s.Rooms, clients, users, rooms)
			}
			if len(n.Clients()) != clients || len(n.ClientsOfUser("ann")) != clients {
				t.Error("lookups find other clients")
			}
		}
		check(2, 1, 2)
		p.text(`{"event":"leave","data":` + names("a") + `}`)
		check(2, 1, 2)
		_ = q.conn.Close()
		check(1, 1, 0)
		p.join(names("c"))
		_ = n.Disconnect(p.id, 1000, "")
		check(0, 0, 0)
	})
}

func TestServerJoinAndLeave(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{})
		p, stranger := n.login("ann"), n.connect()
		synctest.Wait()
		for _, c := range n.Clients() {
			err := n.Join(c.ID, "a", "b", "a", "")
			if stranger := c.ID != p.id; errors.Is(err, ignis.ErrNoClient) != stranger {
				t.Errorf("stranger: %v, %v", stranger, err)
			}
		}
		for _, err := range []error{
			n.Join(p.id, "a"), n.Join(p.id, "ws:any name"), n.Join(p.id),
			n.Leave(p.id, "b", "b", "c", "", p.id), n.Leave(p.id, "b"),
		} {
			if err != nil {
				t.Error(err)
			}
		}
		for _, err := range []error{n.Join("nobody", "a"), n.Leave("nobody", "a"), n.Disconnect("nobody", 4000, "")} {
			if !errors.Is(err, ignis.ErrNoClient) {
				t.Errorf("nobody: %v", err)
			}
		}
		if !n.InRoom(p.id, "a") || n.InRoom(p.id, "b") || n.InRoom("nobody", "a") || !n.InRoom(p.id, p.id) {
			t.Error("InRoom is wrong")
		}
		if got := p.rooms(); !slices.Equal(got, []string{"a", "ws:any name"}) || len(n.ClientsInRoom("a")) != 1 || n.Stats().Rooms != 4 {
			t.Errorf("in %q", got)
		}
		stranger.only()
	})
}

func TestDefaultRooms(t *testing.T) {
	for name, row := range map[string]struct{ cfg, want []string }{
		"default": {nil, []string{"ws-default", "ws-notification"}},
		"none":    {[]string{}, []string{}},
		"own":     {[]string{"x", "ws:y", "x"}, []string{"x", "ws:y"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				n := startMem(t, ignis.Config{DefaultRooms: row.cfg})
				id := n.login("ann").id
				if c, _ := n.Client(id); !slices.Equal(c.Rooms[1:], row.want) {
					t.Errorf("in %q", c.Rooms)
				}
			})
		})
	}
}

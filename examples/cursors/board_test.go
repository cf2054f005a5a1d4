package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/ignis-go/ignis/examples/ignisjs"
	"github.com/ignis-go/ignis/ignistest"
	"github.com/ignis-go/ignis/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// table is a board whose server runs in memory.
type table struct {
	*Board
	*ignistest.Server
}

func newTable(t *testing.T) table {
	t.Helper()
	b, err := NewBoard()
	if err != nil {
		t.Fatal(err)
	}
	return table{b, ignistest.Start(t, b.server, b.routes())}
}

// snapshot is the data of the event "board".
type snapshot struct {
	Notes  []Note
	People []Person
}

// enter connects somebody to the board.
func (tb table) enter(t *testing.T, name string) (*ignistest.Client, snapshot) {
	t.Helper()
	c := tb.Dial(t, map[string]string{"name": name})
	c.Join(cursorsRoom, notesRoom)
	var s snapshot
	c.Expect("board", &s)
	return c, s
}

func TestPeopleAndNotes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := newTable(t)
		ann, _ := tb.enter(t, "Ann")
		ben, seen := tb.enter(t, "Ben")
		if len(seen.People) != 2 || len(seen.Notes) != 3 || seen.People[0].Color == seen.People[1].Color {
			t.Errorf("Ben sees %+v", seen)
		}
		var p Person
		if ann.Expect("here", &p); p.Name != "Ben" || p.ID != ben.ID() {
			t.Errorf("Ann is told about %+v", p)
		}

		// A cursor moves for the others only, and nobody can move another's.
		ann.Request("move", Move{ID: ben.ID(), At: &Point{7, 8}}, nil)
		var m Move
		if ben.Expect("move", &m); m.ID != ann.ID() || *m.At != (Point{7, 8}) {
			t.Errorf("Ben sees %+v", m)
		}

		var n, got Note
		ann.Request("note", Note{Text: "hello", Point: Point{-5, 20}}, &n)
		for _, c := range []*ignistest.Client{ann, ben} {
			if c.Expect("note", &got); got != n || n.ID == "" || n.Point != (Point{0, 20}) {
				t.Errorf("the note is %+v and %+v", n, got)
			}
		}
		ben.Request("remove", n, nil)
		ann.Expect("removed", nil)
		ben.Expect("removed", nil)
		for _, test := range []struct {
			event string
			data  any
			want  wire.ErrorCode
		}{
			{"note", n, wire.CodeNotFound},
			{"note", Note{Text: strings.Repeat("ä", maxText+1)}, wire.CodeInvalid},
			{"note", 7, wire.CodeInvalid},
			{"move", 7, wire.CodeInvalid},
			{"shout", nil, wire.CodeUnknownEvent},
		} {
			if err := ann.RequestError(test.event, test.data); err.Code != test.want {
				t.Errorf("%s: %v, want %s", test.event, err, test.want)
			}
		}

		_ = ben.Conn.Close()
		if ann.Expect("gone", &p); p.ID != ben.ID() {
			t.Errorf("Ann is told that %+v is gone", p)
		}
		for range maxNotes - 3 {
			ann.Request("note", Note{}, nil)
			ann.Expect("note", nil)
		}
		if err := ann.RequestError("note", Note{}); err.Code != wire.CodeInvalid {
			t.Errorf("a note on a full board: %v", err)
		}
	})
}

// Of twenty people, one does not read for a while. The others receive every move, and the one
// receives no more than the last positions, and all notes.
func TestSlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tb := newTable(t)
		slow, _ := tb.enter(t, "Slow")
		var all []*ignistest.Client
		for i := range 19 {
			c, _ := tb.enter(t, fmt.Sprint("Person ", i))
			all = append(all, c)
		}
		const moves = 100
		received := make(map[*ignistest.Client]int)
		for n := range moves {
			for _, c := range all {
				c.Send("move", Move{At: &Point{n, n}})
			}
			synctest.Wait()
			for _, c := range all {
				for range len(all) - 1 {
					for m := c.Receive(); m.Event != "move"; m = c.Receive() { // others who came later
					}
					received[c]++
				}
			}
		}
		all[0].Request("note", Note{Text: "the last one"}, nil)
		for i, c := range all {
			if received[c] != moves*(len(all)-1) {
				t.Errorf("person %d received %d moves", i, received[c])
			}
		}
		count := 0
		for at := map[string]int{}; ; count++ {
			m := slow.Receive()
			if m.Event == "note" {
				break
			}
			var move Move
			if m.Event != "move" {
				continue
			}
			if err := m.Decode(&move); err != nil || move.At.X < at[move.ID] {
				t.Fatalf("received %s after %v (%v)", m.Data, at, err)
			}
			at[move.ID] = move.At.X
		}
		if count > moves*len(all)/4 {
			t.Errorf("the slow client received %d messages of %d", count, moves*len(all))
		}
	})
}

func TestPage(t *testing.T) {
	b, err := NewBoard()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/": "<title>Corkboard", "/app.js": "Ignis.Client", "/ignis.js": string(ignisjs.Script)} {
		w := httptest.NewRecorder()
		b.routes().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("GET %s: %d", path, w.Code)
		}
	}
}

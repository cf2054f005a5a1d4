package registry

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// model is a simple implementation of the registry that ignores performance.
type model struct {
	added, active, gone map[*Member[string]]bool
	user                map[*Member[string]]string
	rooms               map[*Member[string]][]string
}

func (m *model) values(which func(*Member[string]) bool) []string {
	out := []string{}
	for x := range m.added {
		if which(x) {
			out = append(out, x.Value)
		}
	}
	slices.Sort(out)
	return out
}

func (m *model) counts() Counts {
	users, rooms := map[string]bool{}, map[string]bool{}
	for x := range m.active {
		if u := m.user[x]; u != "" {
			users[u] = true
		}
		for _, room := range m.rooms[x] {
			rooms[room] = true
		}
	}
	return Counts{Members: len(m.added), Active: len(m.active), Users: len(users), Rooms: len(rooms)}
}

// TestModel performs the same random operations on the registry and on the model, and
// compares their observable state after each step.
func TestModel(t *testing.T) {
	ids := []string{"a", "b", "c", "d"}
	rooms := append([]string{"x", "y", "z"}, ids...)
	users := []string{"", "u", "v"}
	rapid.Check(t, func(t *rapid.T) {
		r := New[string]()
		m := model{
			added: map[*Member[string]]bool{}, active: map[*Member[string]]bool{}, gone: map[*Member[string]]bool{},
			user: map[*Member[string]]string{}, rooms: map[*Member[string]][]string{},
		}
		var all []*Member[string]
		some := func(t *rapid.T) *Member[string] {
			if len(all) == 0 {
				t.Skip("no members")
			}
			return rapid.SampledFrom(all).Draw(t, "member")
		}
		t.Repeat(map[string]func(*rapid.T){
			"new": func(t *rapid.T) {
				x := &Member[string]{ID: rapid.SampledFrom(ids).Draw(t, "id")}
				x.Value = fmt.Sprintf("%s %d", x.ID, len(all))
				all = append(all, x)
			},
			"add": func(t *rapid.T) {
				x := some(t)
				want := !m.gone[x] && len(m.values(func(y *Member[string]) bool { return y.ID == x.ID })) == 0
				if r.Add(x) != want {
					t.Fatalf("Add(%s): want %v", x.Value, want)
				}
				if want {
					m.added[x] = true
				}
			},
			"activate": func(t *rapid.T) {
				x, user := some(t), rapid.SampledFrom(users).Draw(t, "user")
				want := m.added[x] && !m.active[x]
				if r.Activate(x, user) != want {
					t.Fatalf("Activate(%s): want %v", x.Value, want)
				}
				if want {
					m.active[x], m.user[x] = true, user
				}
			},
			"join": func(t *rapid.T) {
				x, room, limit := some(t), rapid.SampledFrom(rooms).Draw(t, "room"), rapid.IntRange(0, 3).Draw(t, "limit")
				can := m.active[x] && room != x.ID && !slices.Contains(m.rooms[x], room)
				full := can && len(m.rooms[x]) >= limit
				joined, err := r.Join(x, room, limit, true)
				if joined != (can && !full) || (err != nil) != full {
					t.Fatalf("Join(%s, %s, %d): %v, %v", x.Value, room, limit, joined, err)
				}
				if joined {
					m.rooms[x] = append(m.rooms[x], room)
				}
			},
			"leave": func(t *rapid.T) {
				x, room := some(t), rapid.SampledFrom(rooms).Draw(t, "room")
				i := slices.Index(m.rooms[x], room)
				if r.Leave(x, room) != (i >= 0) {
					t.Fatalf("Leave(%s, %s): want %v", x.Value, room, i >= 0)
				}
				if i >= 0 {
					m.rooms[x] = slices.Delete(m.rooms[x], i, i+1)
				}
			},
			"remove": func(t *rapid.T) {
				x := some(t)
				r.Remove(x)
				delete(m.added, x)
				delete(m.active, x)
				delete(m.rooms, x)
				m.gone[x] = true
			},
			"": func(t *rapid.T) { compare(t, r, &m, all, rooms, users) },
		})
	})
}

func compare(t *rapid.T, r *Registry[string], m *model, all []*Member[string], rooms, users []string) {
	same := func(what string, got, want []string) {
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("%s: %q, want %q", what, got, want)
		}
	}
	is := func(set map[*Member[string]]bool) func(*Member[string]) bool {
		return func(x *Member[string]) bool { return set[x] }
	}
	same("AppendAll", r.AppendAll(nil), m.values(is(m.added)))
	same("AppendActive", r.AppendActive(nil), m.values(is(m.active)))
	for _, room := range rooms {
		same("AppendRoom "+room, r.AppendRoom(nil, room), m.values(func(x *Member[string]) bool {
			return m.active[x] && (x.ID == room || slices.Contains(m.rooms[x], room))
		}))
	}
	for _, user := range users[1:] {
		same("AppendUser "+user, r.AppendUser(nil, user), m.values(func(x *Member[string]) bool {
			return m.active[x] && m.user[x] == user
		}))
	}
	if got, want := r.Counts(), m.counts(); got != want {
		t.Fatalf("Counts: %+v, want %+v", got, want)
	}
	for _, x := range all {
		y, ok := r.Get(x.ID)
		if m.added[x] && y != x || ok && !m.added[y] {
			t.Fatalf("Get(%s)", x.ID)
		}
		var want []string
		if m.active[x] {
			want = append([]string{x.ID}, m.rooms[x]...)
		}
		if got := x.Rooms(); !slices.Equal(got, want) || x.Active() != m.active[x] {
			t.Fatalf("Rooms of %s: %q, want %q", x.Value, got, want)
		}
		for _, room := range rooms {
			if x.In(room) != slices.Contains(want, room) {
				t.Fatalf("%s in %s: %v", x.Value, room, x.In(room))
			}
		}
	}
}

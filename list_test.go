package ignis_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/ignis-go/ignis"
)

// The pages together list everything once, in order.
func TestLists(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{})
		n.connect() // is not authenticated
		var lobby []string
		for i := range 25 {
			p := n.login(fmt.Sprint("user", i%10))
			rooms := []string{fmt.Sprint("room", i)}
			if i%2 == 0 {
				rooms = append(rooms, "lobby")
				lobby = append(lobby, p.id)
			}
			if err := n.Join(p.id, rooms...); err != nil {
				t.Fatal(err)
			}
		}
		slices.Sort(lobby)
		synctest.Wait()
		clients := func(q ignis.ClientQuery, wantTotal int) (ids []string) {
			for {
				page, total := n.ListClients(q)
				if total != wantTotal || q.Limit > 0 && len(page) > q.Limit {
					t.Errorf("%+v: %d clients of %d, want %d", q, len(page), total, wantTotal)
				}
				if len(page) == 0 {
					return ids
				}
				for _, c := range page {
					ids = append(ids, c.ID)
				}
				q.After = ids[len(ids)-1]
			}
		}
		all := clients(ignis.ClientQuery{Limit: 4}, 26)
		if len(all) != 26 || !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != 26 {
			t.Errorf("all clients: %q", all)
		}
		if got := clients(ignis.ClientQuery{}, 26); !slices.Equal(got, all) {
			t.Errorf("in one page: %q", got)
		}
		if got := clients(ignis.ClientQuery{Room: "lobby", Limit: 5}, 13); !slices.Equal(got, lobby) {
			t.Errorf("in the lobby: %q, want %q", got, lobby)
		}
		if got := clients(ignis.ClientQuery{UserID: "user3", Limit: 2}, 3); len(got) != 3 || !slices.IsSorted(got) {
			t.Errorf("of user3: %q", got)
		}
		if got := clients(ignis.ClientQuery{UserID: "user4", Room: "lobby"}, 3); len(got) != 3 {
			t.Errorf("of user4 in the lobby: %q", got)
		}
		if got := clients(ignis.ClientQuery{UserID: "user3", Room: "lobby"}, 0); len(got) != 0 {
			t.Errorf("of user3 in the lobby: %q", got)
		}
		if page, total := n.ListClients(ignis.ClientQuery{UserID: "cat"}); len(page) != 0 || total != 0 {
			t.Errorf("of an unknown user: %v of %d", page, total)
		}
		if got := n.ListUsers(ignis.NameQuery{Limit: 2, After: "user2"}); !slices.Equal(got, []ignis.NamedCount{{"user3", 3}, {"user4", 3}}) {
			t.Errorf("users: %v", got)
		}
		if got := n.ListUsers(ignis.NameQuery{}); len(got) != 10 {
			t.Errorf("users: %v", got)
		}
		keep := func(name string) bool { return name == "lobby" || name == "room7" || name == "ws-default" }
		if got := n.ListRooms(ignis.NameQuery{Keep: keep}); !slices.Equal(got, []ignis.NamedCount{{"lobby", 13}, {"room7", 1}, {"ws-default", 25}}) {
			t.Errorf("rooms: %v", got)
		}
		var s *ignis.Server
		if page, _ := s.ListClients(ignis.ClientQuery{}); page != nil || s.ListRooms(ignis.NameQuery{}) != nil || s.ListUsers(ignis.NameQuery{}) != nil {
			t.Error("a nil server has clients")
		}
	})
}

package httpapi_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/httpapi"
)

// coverage is what the tests read of an answer's coverage.
type coverage struct {
	View    string
	Partial bool
	Note    string
}

// list is an answer with a page.
type list struct {
	Clients []struct {
		ID, User, State string
		Rooms           []string
		RoomCount       int
	}
	Users, Rooms []struct {
		Name    string
		Clients int
	}
	Total    *int
	Next     string
	Coverage coverage
}

// pages returns all pages of a list.
func (n *node) pages(path string, limit int) (all list, pages int) {
	n.t.Helper()
	after := ""
	for {
		var page list
		n.get(fmt.Sprintf("%s%slimit=%d&after=%s", path, map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")], limit, url.QueryEscape(after))).decode(&page)
		if got := max(len(page.Clients), len(page.Users), len(page.Rooms)); got > limit || got == 0 && pages > 0 {
			n.t.Errorf("%s: a page has %d entries", path, got)
		}
		all.Clients, all.Users, all.Rooms = append(all.Clients, page.Clients...), append(all.Users, page.Users...), append(all.Rooms, page.Rooms...)
		all.Total = page.Total
		pages++
		if page.Next == "" {
			return all, pages
		}
		after = page.Next
	}
}

// Applications and tokens may use names of any length. They do not end a list early.
func TestListsOfLongNames(t *testing.T) {
	n := start(t, setup{})
	long := strings.Repeat("x", 3000)
	ann := n.dial(long)
	n.dial("z")
	n.post("/v1/join", `{"to":{"client":"`+ann.ID()+`"},"rooms":["`+long+`","`+long+`y"]}`).ok(`{"localClients":1}`)
	if all, _ := n.pages("/v1/rooms", 1); len(all.Rooms) != 4 {
		t.Errorf("%d rooms", len(all.Rooms))
	}
	if all, _ := n.pages("/v1/users", 1); len(all.Users) != 2 {
		t.Errorf("%d users", len(all.Users))
	}
	for _, query := range []string{"user=" + long, "room=" + long} {
		if all, _ := n.pages("/v1/clients?"+query, 1); len(all.Clients) != 1 {
			t.Errorf("%d clients", len(all.Clients))
		}
	}
}

func TestLists(t *testing.T) {
	n := start(t, setup{api: httpapi.Config{MaxPage: 5}})
	for i := range 12 {
		c := n.dial(fmt.Sprint("user&", i%4))
		c.Join(fmt.Sprint("room ", i), "lobby")
	}
	clients, pages := n.pages("/v1/clients", 5)
	ids := make(map[string]bool)
	for _, c := range clients.Clients {
		ids[c.ID] = true
		if c.State != "authenticated" || !strings.HasPrefix(c.User, "user&") || c.RoomCount != 4 || c.Rooms != nil {
			t.Errorf("client %+v", c)
		}
	}
	if len(ids) != 12 || pages != 3 || *clients.Total != 12 || !slices.IsSortedFunc(clients.Clients, func(a, b struct {
		ID, User, State string
		Rooms           []string
		RoomCount       int
	},
	) int {
		return strings.Compare(a.ID, b.ID)
	}) {
		t.Errorf("%d pages: %+v", pages, clients)
	}
	users, pages := n.pages("/v1/users", 3)
	if len(users.Users) != 4 || pages != 2 || *users.Total != 4 || users.Users[0].Name != "user&0" || users.Users[0].Clients != 3 {
		t.Errorf("%d pages: %+v", pages, users)
	}
	rooms, pages := n.pages("/v1/rooms", 5)
	if len(rooms.Rooms) != 15 || pages != 3 || *rooms.Total != 15 || rooms.Rooms[0].Name != "lobby" || rooms.Rooms[0].Clients != 12 {
		t.Errorf("%d pages: %+v", pages, rooms)
	}
	some, _ := n.pages("/v1/clients?user=user%261", 2)
	if len(some.Clients) != 3 || *some.Total != 3 {
		t.Errorf("clients of a user: %+v", some)
	}
	some, _ = n.pages("/v1/clients?user=user%261&room=room+1", 2)
	if len(some.Clients) != 1 {
		t.Errorf("clients of a user in a room: %+v", some)
	}
	var page list
	n.get("/v1/rooms?limit=1000000").decode(&page) // MaxPage applies
	if len(page.Rooms) != 5 || page.Next == "" {
		t.Errorf("a page of %d", len(page.Rooms))
	}
	n.get("/v1/clients?user=nobody").ok(`{"clients":[],"total":0,"coverage":{"view":"instance","partial":false}}`)
	n.get("/v1/counts").ok(`{"clients":12,"authenticated":12,"users":4,"rooms":15,"coverage":{"view":"instance","partial":false}}`)
	var one struct {
		ID, User  string
		Rooms     []string
		RoomCount int
		Protocol  int
	}
	n.get("/v1/clients/" + clients.Clients[0].ID).decode(&one)
	if one.ID != clients.Clients[0].ID || len(one.Rooms) != 4 || one.RoomCount != 4 || one.Rooms[0] != "ws-default" || one.Protocol != 2 {
		t.Errorf("client %+v", one)
	}
	n.get("/v1/clients/unknown").problem(404, "not-found")
	for _, query := range []string{"limit=0", "limit=-1", "limit=x", "limit=1.5", "view=planet", "unknown=1", "LIMIT=1"} {
		n.get("/v1/rooms?"+query).problem(422, "invalid")
	}
}

// Of a cluster, an instance knows only its own part, and says so.
func TestClusterView(t *testing.T) {
	buses := bustest.NewCluster(2)
	a, b := start(t, setup{bus: buses[0]}), start(t, setup{bus: buses[1]})
	a.dial("ann")
	b.dial("bob")
	alone := start(t, setup{})
	for _, path := range []string{"/v1/clients", "/v1/users", "/v1/rooms", "/v1/counts"} {
		for view, partial := range map[string]bool{"instance": false, "cluster": true} {
			var got struct{ Coverage coverage }
			a.get(path + "?view=" + view).decode(&got)
			if got.Coverage.View != view || got.Coverage.Partial != partial || (got.Coverage.Note != "") != partial {
				t.Errorf("%s of the %s: %+v", path, view, got)
			}
			alone.get(path + "?view=" + view).decode(&got)
			if got.Coverage.Partial {
				t.Errorf("%s of the %s, which is one instance: %+v", path, view, got)
			}
		}
	}
}

func TestState(t *testing.T) {
	n := start(t, setup{api: httpapi.Config{Software: "shop/1.4"}})
	n.dial("ann")
	n.get("/v1/state").ok(`{"server":{"id":"` + n.ID() + `","software":"shop/1.4","ready":true,"clients":1,"authenticated":1,"users":1,"rooms":2,"revocations":0},` +
		`"bus":{"configured":false,"healthy":false,"published":0,"refused":0,"lost":0,"received":0,"gaps":0,"gapSeconds":0}}`)
	var state struct {
		Bus struct {
			Configured, Healthy bool
			Error               string
			Lost                int
		}
	}
	m := start(t, setup{bus: &sick{simple{bustest.NewCluster(1)[0]}}, keys: []httpapi.Key{{ID: "team", Scopes: scopes["read"], Rooms: []string{"team-*"}}}})
	m.get("/v1/state").decode(&state)
	if b := state.Bus; !b.Configured || b.Healthy || b.Error != "no luck" || b.Lost != 7 {
		t.Errorf("bus %+v", b)
	}
	if a := m.do("team", "GET", "/v1/state", ""); strings.Contains(a.body, "no luck") {
		t.Errorf("a restricted key reads %s", a.body)
	}
	healthy := start(t, setup{bus: bustest.NewCluster(1)[0]})
	state.Bus.Error = ""
	healthy.get("/v1/state").decode(&state)
	if b := state.Bus; !b.Configured || !b.Healthy || b.Error != "" {
		t.Errorf("bus %+v", b)
	}
}

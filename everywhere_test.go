package ignis_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/emitter"
	"github.com/ignis-go/ignis/wire"
)

// commander gives commands to all servers.
type commander struct {
	disconnect func(to ignis.Address, code uint16, reason string) (clients int, err error)
	join       func(to ignis.Address, rooms ...string) (clients int, err error)
	leave      func(to ignis.Address, rooms ...string) (clients int, err error)
}

// commanders returns a server, and an emitter on the bus, as commanders. The emitter does not
// know how many clients it concerns.
func commanders(t *testing.T, n *node, bus ignis.Bus) map[string]commander {
	t.Helper()
	e, err := emitter.New(bustest.Publisher{Bus: bus}, emitter.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	return map[string]commander{
		"server": {
			func(to ignis.Address, code uint16, reason string) (int, error) {
				return n.DisconnectAll(ctx, to, code, reason)
			},
			func(to ignis.Address, rooms ...string) (int, error) { return n.JoinAll(ctx, to, rooms...) },
			func(to ignis.Address, rooms ...string) (int, error) { return n.LeaveAll(ctx, to, rooms...) },
		},
		"emitter": {
			func(to ignis.Address, code uint16, reason string) (int, error) {
				return -1, e.DisconnectAll(ctx, to, code, reason)
			},
			func(to ignis.Address, rooms ...string) (int, error) { return -1, e.JoinAll(ctx, to, rooms...) },
			func(to ignis.Address, rooms ...string) (int, error) { return -1, e.LeaveAll(ctx, to, rooms...) },
		},
	}
}

// The commands reach the clients of every server, wherever they are given.
func TestCommandsReachEveryServer(t *testing.T) {
	for _, from := range []string{"server", "emitter"} {
		for name, row := range map[string]struct {
			to   func(peers map[string]*peer) ignis.Address
			want []string // the peers that are concerned
			here int      // how many of them are on the server that gives the command
		}{
			"a client":          {func(p map[string]*peer) ignis.Address { return ignis.ToClient(p["ann 0"].id) }, []string{"ann 0"}, 1},
			"a remote client":   {func(p map[string]*peer) ignis.Address { return ignis.ToClient(p["bob 1"].id) }, []string{"bob 1"}, 0},
			"a user":            {func(map[string]*peer) ignis.Address { return ignis.ToUser("ann") }, []string{"ann 0", "ann 1"}, 1},
			"a room":            {func(map[string]*peer) ignis.Address { return ignis.ToRoom("lobby") }, []string{"ann 0", "bob 1"}, 1},
			"everyone":          {func(map[string]*peer) ignis.Address { return ignis.ToEveryone() }, []string{"ann 0", "ann 1", "bob 0", "bob 1"}, 2},
			"an unknown user":   {func(map[string]*peer) ignis.Address { return ignis.ToUser("cat") }, nil, 0},
			"an unknown client": {func(map[string]*peer) ignis.Address { return ignis.ToClient("1") }, nil, 0},
		} {
			t.Run(from+", "+name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					var nodes []*node
					peers := make(map[string]*peer)
					buses := bustest.NewCluster(2)
					for i, bus := range buses {
						n := startMem(t, ignis.Config{Bus: bus})
						nodes = append(nodes, n)
						for _, user := range []string{"ann", "bob"} {
							peers[fmt.Sprint(user, " ", i)] = n.login(user)
						}
					}
					for _, name := range []string{"ann 0", "bob 1"} {
						p := peers[name]
						if err := p.Join(p.id, "lobby"); err != nil {
							t.Fatal(err)
						}
					}
					c := commanders(t, nodes[0], buses[0])[from]
					here := func(n int, err error) {
						t.Helper()
						if err != nil || n >= 0 && n != row.here {
							t.Errorf("%d clients of this server, %v; want %d", n, err, row.here)
						}
					}
					rooms := func(want ...string) {
						t.Helper()
						for name, p := range peers {
							var expected []string
							if name == "ann 0" || name == "bob 1" {
								expected = []string{"lobby"}
							}
							if slices.Contains(row.want, name) {
								expected = append(expected, want...)
							}
							if got := p.rooms(); !slices.Equal(got, expected) {
								t.Errorf("%s is in %q, want %q", name, got, expected)
							}
						}
					}
					to := row.to(peers)
					here(c.join(to, "a", "b"))
					rooms("a", "b")
					here(c.join(to, "b", "c"))
					rooms("a", "b", "c")
					here(c.leave(to, "b", "x"))
					rooms("a", "c")
					here(c.disconnect(to, 4100, "bye"))
					for name, p := range peers {
						if slices.Contains(row.want, name) {
							p.only("<close 4100 bye>", "<end>")
						} else {
							p.only()
						}
					}
				})
			})
		}
	}
}

// A command closes a client that is not authenticated if it names the client.
func TestDisconnectAllBeforeAuthentication(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{})
		p := n.connect()
		synctest.Wait()
		id := n.Clients()[0].ID
		if k, err := n.JoinAll(t.Context(), ignis.ToClient(id), "lobby"); k != 0 || err != nil {
			t.Errorf("JoinAll = %d, %v", k, err)
		}
		if k, err := n.DisconnectAll(t.Context(), ignis.ToClient(id), 4006, ""); k != 1 || err != nil {
			t.Errorf("DisconnectAll = %d, %v", k, err)
		}
		p.only("<close 4006 >", "<end>")
	})
}

// A command that arrives again is not executed again, and neither is the server's own.
func TestCommandsAreExecutedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeCommands()
		n := newNode(t, ignis.Config{Bus: b})
		n.patience = 24 * time.Hour
		n.listen()
		b.stored <- nil
		<-n.Ready()
		p := n.login("ann")
		join := `{"version":1,"command":"join","id":"1","to":"user:ann","data":{"rooms":["a"]}}`
		leave := `{"version":1,"command":"leave","id":"2","to":"user:ann","data":{"rooms":["a"]}}`
		b.sent <- texts(join, join, leave, join)
		b.stored <- texts(join)
		if got := p.rooms(); len(got) != 0 {
			t.Errorf("in rooms %q", got)
		}
		if s := n.Stats(); s.Commands != 5 || s.RepeatedCommands != 3 || s.BadCommands+s.UnknownCommands != 0 {
			t.Errorf("stats %+v", s)
		}
		if _, err := n.JoinAll(t.Context(), ignis.ToUser("ann"), "b"); err != nil {
			t.Error(err)
		}
		own := strings.TrimSuffix(b.takeCommands()[0], " 0001-01-01T00:00:00.000Z") // it is not stored
		if want := `,"serverId":"` + n.ID() + `","to":"user:ann","data":{"rooms":["b"]}}`; !strings.HasSuffix(own, want) {
			t.Errorf("sent %s, which does not end in %s", own, want)
		}
		if err := n.Leave(p.id, "b"); err != nil {
			t.Fatal(err)
		}
		b.sent <- texts(own)
		if got := p.rooms(); len(got) != 0 {
			t.Errorf("in rooms %q: the server has executed its own command again", got)
		}
	})
}

// A server remembers a limited number of commands, the latest ones.
func TestExecutedCommandsAreForgotten(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const remembered = 4096
		b := newFakeCommands()
		n := newNode(t, ignis.Config{Bus: b})
		b.stored <- nil
		<-n.Ready()
		command := func(id int) string {
			return fmt.Sprintf(`{"version":1,"command":"join","id":"%d","to":"user:ann","data":{"rooms":["a"]}}`, id)
		}
		repeated := func(want uint64, ids ...int) {
			t.Helper()
			before := n.Stats().RepeatedCommands
			for _, id := range ids {
				b.sent <- texts(command(id))
			}
			synctest.Wait()
			if got := n.Stats().RepeatedCommands - before; got != want {
				t.Errorf("of %d, %d are known, want %d", ids, got, want)
			}
		}
		for id := range remembered {
			b.sent <- texts(command(id))
		}
		repeated(2, 0, remembered-1)
		repeated(0, remembered, remembered+1) // replace 0 and 1
		repeated(2, 2, remembered-1)
		repeated(0, 0)    // replaces 2
		repeated(1, 3, 2) // 2 replaces 3
	})
}

// Arguments that are invalid are errors, and nothing happens. In commands from the bus, they are
// counted.
func TestInvalidCommands(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeCommands()
		n := newNode(t, ignis.Config{Bus: b})
		n.patience = 24 * time.Hour
		n.listen()
		b.stored <- nil
		<-n.Ready()
		p := n.login("ann")
		ann, long := ignis.ToUser("ann"), strings.Repeat("x", wire.MaxCommand)
		e, err := emitter.New(bustest.Publisher{Bus: b}, emitter.Config{})
		if err != nil {
			t.Fatal(err)
		}
		for name, to := range map[string]ignis.Address{"zero": {}, "long": ignis.ToUser(long), "no name": {Type: wire.TypeUser}, "type": {Type: "x", Name: "y"}, "UTF-8": ignis.ToUser("\xff")} {
			for command, c := range commanders(t, n, b) {
				for _, call := range []func() (int, error){
					func() (int, error) { return c.disconnect(to, 4006, "") },
					func() (int, error) { return c.join(to, "a") },
					func() (int, error) { return c.leave(to, "a") },
				} {
					if k, err := call(); err == nil || k > 0 || command == "emitter" && !errors.Is(err, emitter.ErrMessage) {
						t.Errorf("%s, address %s: %d, %v", command, name, k, err)
					}
				}
			}
		}
		for code, reason := range map[uint16]string{0: "", 999: "", 1001: "", 3999: "", 5000: "", 4000: strings.Repeat("x", 124), 1000: "\xff"} {
			if _, err := n.DisconnectAll(t.Context(), ann, code, reason); err == nil || e.DisconnectAll(t.Context(), ann, code, reason) == nil {
				t.Errorf("close code %d, reason %q: no error", code, reason)
			}
		}
		for _, rooms := range [][]string{nil, {""}, {"a", ""}, {"\xff"}, {long}, slices.Repeat([]string{"room"}, wire.MaxCommand/7)} {
			if _, err := n.JoinAll(t.Context(), ann, rooms...); err == nil || e.LeaveAll(t.Context(), ann, rooms...) == nil {
				t.Errorf("%d rooms %.20q: no error", len(rooms), rooms)
			}
		}
		if got := b.takeCommands(); len(got) > 0 {
			t.Errorf("sent %q", got)
		}
		var bad []string
		for _, rest := range []string{
			`"disconnect","to":"user:ann","data":{"code":4006}`, `"disconnect","id":"","to":"user:ann","data":{"code":4006}`,
			`"disconnect","id":"` + strings.Repeat("x", 65) + `","to":"user:ann","data":{"code":4006}`, `"disconnect","id":5,"to":"user:ann","data":{"code":4006}`,
			`"disconnect","id":"1","data":{"code":4006}`, `"disconnect","id":"1","to":"user:ann"`, `"disconnect","id":"1","to":"user:ann","data":{}`,
			`"disconnect","id":"1","to":"user:ann","data":[]`, `"disconnect","id":"1","to":"user:ann","data":{"code":"4006"}`,
			`"disconnect","id":"1","to":"user:ann","data":{"code":69542}`, `"disconnect","id":"1","to":"user:ann","data":{"code":-4006}`,
			`"disconnect","id":"1","to":"user:ann","data":{"code":4006,"reason":5}`, `"disconnect","id":"1","to":"user:ann","data":{"code":1001}`,
			`"join","to":"user:ann","data":{"rooms":["a"]}`, `"join","id":"1","data":{"rooms":["a"]}`, `"join","id":"1","to":"user:ann"`,
			`"join","id":"1","to":"user:ann","data":{}`, `"join","id":"1","to":"user:ann","data":{"rooms":"a"}`, `"join","id":"1","to":"user:ann","data":{"rooms":[]}`,
			`"leave","id":"1","to":"user:ann","data":{"rooms":["a",5]}`, `"leave","id":"1","to":"user:ann","data":{"rooms":[5]}`, `"leave","id":"1","to":"user:ann","data":{"rooms":[""]}`,
			`"drain","data":{"server":"a"}`, `"drain","id":"1"`, `"drain","id":"1","data":{}`, `"drain","id":"1","data":{"server":""}`, `"drain","id":"1","data":{"server":5}`,
			`"drain","id":"1","data":{"server":"` + strings.Repeat("x", 65) + `"}`,
		} {
			bad = append(bad, `{"version":1,"command":`+rest+`}`)
		}
		unknown := []string{`{"version":1,"command":"reboot","id":"1","data":{}}`, `{"version":2,"command":"join","id":"1","to":"user:ann","data":{"rooms":["a"]}}`}
		b.sent <- texts(append(bad, unknown...)...)
		p.only()
		if got := p.rooms(); len(got) > 0 {
			t.Errorf("in rooms %q", got)
		}
		if s := n.Stats(); s.BadCommands != uint64(len(bad)) || s.UnknownCommands != uint64(len(unknown)) {
			t.Errorf("%d of %d are malformed, %d of %d unknown\n%s", s.BadCommands, len(bad), s.UnknownCommands, len(unknown), n.log)
		}
		// None of them counts as executed.
		b.sent <- texts(`{"version":1,"command":"join","id":"1","new":[1],"to":"user:ann","data":{"rooms":["a"],"x":1}}`)
		if got := p.rooms(); !reflect.DeepEqual(got, []string{"a"}) {
			t.Errorf("in rooms %q", got)
		}
	})
}

// An error of the bus is reported, after the command has been executed here.
func TestCommandsWithoutTheBus(t *testing.T) {
	noLuck := errors.New("no luck")
	for _, want := range []error{noLuck, ignis.ErrNoCommands} {
		bubble(t, func(t *testing.T) {
			var bus ignis.Bus = newFakeBus()
			down := newFakeCommands()
			if want == noLuck {
				down.refuse, bus = noLuck, down
			}
			n := newNode(t, ignis.Config{Bus: bus})
			n.patience = 24 * time.Hour
			n.listen()
			if want == noLuck {
				down.stored <- nil
			}
			<-n.Ready()
			p := n.login("ann")
			var failed *ignis.BusError
			if k, err := n.JoinAll(t.Context(), ignis.ToUser("ann"), "a"); k != 1 || !errors.Is(err, want) || !errors.As(err, &failed) {
				t.Errorf("JoinAll = %d, %v", k, err)
			}
			if got := p.rooms(); !slices.Equal(got, []string{"a"}) {
				t.Errorf("in rooms %q", got)
			}
			if k, err := n.LeaveAll(t.Context(), ignis.ToUser("ann"), "a"); k != 1 || !errors.Is(err, want) {
				t.Errorf("LeaveAll = %d, %v", k, err)
			}
			if got := p.rooms(); len(got) > 0 {
				t.Errorf("in rooms %q", got)
			}
			if k, err := n.DisconnectAll(t.Context(), ignis.ToUser("ann"), 1000, "x"); k != 1 || !errors.Is(err, want) {
				t.Errorf("DisconnectAll = %d, %v", k, err)
			}
			p.only("<close 1000 x>", "<end>")
		})
	}
}

func TestCommandsOfAServerThatDoesNotRun(t *testing.T) {
	s, err := ignis.New(ignis.Config{Authenticate: anyone})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*ignis.Server{s, nil} {
		_, join := s.JoinAll(t.Context(), ignis.ToEveryone(), "a")
		_, leave := s.LeaveAll(t.Context(), ignis.ToEveryone(), "a")
		_, disconnect := s.DisconnectAll(t.Context(), ignis.ToEveryone(), 4006, "")
		for _, err := range []error{join, leave, disconnect} {
			if !errors.Is(err, ignis.ErrNotRunning) {
				t.Errorf("error %v", err)
			}
		}
	}
}

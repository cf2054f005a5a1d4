package ignis_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/wire"
)

// crowd is a node with two sessions of ann, one of bob, an anonymous client and an
// unauthenticated one. ann1 and bob are in room "lobby".
type crowd struct {
	*node
	ann1, ann2, bob, none, stranger *peer
}

func newCrowd(t *testing.T, bus ignis.Bus) *crowd {
	n := startMem(t, ignis.Config{Bus: bus})
	c := &crowd{n, n.login("ann"), n.login("ann"), n.login("bob"), n.login(""), n.connect()}
	synctest.Wait()
	for _, p := range []*peer{c.ann1, c.bob} {
		if err := n.Join(p.id, "lobby"); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// reached returns the names of the clients that have received exactly this line.
func (c *crowd) reached(line string) string {
	c.t.Helper()
	var who []string
	for name, p := range map[string]*peer{"ann1": c.ann1, "ann2": c.ann2, "bob": c.bob, "none": c.none, "stranger": c.stranger} {
		switch got := p.got(); {
		case slices.Equal(got, []string{line}):
			who = append(who, name)
		case len(got) > 0:
			c.t.Errorf("%s received %q, want %s", name, got, line)
		}
	}
	slices.Sort(who)
	return strings.Join(who, " ")
}

const line = `{"event":"x","data":1}`

func TestSendLocal(t *testing.T) {
	const everyone = "ann1 ann2 bob none"
	bubble(t, func(t *testing.T) {
		b := newFakeBus()
		c := newCrowd(t, b)
		many := ignis.Except("1", "2", "3", "4", "5", "6", "7", "8", c.bob.id)
		for name, row := range map[string]struct {
			send func() error
			want string
		}{
			"client":           {func() error { return c.SendLocal(ignis.ToClient(c.bob.id), "x", 1) }, "bob"},
			"client unknown":   {func() error { return c.SendLocal(ignis.ToClient("nobody"), "x", 1) }, ""},
			"user":             {func() error { return c.SendLocal(ignis.ToUser("ann"), "x", 1) }, "ann1 ann2"},
			"user unknown":     {func() error { return c.SendLocal(ignis.ToUser("nobody"), "x", 1) }, ""},
			"room":             {func() error { return c.SendLocal(ignis.ToRoom("lobby"), "x", 1) }, "ann1 bob"},
			"room exclude":     {func() error { return c.SendLocal(ignis.ToRoom("lobby"), "x", 1, ignis.Except(c.bob.id, "y")) }, "ann1"},
			"room unknown":     {func() error { return c.SendLocal(ignis.ToRoom("nowhere"), "x", 1) }, ""},
			"room of a client": {func() error { return c.SendLocal(ignis.ToRoom(c.bob.id), "x", 1) }, "bob"},
			"default room":     {func() error { return c.SendLocal(ignis.ToRoom("ws-default"), "x", 1) }, everyone},
			"broadcast":        {func() error { return c.SendLocal(ignis.ToEveryone(), "x", 1) }, everyone},
			"broadcast exclude": {func() error {
				return c.SendLocal(ignis.ToEveryone(), "x", 1, ignis.Except(c.bob.id), ignis.Except(c.none.id))
			}, "ann1 ann2"},
			"broadcast many": {func() error { return c.SendLocal(ignis.ToEveryone(), "x", 1, many) }, "ann1 ann2 none"},
		} {
			if err := row.send(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if got := c.reached(line); got != row.want {
				t.Errorf("%s: reached %q, want %q", name, got, row.want)
			}
		}
		if sent := b.take(); len(sent) > 0 {
			t.Errorf("published %q", sent)
		}
		_ = c.SendLocal(ignis.ToClient(c.bob.id), "x", nil)
		c.bob.only(`{"event":"x"}`)
	})
}

// The recipients on this instance, and the envelopes published, for each kind of address.
func TestSend(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeBus()
		c := newCrowd(t, b)
		bob, remote := c.bob.id, "6b1fd2a0-53b2-4a0d-8a3e-0d9b61f4b9d1"
		head := `{"serverId":"` + c.ID() + `",`
		stranger := ""
		for _, i := range c.Clients() {
			if i.State == ignis.StateUnauthorized {
				stranger = i.ID
			}
		}
		for name, row := range map[string]struct {
			to     ignis.Address
			except []ignis.SendOption
			want   string // recipients on this instance
			sent   string // channel and envelope
		}{
			"a client here": {ignis.To(bob), nil, "bob", `ws:client:` + bob + ` HEAD"type":"client","target":"` + bob + `","event":"x","data":1}`},
			"a room here":   {ignis.To("lobby"), nil, "ann1 bob", `ws:room:lobby HEAD"type":"room","target":"lobby","event":"x","data":1}`},
			"elsewhere":     {ignis.To(remote), nil, "", `ws:room:` + remote + ` HEAD"type":"room","target":"` + remote + `","event":"x","data":1}`},
			"not yet in":    {ignis.To(stranger), nil, "", `ws:room:` + stranger + ` HEAD"type":"room","target":"` + stranger + `","event":"x","data":1}`},
			"client":        {ignis.ToClient(remote), nil, "", `ws:client:` + remote + ` HEAD"type":"client","target":"` + remote + `","event":"x","data":1}`},
			"user":          {ignis.ToUser("ann"), nil, "ann1 ann2", `ws:user:ann HEAD"type":"user","target":"ann","event":"x","data":1}`},
			"room":          {ignis.ToRoom("a b\"é"), nil, "", `ws:room:a b"é HEAD"type":"room","target":"a b\"é","event":"x","data":1}`},
			"room exclude": {
				ignis.ToRoom("lobby"),
				[]ignis.SendOption{ignis.Except(bob, remote)},
				"ann1",
				`ws:room:lobby HEAD"type":"room","target":"lobby","event":"x","data":1,"exclude":["` + bob + `","` + remote + `"]}`,
			},
			"everyone exclude": {
				ignis.ToEveryone(),
				[]ignis.SendOption{ignis.Except(bob)},
				"ann1 ann2 none",
				`ws:broadcast HEAD"type":"broadcast","event":"x","data":1,"exclude":["` + bob + `"]}`,
			},
			"exclude has no effect on users": {
				ignis.ToUser("bob"),
				[]ignis.SendOption{ignis.Except(bob)},
				"bob",
				`ws:user:bob HEAD"type":"user","target":"bob","event":"x","data":1}`,
			},
			"nor for clients": {
				ignis.ToClient(bob),
				[]ignis.SendOption{ignis.Except(bob)},
				"bob",
				`ws:client:` + bob + ` HEAD"type":"client","target":"` + bob + `","event":"x","data":1}`,
			},
		} {
			if err := c.Send(context.Background(), row.to, "x", 1, row.except...); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if got := c.reached(line); got != row.want {
				t.Errorf("%s: reached %q, want %q", name, got, row.want)
			}
			want := []string{strings.Replace(row.sent, "HEAD", head, 1)}
			if sent := b.take(); !slices.Equal(sent, want) {
				t.Errorf("%s:\npublished %q\n     want %q", name, sent, want)
			}
		}
		if got := c.Stats().BusPublished; got != 11 {
			t.Errorf("counted %d", got)
		}
	})
}

// Nil data is sent as an event without data.
func TestNoData(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeBus()
		n := startMem(t, ignis.Config{Bus: b})
		p := n.login("ann")
		for _, data := range []any{nil, json.RawMessage(nil)} {
			if err := n.Send(t.Context(), ignis.ToEveryone(), "x", data); err != nil {
				t.Error(err)
			}
			if err := n.SendLocal(ignis.ToEveryone(), "x", data); err != nil {
				t.Error(err)
			}
			p.only(`{"event":"x"}`, `{"event":"x"}`)
			want := `ws:broadcast {"serverId":"` + n.ID() + `","type":"broadcast","event":"x"}`
			if sent := b.take(); !slices.Equal(sent, []string{want}) {
				t.Errorf("published %q, want %q", sent, want)
			}
		}
	})
}

func TestSendRefuses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeBus()
		c := newCrowd(t, b)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := c.Send(ctx, ignis.ToEveryone(), "x", 1); !errors.Is(err, context.Canceled) {
			t.Errorf("with a canceled context: %v", err)
		}
		if c.Send(t.Context(), ignis.ToEveryone(), "", 1) == nil || c.SendLocal(ignis.ToEveryone(), "", 1) == nil {
			t.Error("an empty event is sent")
		}
		if sent := b.take(); len(sent) > 0 || c.reached(line) != "" {
			t.Errorf("published %q", sent)
		}
	})
}

type text string

func (s text) MarshalJSON() ([]byte, error) { return []byte(s), nil }

func TestData(t *testing.T) {
	var nobody *ignis.Client
	for name, row := range map[string]struct {
		data any
		want string // "": an error
	}{
		"struct":      {struct{ A, b int }{1, 2}, `{"A":1}`},
		"string":      {"<&>\u2028\xff", "\"<&>\u2028\ufffd\""},
		"bool":        {false, `false`},
		"map":         {map[string]any{"b": nil, "a": []int{}}, `{"a":[],"b":null}`},
		"nil pointer": {nobody, `null`},
		"null":        {json.RawMessage(`null`), `null`},
		"raw":         {json.RawMessage(`{"n": 12345678901234567890123,"e":1.0E+2}`), `{"n": 12345678901234567890123,"e":1.0E+2}`},
		"bytes":       {[]byte("ab"), `"YWI="`},
		"nan":         {math.NaN(), ""},
		"channel":     {make(chan int), ""},
		"raw, bad":    {json.RawMessage(`{"a":}`), ""},
		"raw, empty":  {json.RawMessage{}, ""},
		"raw, two":    {json.RawMessage(`1,"x":2`), ""},
		"raw, UTF-8":  {json.RawMessage("\"\xff\""), ""},
		"marshaler":   {text(`{"a":1}`), `{"a":1}`},
		"liar":        {text(`{"a":`), ""},
		"too deep":    {json.RawMessage(nested(wire.MaxDepth + 1)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				b := newFakeBus()
				n := startMem(t, ignis.Config{Bus: b})
				p := n.login("ann")
				errs := []error{
					n.Send(context.Background(), ignis.ToEveryone(), "x", row.data),
					n.SendLocal(ignis.ToEveryone(), "x", row.data), n.SendLocal(ignis.ToClient(p.id), "x", row.data),
					n.SendLocal(ignis.ToRoom(p.id), "x", row.data), n.SendLocal(ignis.ToUser("ann"), "x", row.data),
				}
				if row.want == "" {
					for _, err := range errs {
						if err == nil || strings.Contains(err.Error(), secret) {
							t.Errorf("error %v", err)
						}
					}
					p.only()
					if sent := b.take(); len(sent) > 0 {
						t.Errorf("published %q", sent)
					}
					return
				}
				want := `{"event":"x","data":` + row.want + `}`
				p.only(want, want, want, want, want)
				envelope := `ws:broadcast {"serverId":"` + n.ID() + `","type":"broadcast","event":"x","data":` + row.want + `}`
				if sent := b.take(); errors.Join(errs...) != nil || !slices.Equal(sent, []string{envelope}) {
					t.Errorf("%v; published %q", errs, sent)
				}
			})
		})
	}
}

// Messages of one sender arrive in the order of its calls, while others send and clients
// connect and disconnect.
func TestOrderPerSender(t *testing.T) {
	n := start(t, ignis.Config{BackpressureLimit: 64 << 20})
	const senders, messages = 4, 500
	peers := []*peer{n.login("ann"), n.login("ann"), n.login("bob")}
	var sending sync.WaitGroup
	for sender := range senders {
		sending.Go(func() {
			for i := range messages {
				data := []int{sender, i}
				switch i % 3 {
				case 0:
					_ = n.SendLocal(ignis.ToEveryone(), "n", data)
				case 1:
					_ = n.SendLocal(ignis.ToRoom("ws-default"), "n", data)
				case 2:
					_ = n.Send(context.Background(), ignis.ToEveryone(), "n", data)
				}
			}
		})
	}
	for range 10 {
		_ = n.login("cat").conn.Close()
	}
	for _, p := range peers {
		next := make([]int, senders)
		for range senders * messages {
			m, err := wire.DecodeMessage([]byte(p.next()))
			var got [2]int
			if err != nil || m.Decode(&got) != nil || got[1] != next[got[0]] {
				t.Fatalf("received %s, want number %d", m.Data, next[got[0]])
			}
			next[got[0]]++
		}
	}
	sending.Wait()
}

// newMesh returns crowds on servers that share a bus.
func newMesh(t *testing.T, nodes int) []*crowd {
	buses := bustest.NewCluster(nodes)
	crowds := make([]*crowd, nodes)
	for i := range crowds {
		crowds[i] = newCrowd(t, buses[i])
	}
	return crowds
}

// Each message reaches the right clients of both instances exactly once.
func TestTwoInstances(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mesh := newMesh(t, 2)
		a, b := mesh[0], mesh[1]
		for name, row := range map[string]struct {
			to     ignis.Address
			except []ignis.SendOption
			a, b   string
		}{
			"everyone":              {ignis.ToEveryone(), nil, "ann1 ann2 bob none", "ann1 ann2 bob none"},
			"user":                  {ignis.ToUser("ann"), nil, "ann1 ann2", "ann1 ann2"},
			"room":                  {ignis.ToRoom("lobby"), nil, "ann1 bob", "ann1 bob"},
			"room except one there": {ignis.ToRoom("lobby"), []ignis.SendOption{ignis.Except(b.bob.id)}, "ann1 bob", "ann1"},
			"all except one there":  {ignis.ToEveryone(), []ignis.SendOption{ignis.Except(b.bob.id)}, "ann1 ann2 bob none", "ann1 ann2 none"},
			"client here":           {ignis.ToClient(a.bob.id), nil, "bob", ""},
			"client there":          {ignis.ToClient(b.bob.id), nil, "", "bob"},
			"client there, by To":   {ignis.To(b.bob.id), nil, "", "bob"},
			"room, by To":           {ignis.To("lobby"), nil, "ann1 bob", "ann1 bob"},
			"nobody":                {ignis.ToUser("nobody"), nil, "", ""},
		} {
			if err := a.Send(context.Background(), row.to, "x", 1, row.except...); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if here, there := a.reached(line), b.reached(line); here != row.a || there != row.b {
				t.Errorf("%s: reached %q here and %q there, want %q and %q", name, here, there, row.a, row.b)
			}
		}
	})
}

func TestOrderAcrossInstances(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mesh := newMesh(t, 3)
		var want []string
		for i := range 300 {
			if err := mesh[0].Send(context.Background(), ignis.ToRoom("lobby"), "n", i); err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprintf(`{"event":"n","data":%d}`, i))
		}
		synctest.Wait()
		for _, c := range mesh {
			c.bob.only(want...)
		}
	})
}

// An invalid address must not reach everyone.
func TestInvalidAddresses(t *testing.T) {
	n := start(t, ignis.Config{})
	p := n.login("ann")
	for _, to := range []ignis.Address{{}, ignis.ToUser(""), ignis.ToRoom(""), ignis.ToClient(""), ignis.To(""), ignis.ToRoom("a\xff")} {
		if n.Send(t.Context(), to, "m", 1) == nil || n.SendLocal(to, "m", 1) == nil {
			t.Errorf("%#v is accepted as an address", to)
		}
	}
	if err := n.Send(t.Context(), ignis.ToEveryone(), "everyone", 1); err != nil {
		t.Error(err)
	}
	p.expect(`{"event":"everyone","data":1}`)
}

// Stats.Recipients counts messages by the number of their recipients, wherever they come from.
func TestRecipients(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{})
		for i := range 11 {
			p := n.login(fmt.Sprintf("user%d", i))
			if i < 5 {
				_ = n.Join(p.id, "five")
			}
		}
		_ = n.SendLocal(ignis.ToUser("nobody"), "x", nil)
		_ = n.SendLocal(ignis.ToUser("user1"), "x", nil)
		_ = n.Send(t.Context(), ignis.ToUser("user2"), "x", nil)
		_ = n.SendLocal(ignis.ToRoom("five"), "x", nil)
		envelope := []byte(`{"serverId":"s","type":"broadcast","event":"x"}`)
		ignis.Receive(n.Server, envelope, envelope)
		got := n.Stats().Recipients
		want := ignis.Distribution{Bounds: []int{0, 1, 10, 100, 1000, 10_000}, Counts: []uint64{1, 2, 1, 2, 0, 0, 0}, Sum: 1 + 1 + 5 + 11 + 11}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

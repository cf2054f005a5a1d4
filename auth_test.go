package ignis_test

import (
	"context"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// sendEverything sends to the client with the ID, and to its user, in every possible way.
func sendEverything(t *testing.T, n *node, b *fakeBus, id, user string) {
	t.Helper()
	ctx := context.Background()
	_ = n.Join(id, "lobby") // fails until it is authenticated
	for _, err := range []error{
		n.SendLocal(ignis.ToClient(id), "x", secret),
		n.SendLocal(ignis.ToUser(user), "x", secret),
		n.SendLocal(ignis.ToRoom(id), "x", secret),
		n.SendLocal(ignis.ToRoom(wire.RoomDefault), "x", secret),
		n.SendLocal(ignis.ToEveryone(), "x", secret),
		n.SendLocal(ignis.ToEveryone(), "x", secret, ignis.Except("someone")),
		n.Send(ctx, ignis.ToClient(id), "x", secret),
		n.Send(ctx, ignis.ToUser(user), "x", secret),
		n.Send(ctx, ignis.ToRoom(id), "x", secret),
		n.Send(ctx, ignis.ToRoom(wire.RoomDefault), "x", secret, ignis.Except("someone")),
		n.Send(ctx, ignis.ToEveryone(), "x", secret),
		n.Send(ctx, ignis.To(id), "x", secret),
		n.SendLocal(ignis.ToRoom("lobby"), "x", secret),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	for _, kind := range []string{"client", "room"} {
		b.in <- fmt.Appendf(nil, `{"serverId":"emitter","type":%q,"target":%q,"event":"x","data":1}`, kind, id)
	}
	b.in <- fmt.Appendf(nil, `{"serverId":"emitter","type":"user","target":%q,"event":"x","data":1}`, user)
	b.in <- []byte(`{"serverId":"emitter","type":"broadcast","event":"x","data":1}`)
	synctest.Wait()
}

// Until a client is authenticated and has agreed on keys, it receives only errors,
// regardless of what is sent to it.
func TestNothingBeforeAuthentication(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newFakeBus()
		step := make(chan struct{})
		n := startMem(t, ignis.Config{
			Bus: b,
			Authenticate: func(context.Context, ignis.Credentials) (ignis.Identity, error) {
				<-step
				return ignis.Identity{UserID: "ann"}, nil
			},
			Encryption: ignis.EncryptionRequired,
			AgreeKeys: func(context.Context, *ignis.Client, ignis.Credentials) (*ignis.Cipher, error) {
				<-step
				return &ignis.Cipher{Seal: func(text []byte) ([]byte, error) { return text, nil }}, nil
			},
		})
		p := n.connect()
		synctest.Wait()
		id := n.Clients()[0].ID
		check := func(state ignis.State) {
			t.Helper()
			sendEverything(t, n, b, id, "ann")
			p.text("not JSON")
			p.only(failure(wire.ErrorFormat))
			c, ok := n.Client(id)
			if !ok || c.State != state || len(c.Rooms) != 0 || c.UserID != "" ||
				len(n.ClientsOfUser("ann")) != 0 || len(n.ClientsInRoom(id)) != 0 || n.Stats().Authenticated != 0 {
				t.Errorf("found in an index: %+v", c)
			}
		}
		check(ignis.StateUnauthorized)
		p.text(authenticate)
		synctest.Wait()
		check(ignis.StateAuthenticating) // in Authenticate
		step <- struct{}{}
		synctest.Wait()
		check(ignis.StateAuthenticating) // in AgreeKeys
		step <- struct{}{}
		if lines := p.got(); len(lines) != 1 || !strings.HasPrefix(lines[0], `{"event":"connected"`) {
			t.Fatalf("received %q", lines)
		}
		sendEverything(t, n, b, id, "ann")
		if lines := p.got(); len(lines) != 17 {
			t.Errorf("%d messages arrived, want 17: %q", len(lines), lines)
		}
	})
}

// When OnConnect runs, the client is in all indexes and has received the connected event.
func TestOrderOnSuccess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var n *node
		var p *peer
		called := false
		n = startMem(t, ignis.Config{OnConnect: func(_ context.Context, c *ignis.Client) {
			called = true
			time.Sleep(time.Second) // until everything else is idle
			if line := p.next(); !strings.HasPrefix(line, `{"event":"connected","data":{"id":"`+c.ID+`"`) {
				t.Errorf("received %s before the callback", line)
			}
			info, _ := n.Client(c.ID)
			rooms := []string{c.ID, wire.RoomDefault, wire.RoomNotification}
			if !slices.Equal(info.Rooms, rooms) || len(n.ClientsOfUser("ann")) != 1 || info.State != ignis.StateAuthenticated {
				t.Errorf("in the callback: %+v", info)
			}
			for _, room := range rooms {
				if len(n.ClientsInRoom(room)) != 1 {
					t.Errorf("not in room %s", room)
				}
			}
			if err := n.SendLocal(ignis.ToClient(c.ID), "welcome", nil); err != nil {
				t.Error(err)
			}
		}})
		p = n.connect()
		p.text(`{"event":"authenticate","data":{"user":"ann"}}`)
		synctest.Wait()
		time.Sleep(2 * time.Second)
		p.only(`{"event":"welcome"}`)
		if !called {
			t.Error("OnConnect was not called")
		}
	})
}

// When a client receives the connected event, it has joined its rooms, even if joining
// takes a while.
func TestInRoomsWhenConnected(t *testing.T) {
	rooms := make([]string, 3000)
	for i := range rooms {
		rooms[i] = fmt.Sprint("room", i)
	}
	n := start(t, ignis.Config{DefaultRooms: rooms})
	for range 3 {
		p := n.login("ann")
		if c, _ := n.Client(p.id); len(c.Rooms) != 1+len(rooms) {
			t.Errorf("connected, and in %d rooms", len(c.Rooms))
		}
	}
}

// The connected event has exactly these bytes. Time in a bubble starts at midnight UTC on
// 2000-01-01.
func TestConnectedBytes(t *testing.T) {
	for name, row := range map[string]struct {
		user    string
		session *ignis.Cipher
		want    string
	}{
		"anonymous": {"", nil, `{"event":"connected","data":{"id":"ID","time":"2000-01-01T00:00:00.120Z"}}`},
		"a user":    {"<ann>\u2028", nil, "{\"event\":\"connected\",\"data\":{\"id\":\"ID\",\"userId\":\"<ann>\u2028\",\"time\":\"2000-01-01T00:00:00.120Z\"}}"},
		"encrypted": {
			"ann", &ignis.Cipher{ServerPublicKey: "BP+/=", Salt: "c2FsdA==", Seal: func([]byte) ([]byte, error) { return []byte("sealed"), nil }},
			`{"event":"connected","data":{"id":"ID","userId":"ann","time":"2000-01-01T00:00:00.120Z","serverPublicKey":"BP+/=","salt":"c2FsdA=="}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				n := startMem(t, ignis.Config{
					Authenticate: func(context.Context, ignis.Credentials) (ignis.Identity, error) {
						return ignis.Identity{UserID: row.user}, nil
					},
					Encryption: required(row.session != nil),
					AgreeKeys: func(context.Context, *ignis.Client, ignis.Credentials) (*ignis.Cipher, error) {
						return row.session, nil
					},
				})
				time.Sleep(120 * time.Millisecond)
				p := n.connect()
				p.text(authenticate)
				p.only(strings.Replace(row.want, "ID", n.Clients()[0].ID, 1))
			})
		})
	}
}

// No message arrives before the connected event, and none sent after it is lost, even if
// many are being sent.
func TestConnectedComesFirstInAFlood(t *testing.T) {
	n := start(t, ignis.Config{BackpressureLimit: 64 << 20})
	stop := make(chan struct{})
	var flood sync.WaitGroup
	flood.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				_ = n.SendLocal(ignis.ToEveryone(), "n", i)
				_ = n.SendLocal(ignis.ToRoom(wire.RoomDefault), "r", i)
				runtime.Gosched()
			}
		}
	})
	for range 50 {
		p := n.login("ann") // fails on anything but connected
		last := map[string]int{}
		for range 20 {
			m, err := wire.DecodeMessage([]byte(p.next()))
			var i int
			if err != nil || m.Decode(&i) != nil {
				t.Fatalf("received %+v, %v", m, err)
			}
			if before, ok := last[m.Event]; ok && i != before+1 {
				t.Fatalf("%s %d came after %d", m.Event, i, before)
			}
			last[m.Event] = i
		}
		_ = p.conn.Close()
	}
	close(stop)
	flood.Wait()
}

func TestClientIDs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{})
		v4 := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
		seen := map[string]bool{}
		for range 50 {
			id := n.login("ann").id
			if !v4.MatchString(id) || seen[id] || !ignis.IsClientID(id) {
				t.Errorf("id %s", id)
			}
			seen[id] = true
		}
	})
}

func TestCredentials(t *testing.T) {
	for text, want := range map[string]ignis.Credentials{
		`{"event":"authenticate"}`:                       {Raw: []byte(`{}`)},
		`{"event":"authenticate","data":null}`:           {Raw: []byte(`{}`)},
		`{"event":"authenticate","data":"t"}`:            {Raw: []byte(`"t"`)},
		`{"event":"authenticate","data":[1]}`:            {Raw: []byte(`[1]`)},
		`{"event":"authenticate","data":{"token":"t"}}`:  {Token: "t", Raw: []byte(`{"token":"t"}`)},
		`{"event":"authenticate","data":{"token":5}}`:    {Raw: []byte(`{"token":5}`)},
		`{"event":"authenticate","data":{"token":null}}`: {Raw: []byte(`{"token":null}`)},
		`{"event":"authenticate","data":{"Token":"t"}}`:  {Raw: []byte(`{"Token":"t"}`)},
		`{"event":"authenticate","data":{"type":"Bearer","token":"a\u0062","publicKey":"k","n":12345678901234567890123}}`: {
			Type: "Bearer", Token: "ab", PublicKey: "k",
			Raw: []byte(`{"type":"Bearer","token":"a\u0062","publicKey":"k","n":12345678901234567890123}`),
		},
	} {
		t.Run(text, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var got ignis.Credentials
				n := startMem(t, ignis.Config{Authenticate: func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
					got = c
					return ignis.Identity{}, nil
				}})
				p := n.connect()
				p.text(text)
				p.got()
				want.ClientID, want.RemoteAddr = n.Clients()[0].ID, "pipe"
				if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
					t.Errorf("got  %+v\nwant %+v", got, want)
				}
			})
		})
	}
}

func TestDecodeCredentials(t *testing.T) {
	var v struct{ Token string }
	if err := (ignis.Credentials{Raw: []byte(`{"token":"t"}`)}).Decode(&v); err != nil || v.Token != "t" {
		t.Errorf("%+v, %v", v, err)
	}
	if err := (ignis.Credentials{Raw: []byte(`"` + secret + `"`)}).Decode(&v); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("error %v", err)
	}
}

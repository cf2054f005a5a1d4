package ignis_test

import (
	"context"
	"net/http/httptest"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// Calls each method of a Server from several goroutines while clients connect, join,
// send, are refused, are cut off and disconnect. The race detector finds unguarded state.
func TestFromAnyGoroutine(t *testing.T) {
	b := newFakeBus()
	var n *node
	cfg := keys(plain)
	cfg.Bus, cfg.Encryption, cfg.ValidateRooms = b, ignis.EncryptionOptional, allRooms
	seals := cfg.AgreeKeys
	cfg.AgreeKeys = func(ctx context.Context, c *ignis.Client, cred ignis.Credentials) (*ignis.Cipher, error) {
		if c.UserID != "sealed" {
			return nil, nil //nolint:nilnil // not encrypted
		}
		return seals(ctx, c, cred)
	}
	cfg.OnMessage = func(_ context.Context, c *ignis.Client, m wire.Message) (any, error) {
		return nil, n.SendLocal(ignis.ToEveryone(), m.Event, m.Data, ignis.Except(c.ID))
	}
	n = start(t, cfg)
	stays := n.login("stays")
	ctx := t.Context()
	some := ignis.Cipher{Seal: func(text []byte) ([]byte, error) { return text, nil }}
	one := func() string { // a client, which may disconnect at any time
		for _, c := range n.Clients() {
			if c.ID != stays.id {
				return c.ID
			}
		}
		return "unknown"
	}
	calls := map[string]func(){
		"Client":        func() { n.Client(one()) },
		"ClientStats":   func() { n.ClientStats() },
		"Clients":       func() { n.Clients() },
		"ClientsInRoom": func() { n.ClientsInRoom("a") },
		"ClientsOfUser": func() { n.ClientsOfUser("ann") },
		"Disconnect":    func() { _ = n.Disconnect(one(), 4000, "") },
		"DisconnectAll": func() { _, _ = n.DisconnectAll(ctx, ignis.ToClient(one()), 4000, "") },
		"Drain":         nil, // below
		"DrainServer":   func() { _, _ = n.DrainServer(ctx, "another") },
		"Encrypt":       func() { _ = n.Encrypt(one(), &some) },
		"HasBus":        func() { n.HasBus() },
		"Health":        func() { n.Health() },
		"Hold": func() {
			if release, err := n.Hold(); err == nil {
				release()
			}
		},
		"ID":       func() { n.ID() },
		"InRoom":   func() { n.InRoom(one(), "a") },
		"Join":     func() { _ = n.Join(one(), "a", "b") },
		"JoinAll":  func() { _, _ = n.JoinAll(ctx, ignis.ToUser("ann"), "a", "b") },
		"Leave":    func() { _ = n.Leave(one(), "a") },
		"LeaveAll": func() { _, _ = n.LeaveAll(ctx, ignis.ToRoom("b"), "a", "b") },
		"ListClients": func() {
			n.ListClients(ignis.ClientQuery{})
			n.ListClients(ignis.ClientQuery{UserID: "ann", Room: "a", Limit: 1})
			n.ListClients(ignis.ClientQuery{Room: "a"})
		},
		"ListRooms": func() { n.ListRooms(ignis.NameQuery{Keep: func(string) bool { return n.Stats().Rooms > 0 }}) },
		"ListUsers": func() { n.ListUsers(ignis.NameQuery{Limit: 1}) },
		"Ready":     func() { n.Ready() },
		"Revoke": func() {
			until := time.Now().Add(time.Hour)
			_, _ = n.Revoke(ctx, ignis.Revocation{UserID: "bob", IssuedBefore: time.Now(), Until: until})
			_, _ = n.Revoke(ctx, ignis.Revocation{TokenID: "t", Until: until})
			_, _ = n.Revoke(ctx, ignis.Revocation{ClientID: one(), Until: until})
		},
		"Run":  func() { _ = n.Run(ctx) }, // it is already running
		"Send": func() { _ = n.Send(ctx, ignis.To("a"), "x", 1) },
		"SendAll": func() {
			_, _ = n.SendAll(ctx, ignis.Post{To: ignis.ToRoom("a"), Event: "x"}, ignis.Post{To: ignis.ToRoom("a"), Event: "y"})
		},
		"SendLocal": func() {
			_ = n.SendLocal(ignis.ToEveryone(), "x", 1)
			_ = n.SendLocal(ignis.ToClient(one()), "x", 1)
			_ = n.SendLocal(ignis.ToRoom("a"), "x", 1)
			_ = n.SendLocal(ignis.ToUser("ann"), "x", 1)
		},
		"SetLimits": func() { _ = n.SetLimits(ignis.Config{}) },
		"Stats":     func() { n.Stats() },
		"ServeHTTP": func() { n.ServeHTTP(httptest.NewRecorder(), upgradeRequest()) }, // it cannot be hijacked
		"Shutdown":  nil,                                                              // below
	}
	for i := range reflect.TypeOf(n.Server).NumMethod() {
		if name := reflect.TypeOf(n.Server).Method(i).Name; calls[name] == nil && name != "Shutdown" && name != "Drain" {
			t.Errorf("%s is not called by this test", name)
		}
	}
	visit := func(user string) {
		p := n.raw()
		p.text(`{"event":"authenticate","data":{"user":"` + user + `"}}`)
		for range 10 {
			p.join(names("a", "b", "ws:a"))
			p.text(`{"event":"x"}`)
			p.text(`{"event":"encrypted","data":1}`)
			p.text(`not a message`)
		}
		_, _, _ = readFrame(p.r)
		_ = p.conn.Close()
	}
	calls["clients"], calls["sealed clients"] = func() { visit("ann") }, func() { visit("sealed") }
	calls["refused clients"] = func() { n.raw().text(`{"event":"authenticate","data":{"token":"bad"}}`) }
	calls["the bus"] = func() {
		ignis.Receive(n.Server, []byte(`{"serverId":"s","type":"broadcast","event":"x","data":1}`), []byte("x"))
		b.fail(context.Canceled)
		b.fail(nil)
	}
	var all sync.WaitGroup
	for _, call := range calls {
		if call == nil {
			continue
		}
		for range 2 {
			all.Go(func() {
				for range 30 {
					call()
				}
			})
		}
	}
	all.Wait()
	for range 3 {
		all.Go(func() { _ = n.Drain(ctx) })
		all.Go(func() { _, _ = n.DrainServer(ctx, n.ID()) })
		all.Go(func() { _ = n.Shutdown(ctx) })
	}
	all.Wait()
}

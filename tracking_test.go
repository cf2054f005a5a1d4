package ignis_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

type profile struct{ Level int }

func TestClientInfo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := keys(plain)
		cfg.ValidateRooms = allRooms
		cfg.Authenticate = func(context.Context, ignis.Credentials) (ignis.Identity, error) {
			return ignis.Identity{UserID: "ann", Metadata: profile{3}}, nil
		}
		n := startMem(t, cfg)
		time.Sleep(time.Second)
		connected := time.Now()
		p := n.connect()
		synctest.Wait()
		before := n.Clients()[0]
		want := ignis.ClientInfo{
			Client: ignis.Client{ID: before.ID, RemoteAddr: "pipe", ConnectedAt: connected}, Protocol: 1,
			LastActivity: connected,
		}
		if diff := cmp.Diff(want, before); diff != "" {
			t.Error("before authentication (-want +got):", diff)
		}
		time.Sleep(time.Second)
		p.authenticate("ann")
		p.join(names("b", "a"))
		synctest.Wait()
		after, ok := n.Client(p.id)
		want.Client = ignis.Client{
			ID: before.ID, UserID: "ann", Metadata: profile{3}, RemoteAddr: "pipe", ConnectedAt: connected,
			Encrypted: true,
		}
		want.State = ignis.StateAuthenticated
		want.Rooms = []string{p.id, wire.RoomDefault, wire.RoomNotification, "b", "a"}
		want.LastActivity = time.Now()
		if diff := cmp.Diff(want, after); diff != "" || !ok {
			t.Error("after authentication (-want +got):", diff)
		}
		for name, list := range map[string][]ignis.ClientInfo{
			"all": n.Clients(), "of ann": n.ClientsOfUser("ann"), "in a": n.ClientsInRoom("a"), "in its own": n.ClientsInRoom(p.id),
		} {
			if diff := cmp.Diff([]ignis.ClientInfo{want}, list); diff != "" {
				t.Error(name, "(-want +got):", diff)
			}
		}
		// A snapshot belongs to the caller and does not change.
		after.Rooms[0] = "changed"
		_ = n.Leave(p.id, "a", "b")
		if again, _ := n.Client(p.id); again.Rooms[0] != p.id || len(after.Rooms) != 5 || len(again.Rooms) != 3 {
			t.Errorf("%q and %q", after.Rooms, again.Rooms)
		}
		if m, err := ignis.MetadataOf[profile](&after.Client); err != nil || m.Level != 3 {
			t.Errorf("metadata %v, %v", m, err)
		}
		if _, err := ignis.MetadataOf[*profile](&after.Client); err == nil ||
			!strings.Contains(err.Error(), "ignis_test.profile") || !strings.Contains(err.Error(), "*ignis_test.profile") {
			t.Errorf("metadata of another type: %v", err)
		}
		_ = p.conn.Close()
		synctest.Wait()
		if _, ok := n.Client(p.id); ok || len(n.ClientsInRoom(p.id)) > 0 {
			t.Error("found after it has disconnected")
		}
	})
}

func TestManySessionsOfAUser(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{})
		p, q := n.login("ann"), n.login("ann")
		n.login("")
		ids := func() (ids []string) {
			for _, c := range n.ClientsOfUser("ann") {
				ids = append(ids, c.ID)
			}
			slices.Sort(ids)
			return ids
		}
		want := []string{p.id, q.id}
		if slices.Sort(want); !slices.Equal(ids(), want) {
			t.Errorf("sessions %q", ids())
		}
		if len(n.ClientsOfUser("")) != 0 || n.Stats().Users != 1 {
			t.Error("anonymous clients count as a user")
		}
	})
}

func TestStateNames(t *testing.T) {
	for s, want := range map[ignis.State]string{
		ignis.StateUnauthorized: "unauthorized", ignis.StateAuthenticating: "authenticating",
		ignis.StateAuthenticated: "authenticated", ignis.StateDisconnected: "disconnected",
	} {
		if s.String() != want {
			t.Errorf("%d is %s", s, s)
		}
	}
}

// OnDisconnect reports the way in which a client was disconnected.
func TestDisconnectCauses(t *testing.T) {
	for name, row := range map[string]struct {
		end  func(p *peer)
		want ignis.Disconnect
	}{
		"closes":                  {func(p *peer) { p.send(8, append([]byte{0x0f, 0xa0}, "bye"...)) }, ignis.Disconnect{Cause: "client closed", Code: 4000, Reason: "bye"}},
		"closes without a code":   {func(p *peer) { p.send(8, nil) }, ignis.Disconnect{Cause: "client closed", Code: 1005}},
		"vanishes":                {func(p *peer) { _ = p.conn.Close() }, ignis.Disconnect{Cause: "connection lost", Code: 1006}},
		"violates the protocol":   {func(p *peer) { p.send(3, nil) }, ignis.Disconnect{Cause: "protocol violation", Code: 1002, Reason: "unknown opcode"}},
		"is closed":               {func(p *peer) { _ = p.Disconnect(p.id, 4999, "enough") }, ignis.Disconnect{Cause: "closed by the application", Code: 4999, Reason: "enough"}},
		"is closed with its code": {func(p *peer) { _ = p.Disconnect(p.id, 4002, "app") }, ignis.Disconnect{Cause: "closed by the application", Code: 4002, Reason: "app"}},
		"is silent":               {func(*peer) { time.Sleep(150 * time.Second) }, ignis.Disconnect{Cause: "heartbeat timeout", Code: 4002, Reason: "Heartbeat timeout"}},
		"shutdown":                {func(p *peer) { p.stop() }, ignis.Disconnect{Cause: "server shutdown", Code: 1001, Reason: "Server shutting down"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				got := make(chan ignis.Disconnect, 1)
				n := startMem(t, ignis.Config{OnDisconnect: func(_ context.Context, _ *ignis.Client, d ignis.Disconnect) { got <- d }})
				p := n.login("ann")
				row.end(p)
				row.want.Rooms = []string{wire.RoomDefault, wire.RoomNotification}
				if diff := cmp.Diff(row.want, <-got); diff != "" {
					t.Error("(-want +got):", diff)
				}
				if c := n.Stats().Disconnects; len(c) != 1 || c[row.want.Cause] != 1 {
					t.Errorf("counted %v", c)
				}
				time.Sleep(10 * time.Second) // the time that a peer has after violating the protocol
			})
		})
	}
}

func TestDisconnect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{})
		var p *peer
		for _, row := range []struct {
			code   uint16
			reason string
			ok     bool
		}{
			{999, "", false},
			{1001, "", false},
			{1005, "", false},
			{1006, "", false},
			{3000, "", false},
			{5000, "", false},
			{4000, strings.Repeat("a", 124), false},
			{4000, "\xff", false},
			{1007, "", false},
			{1009, "", false},
			{3999, "", false},
			{1000, "", true},
			{1008, "", true},
			{4999, "", true},
			{4000, strings.Repeat("a", 123), true},
		} {
			p = n.login("ann")
			if err := n.Disconnect(p.id, row.code, row.reason); (err == nil) != row.ok {
				t.Errorf("%d with %d bytes: %v", row.code, len(row.reason), err)
			}
			if row.ok {
				p.only(fmt.Sprintf("<close %d %s>", row.code, row.reason), "<end>")
			} else {
				p.only()
			}
		}
		if err := n.Disconnect(p.id, 1000, ""); !errors.Is(err, ignis.ErrNoClient) {
			t.Errorf("a client that has disconnected: %v", err)
		}
	})
}

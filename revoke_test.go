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

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/wire"
)

// tokens accepts clients with what their credentials say about the token. at is the time since
// the beginning of the bubble at which it was issued, or empty.
func tokens(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
	var token struct{ User, ID, At string }
	if err := c.Decode(&token); err != nil || token.User == "nobody" {
		return ignis.Identity{}, ignis.ErrUnauthenticated
	}
	id := ignis.Identity{UserID: token.User, TokenID: token.ID}
	if d, err := time.ParseDuration(token.At); err == nil {
		id.IssuedAt = bubbleStart.Add(d)
	}
	return id, nil
}

// bubbleStart is the fake time at which bubbles start.
var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func credentials(user, token, at string) string {
	return fmt.Sprintf(`{"user":%q,"id":%q,"at":%q,"protocol":2}`, user, token, at)
}

// enter connects a client and returns whether it was admitted.
func (n *node) enter(data string) (*peer, bool) {
	n.t.Helper()
	p := n.connect()
	p.text(`{"event":"authenticate","data":` + data + `}`)
	lines := p.got()
	if len(lines) == 1 {
		var data struct{ ID string }
		if m, err := wire.DecodeMessage([]byte(lines[0])); err == nil && m.Event == wire.EventConnected && m.Decode(&data) == nil {
			p.id = data.ID
			return p, true
		}
	}
	if want := append([]string{failure(wire.ErrorRejected)}, closed(4003)...); !slices.Equal(lines, want) {
		n.t.Errorf("received %q\n    want %q", lines, want)
	}
	return p, false
}

func TestRevoke(t *testing.T) {
	clients := map[string]string{
		"ann old":   credentials("ann", "t1", "-2h"),
		"ann new":   credentials("ann", "t2", "-1h"),
		"ann none":  credentials("ann", "", ""),
		"bob":       credentials("bob", "t3", "-2h"),
		"bob again": credentials("bob", "t3", "-2h"),
		"anonymous": credentials("", "t4", "-1h"),
	}
	hour := bubbleStart.Add(-time.Hour)
	for name, row := range map[string]struct {
		r    ignis.Revocation
		want []string
	}{
		"a user":                   {ignis.Revocation{UserID: "ann"}, []string{"ann new", "ann none", "ann old"}},
		"a user, issued before":    {ignis.Revocation{UserID: "ann", IssuedBefore: hour}, []string{"ann none", "ann old"}},
		"a token":                  {ignis.Revocation{TokenID: "t3"}, []string{"bob", "bob again"}},
		"everyone":                 {ignis.Revocation{Everyone: true, IssuedBefore: hour}, []string{"ann none", "ann old", "bob", "bob again"}},
		"everyone, a moment later": {ignis.Revocation{Everyone: true, IssuedBefore: hour.Add(1)}, []string{"ann new", "ann none", "ann old", "anonymous", "bob", "bob again"}},
		"a user without clients":   {ignis.Revocation{UserID: "cat"}, nil},
		"a token of nobody":        {ignis.Revocation{TokenID: "t9"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var hooked []ignis.RevokedInfo
				n := startMem(t, ignis.Config{Authenticate: tokens, Hooks: ignis.Hooks{
					Revoked: func(i ignis.RevokedInfo) { hooked = append(hooked, i) },
				}})
				peers := make(map[string]*peer)
				for name, data := range clients {
					var ok bool
					if peers[name], ok = n.enter(data); !ok {
						t.Fatalf("%s is not admitted", name)
					}
				}
				row.r.Until = time.Now().Add(time.Hour)
				if _, err := n.Revoke(t.Context(), row.r); err != nil {
					t.Fatal(err)
				}
				for name, p := range peers {
					if slices.Contains(row.want, name) {
						p.only(closed(4006)...)
					} else {
						p.only()
					}
				}
				for name, data := range clients {
					if _, ok := n.enter(data); ok == slices.Contains(row.want, name) {
						t.Errorf("%s is admitted afterwards: %v", name, ok)
					}
				}
				count := uint64(len(row.want))
				if s := n.Stats(); s.Disconnects[ignis.CauseRevoked] != count || s.RefusedRevoked != count || s.RefusedAuth != count || s.Revoked != 1 || s.Revocations != 1 {
					t.Errorf("stats %+v", s)
				}
				if want := (ignis.RevokedInfo{Revocations: 1, Clients: len(row.want)}); !slices.Equal(hooked, []ignis.RevokedInfo{want}) {
					t.Errorf("hooks %+v", hooked)
				}
				if !n.log.Has(`msg="access revoked"`) || count > 0 && !n.log.Has("access was revoked") {
					t.Error(n.log)
				}
				// When the revocation has ended, it is forgotten.
				time.Sleep(time.Hour)
				for name, data := range clients {
					if _, ok := n.enter(data); !ok {
						t.Errorf("%s is not admitted after the end", name)
					}
				}
				time.Sleep(time.Minute)
				if s := n.Stats(); s.Revoked != 0 {
					t.Errorf("%d revocations are remembered", s.Revoked)
				}
			})
		})
	}
}

// A session is revoked by its client ID, even if the client is not authenticated yet. The token
// stays valid.
func TestRevokeSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{Authenticate: tokens})
		p, _ := n.enter(credentials("ann", "t1", "-1h"))
		other, _ := n.enter(credentials("ann", "t1", "-1h"))
		stranger := n.connect()
		synctest.Wait()
		for _, c := range n.Clients() {
			if c.State == ignis.StateUnauthorized || c.ID == p.id {
				if _, err := n.Revoke(t.Context(), ignis.Revocation{ClientID: c.ID, Until: time.Now().Add(time.Hour)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		p.only(closed(4006)...)
		stranger.only(closed(4006)...)
		other.only()
		if _, ok := n.enter(credentials("ann", "t1", "-1h")); !ok {
			t.Error("the token is revoked too")
		}
	})
}

func TestRevokeErrors(t *testing.T) {
	bubble(t, func(t *testing.T) {
		until := time.Now().Add(time.Hour)
		stopped, err := ignis.New(ignis.Config{Authenticate: tokens})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stopped.Revoke(t.Context(), ignis.Revocation{UserID: "ann", Until: until}); !errors.Is(err, ignis.ErrNotRunning) {
			t.Errorf("before Run: %v", err)
		}
		if _, err := (*ignis.Server)(nil).Revoke(t.Context(), ignis.Revocation{}); !errors.Is(err, ignis.ErrNotRunning) {
			t.Errorf("a nil server: %v", err)
		}
		n := startMem(t, ignis.Config{Authenticate: tokens, MaxRevocations: 2})
		for want, r := range map[string]ignis.Revocation{
			"set exactly one":  {Until: until},
			"Until has passed": {UserID: "ann", Until: time.Now()},
			"set Until":        {UserID: "ann"},
		} {
			if _, err := n.Revoke(t.Context(), r); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v, want an error with %q", r, err, want)
			}
		}
		if s := n.Stats(); s.Revocations != 0 {
			t.Errorf("invalid revocations are counted: %+v", s)
		}
		// Beyond the limit, clients are closed, but the revocation is not remembered.
		for _, token := range []string{"t1", "t2", "t1"} {
			if _, err := n.Revoke(t.Context(), ignis.Revocation{TokenID: token, Until: until}); err != nil {
				t.Error(err)
			}
		}
		p, _ := n.enter(credentials("ann", "t3", ""))
		if _, err := n.Revoke(t.Context(), ignis.Revocation{TokenID: "t3", Until: until}); !errors.Is(err, ignis.ErrTooManyRevocations) {
			t.Errorf("one more: %v", err)
		}
		p.only(closed(4006)...)
		if _, ok := n.enter(credentials("ann", "t3", "")); !ok {
			t.Error("it is remembered although there are too many")
		}
		if s := n.Stats(); s.Revoked != 2 || s.Revocations != 3 || s.RevocationsDropped != 1 {
			t.Errorf("stats %+v", s)
		}
		// When others have ended, there is room.
		time.Sleep(time.Hour)
		if _, err := n.Revoke(t.Context(), ignis.Revocation{TokenID: "t3", Until: until.Add(time.Hour)}); err != nil {
			t.Error(err)
		}
	})
}

// A revocation reaches all servers of a cluster, and those that start later.
func TestRevokeInACluster(t *testing.T) {
	bubble(t, func(t *testing.T) {
		buses := bustest.NewCluster(3)
		cfg := func(i int) ignis.Config { return ignis.Config{Authenticate: tokens, Bus: buses[i]} }
		a, b := startMem(t, cfg(0)), startMem(t, cfg(1))
		data := credentials("ann", "t1", "-1h")
		p, _ := a.enter(data)
		q, _ := b.enter(data)
		r := ignis.Revocation{UserID: "ann", IssuedBefore: time.Now(), Until: time.Now().Add(time.Hour)}
		if _, err := a.Revoke(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		p.only(closed(4006)...)
		q.only(closed(4006)...)
		c := startMem(t, cfg(2))
		for _, n := range []*node{a, b, c} {
			if _, ok := n.enter(data); ok {
				t.Error("admitted")
			}
			if _, ok := n.enter(credentials("ann", "t2", "1h")); !ok {
				t.Error("a newer token is refused")
			}
			if s := n.Stats(); s.Revoked != 1 || s.Commands != 1 || s.BadCommands != 0 {
				t.Errorf("stats %+v", s)
			}
		}
	})
}

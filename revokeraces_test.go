package ignis_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/wire"
)

// A revocation that arrives while a client authenticates, or agrees on keys, refuses the client.
func TestRevokeWhileAuthenticating(t *testing.T) {
	for name, r := range map[string]ignis.Revocation{
		"user": {UserID: "ann"}, "token": {TokenID: "t1"}, "before": {UserID: "ann", IssuedBefore: bubbleStart},
		"everyone": {Everyone: true, IssuedBefore: bubbleStart},
	} {
		for _, step := range []string{"Authenticate", "AgreeKeys"} {
			t.Run(name+" during "+step, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					step2 := make(chan struct{})
					wait := func(in string) {
						if in == step {
							<-step2
						}
					}
					connected, agreed := false, 0
					n := startMem(t, ignis.Config{
						Authenticate: func(ctx context.Context, c ignis.Credentials) (ignis.Identity, error) {
							defer wait("Authenticate")
							return tokens(ctx, c)
						},
						Encryption: ignis.EncryptionOptional,
						AgreeKeys: func(context.Context, *ignis.Client, ignis.Credentials) (*ignis.Cipher, error) {
							agreed++
							wait("AgreeKeys")
							return nil, nil
						},
						OnConnect: func(context.Context, *ignis.Client) { connected = true },
					})
					p := n.connect()
					p.text(`{"event":"authenticate","data":` + credentials("ann", "t1", "-1h") + `}`)
					synctest.Wait()
					r.Until = time.Now().Add(time.Hour)
					if _, err := n.Revoke(t.Context(), r); err != nil {
						t.Fatal(err)
					}
					close(step2)
					lines := p.got()
					for _, line := range lines {
						if strings.Contains(line, `"event":"connected"`) {
							t.Errorf("received %q", line)
						}
					}
					if len(lines) == 0 || lines[len(lines)-1] != "<end>" || connected || n.Stats().Authenticated != 0 {
						t.Errorf("the client slipped through: %q, OnConnect called: %v", lines, connected)
					}
					if step == "Authenticate" && agreed > 0 {
						t.Error("keys were agreed on with a client that is refused")
					}
				})
			})
		}
	}
}

// However revocations and authentications interleave, no client of a revoked user stays.
func TestRevokeRaces(t *testing.T) {
	longtest.Mark(t)
	decided, admitted := make(chan struct{}), make(chan bool)
	var n *node
	var round int
	n = newNode(t, ignis.Config{
		CloseTimeout: time.Millisecond, // the client does not answer the close frame
		Authenticate: func(ctx context.Context, c ignis.Credentials) (ignis.Identity, error) {
			close(decided)
			for range round % 100 * 50 { // so that the revocation arrives at different moments
				_ = n.Ready()
			}
			return tokens(ctx, c)
		},
		Hooks: ignis.Hooks{Authenticated: func(i ignis.AuthenticatedInfo) { admitted <- i.Err == nil }},
	})
	<-n.Ready()
	outcomes := make(map[bool]int)
	for round = range 3000 {
		user, token := fmt.Sprint("user", round), fmt.Sprint("token", round)
		r := ignis.Revocation{UserID: user, Until: time.Now().Add(time.Hour)}
		if round%4 == 0 {
			r = ignis.Revocation{TokenID: token, Until: r.Until}
		}
		decided = make(chan struct{})
		ours, theirs := net.Pipe()
		ignis.Adopt(n.Server, theirs)
		var all sync.WaitGroup
		_ = ours.SetReadDeadline(time.Now().Add(n.patience))
		var stays error
		all.Go(func() { _, stays = io.Copy(io.Discard, ours) })
		all.Go(func() {
			<-decided
			if _, err := n.Revoke(context.Background(), r); err != nil {
				t.Error(err)
			}
		})
		p := peer{node: n, conn: ours}
		p.text(`{"event":"authenticate","data":` + credentials(user, token, "") + `}`)
		outcomes[<-admitted]++
		all.Wait()
		if _ = ours.Close(); stays != nil {
			t.Fatalf("round %d: the client is not closed: %v", round, stays)
		}
	}
	causes := n.Stats().Disconnects
	if causes[ignis.CauseRevoked]+causes[ignis.CauseAuthFailed] != 3000 {
		t.Errorf("clients were disconnected for other reasons: %v", causes)
	}
	t.Logf("%d clients were admitted, and %d were not", outcomes[true], outcomes[false])
}

func TestRevokeAndRefresh(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hold, hold5 := make(chan struct{}), make(chan struct{})
		n := startMem(t, ignis.Config{Authenticate: func(ctx context.Context, c ignis.Credentials) (ignis.Identity, error) {
			if c.Type == "slow" {
				defer func() { <-hold }()
			}
			return tokens(ctx, c)
		}, ValidateRooms: func(_ context.Context, c *ignis.Client, rooms []string) ([]string, error) {
			if c.TokenID == "t5" {
				<-hold5
			}
			return rooms, nil
		}})
		p, _ := n.enter(credentials("ann", "t1", "-2h"))
		revoke := func(token string) {
			t.Helper()
			if _, err := n.Revoke(t.Context(), ignis.Revocation{TokenID: token, Until: time.Now().Add(time.Hour)}); err != nil {
				t.Fatal(err)
			}
		}
		refused := func(id string) string {
			return `{"event":"error","data":{"message":"Authentication failed","code":"forbidden"},"id":"` + id + `"}`
		}
		// A token that is revoked is refused, and the session continues.
		revoke("t2")
		p.text(`{"event":"refresh","data":` + credentials("ann", "t2", "-1h") + `,"id":"1"}`)
		p.only(refused("1"))
		// So is one that is revoked during the refresh.
		p.text(`{"event":"refresh","data":{"user":"ann","id":"t3","type":"slow"},"id":"2"}`)
		synctest.Wait()
		revoke("t3")
		close(hold)
		p.only(refused("2"))
		// Or while the application is asked for the rooms that it allows.
		p.join(names("lobby"))
		p.text(`{"event":"refresh","data":` + credentials("ann", "t5", "-1h") + `,"id":"5"}`)
		synctest.Wait()
		revoke("t5")
		close(hold5)
		p.only(refused("5"))
		// After a refresh, the new token counts.
		p.text(`{"event":"refresh","data":` + credentials("ann", "t4", "-1h") + `,"id":"3"}`)
		p.only(`{"event":"ack","data":{},"id":"3"}`)
		if c := n.ClientsOfUser("ann"); len(c) != 1 || c[0].TokenID != "t4" {
			t.Errorf("clients %+v", c)
		}
		revoke("t1")
		p.only()
		revoke("t4")
		p.only(closed(4006)...)
		if s := n.Stats(); s.RefusedRevoked != 3 || s.RefusedAuth != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// Messages that a client sent before its access was revoked, and that wait for a callback, are
// not handled.
func TestRevokedMessagesAreNotHandled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hold := make(chan struct{})
		var handled, disconnected []string
		n := startMem(t, ignis.Config{
			Authenticate: tokens,
			OnMessage: func(_ context.Context, _ *ignis.Client, m wire.Message) (any, error) {
				handled = append(handled, m.Event)
				<-hold
				return nil, nil
			},
			OnDisconnect: func(_ context.Context, c *ignis.Client, d ignis.Disconnect) {
				disconnected = append(disconnected, fmt.Sprint(c.UserID, " ", c.TokenID, " ", d.Cause, " ", d.Code))
			},
		})
		p, _ := n.enter(credentials("ann", "t1", ""))
		for _, event := range []string{"first", "second", "third"} {
			p.text(`{"event":"` + event + `"}`)
		}
		synctest.Wait()
		if _, err := n.Revoke(t.Context(), ignis.Revocation{UserID: "ann", Until: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		close(hold)
		p.only(closed(4006)...)
		if !slices.Equal(handled, []string{"first"}) {
			t.Errorf("handled %q", handled)
		}
		if !slices.Equal(disconnected, []string{"ann t1 access revoked 4006"}) {
			t.Errorf("OnDisconnect: %q", disconnected)
		}
		if s := n.Stats(); s.Unhandled != 2 {
			t.Errorf("%d messages are unhandled", s.Unhandled)
		}
	})
}

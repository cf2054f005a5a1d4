package ignis_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// A user with too many connections gets no further one, or loses the oldest one.
func TestMaxClientsPerUser(t *testing.T) {
	for _, policy := range []ignis.UserPolicy{ignis.UserRefuseNew, ignis.UserCloseOldest} {
		t.Run(policy.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var gone heard // clients end concurrently
				n := startMem(t, ignis.Config{
					Accept: from, MaxClientsPerUser: 2, UserPolicy: policy,
					OnDisconnect: func(_ context.Context, c *ignis.Client, _ ignis.Disconnect) { gone.add(c.RemoteAddr) },
				})
				first := n.loginFrom("192.0.2.1:1", "ann")
				time.Sleep(time.Second)
				second := n.loginFrom("192.0.2.2:1", "ann")
				time.Sleep(time.Second)
				_, _, third := n.attempt("192.0.2.3:1")
				third.sendCredentials("ann", "good")
				synctest.Wait()
				for range 5 {
					n.loginFrom("192.0.2.4:1", "")    // anonymous
					n.loginFrom("127.0.0.1:1", "bob") // exempt
				}
				got, ended := third.got(), gone.take()
				if policy == ignis.UserRefuseNew {
					first.only()
					if !slices.Equal(got, closed(wire.CloseTooManyConnections)) || !slices.Equal(ended, []string{"192.0.2.3:1"}) {
						t.Errorf("the new client received %q; gone are %v", got, ended)
					}
				} else {
					first.only(closed(wire.CloseTooManyConnections)...)
					if len(got) != 1 || !slices.Equal(ended, []string{"192.0.2.1:1"}) {
						t.Errorf("the new client received %q; gone are %v", got, ended)
					}
				}
				second.only()
				s := n.Stats()
				if refused := policy == ignis.UserRefuseNew; (s.RefusedUser == 1) != refused || s.Disconnects[ignis.CauseConnections] != 1 || s.RefusedAuth != 0 {
					t.Errorf("counted %+v", s)
				}
				if n.log.Count("Config.MaxClientsPerUser") != 1 || len(n.ClientsOfUser("ann")) != 2 {
					t.Errorf("%d clients; log: %s", len(n.ClientsOfUser("ann")), n.log)
				}
				_ = second.conn.Close()
				synctest.Wait()
				n.loginFrom("192.0.2.5:1", "ann")
			})
		})
	}
}

// Concurrent clients of a user do not get past the limit.
func TestMaxClientsPerUserConcurrently(t *testing.T) {
	for _, policy := range []ignis.UserPolicy{ignis.UserRefuseNew, ignis.UserCloseOldest} {
		n := start(t, ignis.Config{Accept: from, MaxClientsPerUser: 3, UserPolicy: policy})
		for range 30 {
			_, _, p := n.attempt("192.0.2.1:1")
			p.sendCredentials("ann", "good")
		}
		n.until("all but 3 are closed", func() bool { return n.Stats().Disconnects[ignis.CauseConnections] == 27 })
		if s := n.Stats(); s.Clients != 3 || s.Authenticated != 3 {
			t.Errorf("%v: counted %+v", policy, s)
		}
	}
}

// Of clients of a user that are admitted at the same time, none closes one that was admitted
// after it, so the last one stays.
func TestNewestClientOfUserStays(t *testing.T) {
	const clients = 8
	var ready sync.WaitGroup
	n := start(t, ignis.Config{
		Accept: from, MaxClientsPerUser: 1, UserPolicy: ignis.UserCloseOldest,
		Authenticate: func(ctx context.Context, c ignis.Credentials) (ignis.Identity, error) {
			ready.Done()
			ready.Wait()
			return anyone(ctx, c)
		},
	})
	for round := range 30 {
		ready.Add(clients)
		for range clients {
			_, _, p := n.attempt("192.0.2.1:1")
			p.sendCredentials("ann", "good")
		}
		n.until("the clients are admitted", func() bool { return n.Stats().Connections == uint64(clients*(round+1)) && n.Stats().Clients <= 1 })
		if got := len(n.ClientsOfUser("ann")); got != 1 {
			t.Fatalf("round %d: %d clients are left", round, got)
		}
	}
}

// stuckLog is the handler of a log that does not accept one line until it is released.
type stuckLog struct {
	text    string
	reached chan struct{} // closed when the line arrives
	release chan struct{}
}

func (l stuckLog) Enabled(context.Context, slog.Level) bool { return true }
func (l stuckLog) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l stuckLog) WithGroup(string) slog.Handler            { return l }

func (l stuckLog) Handle(_ context.Context, r slog.Record) error {
	if r.Message == l.text {
		close(l.reached)
		<-l.release
	}
	return nil
}

// A log that blocks while a client is refused delays no other client.
func TestRefusalHoldsNoLock(t *testing.T) {
	l := stuckLog{"client rejected", make(chan struct{}), make(chan struct{})}
	var n *node
	n = start(t, ignis.Config{
		Accept: from, Logger: slog.New(l), Encryption: ignis.EncryptionOptional,
		AgreeKeys: func(ctx context.Context, c *ignis.Client, _ ignis.Credentials) (*ignis.Cipher, error) {
			if c.UserID == "eve" { // so late that only the last check can notice it
				_, err := n.Revoke(ctx, ignis.Revocation{UserID: "eve", Until: time.Now().Add(time.Hour)})
				return nil, err
			}
			return nil, nil
		},
	})
	defer close(l.release)
	_, _, eve := n.attempt("192.0.2.1:1")
	eve.sendCredentials("eve", "good")
	<-l.reached
	_, _, ann := n.attempt("192.0.2.2:1")
	ann.sendCredentials("ann", "good")
	if got := ann.next(); !strings.Contains(got, wire.EventConnected) {
		t.Errorf("received %s", got)
	}
}

func TestUserPolicyText(t *testing.T) {
	for p := ignis.UserRefuseNew; !strings.HasPrefix(p.String(), "UserPolicy("); p++ {
		text, _ := p.MarshalText()
		var got ignis.UserPolicy = 9
		if err := got.UnmarshalText(text); err != nil || got != p {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	var p ignis.UserPolicy
	if err := p.UnmarshalText([]byte("oldest")); err == nil || !strings.Contains(err.Error(), "close-oldest") {
		t.Errorf("error: %v", err)
	}
	bad(t, "UserPolicy", ignis.Config{Authenticate: anyone, UserPolicy: 9})
}

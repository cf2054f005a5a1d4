package ignis_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// from makes the server believe that a client has the address in the field X-From.
func from(r *http.Request) (ignis.Accepted, error) {
	return ignis.Accepted{RemoteAddr: r.Header.Get("X-From")}, nil
}

// attempt tries to connect from an address. It returns the status, the field Retry-After, and
// the client if the server accepts it.
func (n *node) attempt(address string) (status int, retry string, p *peer) {
	n.t.Helper()
	conn, err := n.dial(context.Background(), "", "")
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = conn.Close() })
	request := "GET /ws HTTP/1.1\r\nHost: server\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nX-From: " + address + "\r\n\r\n"
	if _, err := conn.Write([]byte(request)); err != nil {
		n.t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		_ = conn.Close()
		return res.StatusCode, res.Header.Get("Retry-After"), nil
	}
	p = &peer{node: n, conn: conn, r: r, lines: make(chan string, 1<<16), quit: make(chan struct{})}
	p.pump()
	return res.StatusCode, "", p
}

// loginFrom connects from an address and authenticates.
func (n *node) loginFrom(address, user string) *peer {
	n.t.Helper()
	status, _, p := n.attempt(address)
	if p == nil {
		n.t.Fatalf("refused with status %d", status)
	}
	p.authenticate(user)
	return p
}

// sendCredentials authenticates and does not wait for the answer.
func (p *peer) sendCredentials(user, token string) {
	p.text(fmt.Sprintf(`{"event":"authenticate","data":{"user":%q,"token":%q}}`, user, token))
}

func TestMaxClientsPerAddress(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{Accept: from, MaxClientsPerAddress: 2})
		_, _, first := n.attempt("192.0.2.1:1")
		n.attempt("192.0.2.1:2")
		for range 3 {
			if status, retry, _ := n.attempt("192.0.2.1:3"); status != http.StatusTooManyRequests || retry != "30" {
				t.Errorf("status %d, Retry-After %q", status, retry)
			}
		}
		if status, _, _ := n.attempt("[::ffff:192.0.2.1]:3"); status != http.StatusTooManyRequests {
			t.Errorf("the same address in IPv6: status %d", status)
		}
		n.loginFrom("192.0.2.2:1", "ann")
		for range 10 {
			n.loginFrom("127.0.0.1:1", "bob")
		}
		_ = first.conn.Close()
		synctest.Wait()
		n.loginFrom("192.0.2.1:4", "eve")
		if s := n.Stats(); s.RefusedAddress != 4 || s.RefusedUpgrade+s.RefusedAccept+s.FailedUpgrade != 0 {
			t.Errorf("counted %+v", s)
		}
		if n.log.count("Config.MaxClientsPerAddress") != 1 || !n.log.has("192.0.2.1:3") || !n.log.has("--trusted-proxies") {
			t.Errorf("log: %s", n.log)
		}
	})
}

func TestUpgradeRates(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{
			Accept: from, UpgradeRate: 10, UpgradeBurst: 20, UpgradeRatePerAddress: 1, UpgradeBurstPerAddress: 5,
		})
		accepted := func(address string, tries int) (accepted, last int) {
			for range tries {
				status, retry, _ := n.attempt(address)
				if status == http.StatusSwitchingProtocols {
					accepted++
				} else if last = status; retry != "1" {
					t.Errorf("status %d with Retry-After %q", status, retry)
				}
			}
			return accepted, last
		}
		for i, want := range [][2]int{{5, 429}, {5, 429}, {5, 429}, {5, 429}, {0, 503}} {
			if n, last := accepted(fmt.Sprintf("192.0.2.%d:1", i), 10); n != want[0] || last != want[1] {
				t.Errorf("address %d: %d accepted, then %d; want %v", i, n, last, want)
			}
		}
		if n, last := accepted("127.0.0.1:1", 1); n != 0 || last != 503 {
			t.Errorf("a loopback address is exempt from the limit for all")
		}
		time.Sleep(time.Second)
		if n, _ := accepted("192.0.2.0:1", 5); n != 1 {
			t.Errorf("%d accepted a second later", n)
		}
		if s := n.Stats(); s.RefusedAddressRate != 4*5+4 || s.RefusedRate != 11 {
			t.Errorf("counted %d and %d", s.RefusedAddressRate, s.RefusedRate)
		}
	})
}

// An address from which too many authentications have failed is refused until some time has
// passed. Errors of the application do not count.
func TestAuthFailures(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{
			Accept: from, AuthFailureRate: 6, AuthFailureBurst: 3,
			Authenticate: func(ctx context.Context, c ignis.Credentials) (ignis.Identity, error) {
				if c.Token == "down" {
					return ignis.Identity{}, errors.New("the database does not answer")
				}
				return anyone(ctx, c)
			},
		})
		for range 10 {
			_, _, p := n.attempt("192.0.2.1:1")
			p.sendCredentials("ann", "down")
			p.only(append([]string{failure(wire.ErrorAuthentication)}, closed(wire.CloseAuthFailed)...)...)
		}
		_, _, open := n.attempt("192.0.2.1:1")
		for range 3 {
			_, _, p := n.attempt("192.0.2.1:1")
			p.sendCredentials("ann", "bad")
			p.only(append([]string{failure(wire.ErrorRejected)}, closed(wire.CloseAuthFailed)...)...)
		}
		if status, retry, _ := n.attempt("192.0.2.1:2"); status != http.StatusTooManyRequests || retry != "10" {
			t.Errorf("status %d, Retry-After %q", status, retry)
		}
		open.sendCredentials("ann", "good")
		open.only(closed(wire.CloseTooManyConnections)...)
		n.loginFrom("192.0.2.2:1", "bob")
		s := n.Stats()
		if s.RefusedFailing != 2 || s.RefusedAuth != 13 || s.Disconnects[ignis.CauseConnections] != 1 {
			t.Errorf("counted %+v", s)
		}
		if n.log.count("Config.AuthFailureRate") != 2 {
			t.Errorf("log: %s", n.log)
		}
		time.Sleep(10 * time.Second)
		n.loginFrom("192.0.2.1:3", "ann")
	})
}

// A limited number of clients is authenticated at the same time, others wait, and those for
// which there is no place to wait are closed with 1013.
func TestAuthConcurrency(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var running, most atomic.Int64
		proceed := make(chan struct{})
		n := startMem(t, ignis.Config{
			AuthConcurrency: 2, AuthQueue: 3,
			Authenticate: func(ctx context.Context, c ignis.Credentials) (ignis.Identity, error) {
				most.Store(max(most.Load(), running.Add(1)))
				defer running.Add(-1)
				<-proceed
				return anyone(ctx, c)
			},
		})
		var list []*peer
		for range 5 {
			p := n.connect()
			p.sendCredentials("ann", "good")
			synctest.Wait()
			list = append(list, p)
		}
		for range 4 {
			p := n.connect()
			p.sendCredentials("ann", "good")
			p.only(closed(wire.CloseTryAgainLater)...)
		}
		_ = list[4].conn.Close() // makes room for another one
		synctest.Wait()
		p := n.connect()
		p.sendCredentials("ann", "good")
		p.only()
		close(proceed)
		for _, p := range append(list[:4:4], p) {
			if line := p.next(); !strings.Contains(line, wire.EventConnected) {
				t.Errorf("received %s", line)
			}
		}
		if s := n.Stats(); s.RefusedBusy != 4 || s.Disconnects[ignis.CauseTryAgain] != 4 || s.RefusedAuth != 0 || most.Load() != 2 {
			t.Errorf("%d at the same time; counted %+v", most.Load(), s)
		}
		if n.log.count("Config.AuthConcurrency") != 1 {
			t.Errorf("log: %s", n.log)
		}
	})
}

// A refresh that a limit refuses is answered, and the session continues.
func TestLimitsOfRefresh(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{Accept: from, AuthFailureRate: 6, AuthFailureBurst: 1, MaxToken: 100, AuthMaxPayload: 1000})
		for name, tt := range map[string]struct{ data, want string }{
			"a long token":      {`{"user":"ann","token":"` + strings.Repeat("x", 101) + `"}`, "forbidden"},
			"large credentials": {`{"user":"ann","x":"` + strings.Repeat("x", 1000) + `"}`, "forbidden"},
			"the address fails": {`{"user":"ann"}`, "rate_limited"},
		} {
			_, _, p := n.attempt("192.0.2.1:1")
			p.text(`{"event":"authenticate","data":{"user":"ann","protocol":2}}`)
			p.next()
			if tt.want == "rate_limited" {
				_, _, bad := n.attempt("192.0.2.1:1")
				bad.sendCredentials("ann", "bad")
				synctest.Wait()
			}
			p.text(`{"event":"refresh","data":` + tt.data + `,"id":"1"}`)
			if got := p.got(); len(got) != 1 || !strings.Contains(got[0], `"code":"`+tt.want+`"`) {
				t.Errorf("%s: answered with %q", name, got)
			}
			p.text(`{"event":"leave","data":{"rooms":[]},"id":"2"}`)
			p.only(`{"event":"ack","id":"2"}`)
			time.Sleep(time.Minute)
		}
	})
}

// A token that is too long is rejected without a call of Authenticate.
func TestMaxToken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		calls := 0
		n := startMem(t, ignis.Config{MaxToken: 10, Authenticate: func(ctx context.Context, c ignis.Credentials) (ignis.Identity, error) {
			calls++
			return anyone(ctx, c)
		}})
		p := n.connect()
		p.sendCredentials("ann", strings.Repeat("x", 11))
		p.only(append([]string{failure(wire.ErrorRejected)}, closed(wire.CloseAuthFailed)...)...)
		p = n.connect()
		p.sendCredentials("ann", strings.Repeat("x", 10))
		if line := p.next(); calls != 1 || !strings.Contains(line, wire.EventConnected) {
			t.Errorf("%d calls, and received %s", calls, line)
		}
		if n.Stats().RefusedAuth != 1 || n.log.count("Config.MaxToken") != 1 {
			t.Errorf("log: %s", n.log)
		}
	})
}

// A user with too many connections gets no further one, or loses the oldest one.
func TestMaxClientsPerUser(t *testing.T) {
	for _, policy := range []ignis.UserPolicy{ignis.UserRefuseNew, ignis.UserCloseOldest} {
		t.Run(policy.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var gone []string
				n := startMem(t, ignis.Config{
					Accept: from, MaxClientsPerUser: 2, UserPolicy: policy,
					OnDisconnect: func(_ context.Context, c *ignis.Client, _ ignis.Disconnect) { gone = append(gone, c.RemoteAddr) },
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
				got := third.got()
				if policy == ignis.UserRefuseNew {
					first.only()
					if !slices.Equal(got, closed(wire.CloseTooManyConnections)) || !slices.Equal(gone, []string{"192.0.2.3:1"}) {
						t.Errorf("the new client received %q; gone are %v", got, gone)
					}
				} else {
					first.only(closed(wire.CloseTooManyConnections)...)
					if len(got) != 1 || !slices.Equal(gone, []string{"192.0.2.1:1"}) {
						t.Errorf("the new client received %q; gone are %v", got, gone)
					}
				}
				second.only()
				s := n.Stats()
				if refused := policy == ignis.UserRefuseNew; (s.RefusedUser == 1) != refused || s.Disconnects[ignis.CauseConnections] != 1 || s.RefusedAuth != 0 {
					t.Errorf("counted %+v", s)
				}
				if n.log.count("Config.MaxClientsPerUser") != 1 || len(n.ClientsOfUser("ann")) != 2 {
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

// Rooms that a client asks for too fast are refused, and the answer says so.
func TestJoinRate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := startMem(t, ignis.Config{ValidateRooms: allRooms, MaxRooms: 3, JoinRate: 2, JoinBurst: 4})
		p := n.login2()
		join := func(rooms, id string) string {
			p.text(`{"event":"join","data":{"rooms":[` + rooms + `]},"id":"` + id + `"}`)
			return p.next()
		}
		if got := join(`"a","b","a"`, "1"); strings.Contains(got, "rate_limited") {
			t.Errorf("answered with %s", got)
		}
		p.text(`{"event":"leave","data":{"rooms":["a","b"]}}`)
		if got := join(`"c","d","e"`, "2"); !strings.Contains(got, `"rooms":[{"room":"c"},{"room":"d"}],"refused":[{"room":"e","code":"rate_limited"}]`) {
			t.Errorf("answered with %s", got)
		}
		time.Sleep(time.Second / 2)
		if got := join(`"e"`, "3"); strings.Contains(got, "rate_limited") {
			t.Errorf("answered with %s", got)
		}
		if s := n.Stats().RefusedJoins; s["too many joins"] != 1 || n.log.count("too many joins") != 1 {
			t.Errorf("refused: %v; log: %s", s, n.log)
		}
	})
}

// A client can always join as many rooms at once as it may be in.
func TestJoinBurstIsNotLowerThanMaxRooms(t *testing.T) {
	cfg, err := ignis.WithDefaults(ignis.Config{Authenticate: anyone, MaxRooms: 5000})
	if err != nil || cfg.JoinBurst != 5000 {
		t.Errorf("JoinBurst is %d, %v", cfg.JoinBurst, err)
	}
}

// A client that sends too fast is read more slowly, and closed if it goes on.
func TestMessageRate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := &heard{}
		n := startMem(t, ignis.Config{OnMessage: h.message, MessageRate: 10, MessageBurst: 20, ThrottleTimeout: 5 * time.Second})
		p := n.raw() // reads nothing but the connected event, because a mutex would stop the bubble's time
		go p.sendCredentials("ann", "good")
		p.frame()
		frame := encode(ws.NewTextFrame([]byte(`{"event":"x"}`)))
		p.bytes(slices.Repeat(frame, 18)) // the credentials count, too
		synctest.Wait()
		if got := len(h.take()); got != 18 || n.Stats().Throttled != 0 {
			t.Errorf("%d of 18 messages handled, and throttled %d times", got, n.Stats().Throttled)
		}
		go p.bytes(slices.Repeat(frame, 10_000))
		time.Sleep(4 * time.Second)
		if s := n.Stats(); s.Throttled != 1 || s.Clients != 1 || len(h.take()) > 200 {
			t.Errorf("counted %+v", s)
		}
		time.Sleep(20 * time.Second)
		if s := n.Stats(); s.Disconnects[ignis.CauseRate] != 1 {
			t.Errorf("counted %+v", s)
		}
		if n.log.count("read more slowly") != 1 || n.log.count("longer than ThrottleTimeout") != 1 {
			t.Errorf("log: %s", n.log)
		}
		for line := range strings.Lines(n.log.String()) {
			if strings.Contains(line, "Config.MessageRate") && !strings.Contains(line, "user=ann") {
				t.Errorf("the user is not in %s", line)
			}
		}
	})
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

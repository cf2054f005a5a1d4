package ignis_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis"
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
		if n.log.Count("Config.MaxClientsPerAddress") != 1 || !n.log.Has("192.0.2.1:3") || !n.log.Has("--trusted-proxies") {
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
		if s := n.Stats().RefusedJoins; s["too many joins"] != 1 || n.log.Count("too many joins") != 1 {
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
		if n.log.Count("read more slowly") != 1 || n.log.Count("longer than ThrottleTimeout") != 1 {
			t.Errorf("log: %s", n.log)
		}
		for line := range strings.Lines(n.log.String()) {
			if strings.Contains(line, "Config.MessageRate") && !strings.Contains(line, "user=ann") {
				t.Errorf("the user is not in %s", line)
			}
		}
	})
}

package ignis_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

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
		if n.log.Count("Config.AuthFailureRate") != 2 {
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
		if n.log.Count("Config.AuthConcurrency") != 1 {
			t.Errorf("log: %s", n.log)
		}
	})
}

// Clients that wait for Authenticate are refused if too many others from their address fail in
// the meantime.
func TestAuthFailuresWhileWaiting(t *testing.T) {
	bubble(t, func(t *testing.T) {
		calls := 0
		n := startMem(t, ignis.Config{
			Accept: from, AuthConcurrency: 1, AuthFailureRate: 6, AuthFailureBurst: 2,
			Authenticate: func(ctx context.Context, c ignis.Credentials) (ignis.Identity, error) {
				calls++
				time.Sleep(time.Second)
				return anyone(ctx, c)
			},
		})
		var list []*peer
		for range 5 {
			_, _, p := n.attempt("192.0.2.1:1")
			p.sendCredentials("ann", "bad")
			list = append(list, p)
			synctest.Wait() // Authenticate is called in this order
		}
		_, _, other := n.attempt("192.0.2.2:1")
		other.sendCredentials("bob", "good")
		time.Sleep(4 * time.Second)
		for _, p := range list[2:] {
			p.only(closed(wire.CloseTooManyConnections)...)
		}
		if got := other.next(); !strings.Contains(got, wire.EventConnected) || calls != 3 {
			t.Errorf("%d calls; another address received %s", calls, got)
		}
		if s := n.Stats(); s.RefusedFailing != 3 || s.RefusedAuth != 2 {
			t.Errorf("counted %+v", s)
		}
	})
}

// A client that disconnects while its refresh waits for Authenticate is not an error of
// Authenticate.
func TestDisconnectWhileRefreshWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var block chan struct{}
		n := startMem(t, ignis.Config{AuthConcurrency: 1, Authenticate: func(ctx context.Context, c ignis.Credentials) (ignis.Identity, error) {
			if c.Token == "slow" {
				<-block
			}
			return anyone(ctx, c)
		}})
		block = make(chan struct{})
		p := n.login2()
		slow := n.connect()
		slow.sendCredentials("bob", "slow")
		synctest.Wait()
		p.text(`{"event":"refresh","data":{"user":"ann"},"id":"1"}`)
		synctest.Wait()
		_ = p.conn.Close()
		synctest.Wait()
		if s := n.Stats(); s.CallbackErrors != 0 || n.log.Has("Authenticate failed") {
			t.Errorf("%d errors counted; log: %s", s.CallbackErrors, n.log)
		}
		close(block)
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
		if n.Stats().RefusedAuth != 1 || n.log.Count("Config.MaxToken") != 1 {
			t.Errorf("log: %s", n.log)
		}
	})
}

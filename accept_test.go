package ignis_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

func TestCheckOrigin(t *testing.T) {
	for _, row := range []struct {
		host    string
		origins []string
		allowed []string
		want    bool
	}{
		{"app.example", nil, nil, true},
		{"app.example", []string{"https://app.example"}, nil, true},
		{"APP.example", []string{"https://app.EXAMPLE"}, nil, true},
		{"app.example:443", []string{"https://app.example"}, nil, true},
		{"app.example:80", []string{"http://app.example"}, nil, true},
		{"[::1]:8080", []string{"http://[::1]:8080"}, nil, true},
		{"app.example:80", []string{"https://app.example"}, nil, false},
		{"app.example:8080", []string{"http://app.example"}, nil, false},
		{"app.example", []string{"https://evil.example"}, nil, false},
		{"app.example", []string{"https://app.example.evil.example"}, nil, false},
		{"app.example", []string{"https://evil.example/app.example"}, nil, false},
		{"app.example", []string{"null"}, nil, false},
		{"app.example", []string{""}, nil, false},
		{"app.example", []string{"file://app.example"}, nil, false},
		{"app.example", []string{"https://app.example", "https://app.example"}, nil, false},
		{"app.example", []string{"https://other.example"}, []string{"https://Other.example"}, true},
		{"app.example", []string{"https://other.example"}, []string{"http://other.example"}, false},
		{"app.example", []string{"null"}, []string{"*"}, true},
	} {
		r := httptest.NewRequest(http.MethodGet, "/ws", nil)
		r.Host, r.Header["Origin"] = row.host, row.origins
		err := ignis.CheckOrigin(r, row.allowed)
		if (err == nil) != row.want {
			t.Errorf("%q on %s, allowed %q: %v", row.origins, row.host, row.allowed, err)
		}
		if e, ok := errors.AsType[*ignis.Error](err); err != nil && (!ok || e.Code != wire.CodeForbidden) {
			t.Errorf("the error is %#v", err)
		}
	}
}

func TestProxies(t *testing.T) {
	networks := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, row := range []struct {
		remote, header string
		lines          []string
		want           string
	}{
		{"203.0.113.7:1", "", []string{"1.1.1.1"}, "203.0.113.7:1"}, // not a proxy
		{"10.0.0.1:1", "", nil, "10.0.0.1:1"},
		{"10.0.0.1:1", "", []string{"1.1.1.1"}, "1.1.1.1"},
		{"[fd00::1]:1", "", []string{"2001:db8::1"}, "2001:db8::1"},
		{"10.0.0.1:1", "", []string{"6.6.6.6, 1.1.1.1"}, "1.1.1.1"}, // the entry written by the client is ignored
		{"10.0.0.1:1", "", []string{"6.6.6.6", "1.1.1.1, 10.0.0.2"}, "1.1.1.1"},
		{"10.0.0.1:1", "", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"10.0.0.1:1", "", []string{"1.1.1.1, nonsense, 10.0.0.2"}, "10.0.0.2"},
		{"10.0.0.1:1", "", []string{""}, "10.0.0.1:1"},
		{"[::ffff:10.0.0.1]:1", "", []string{"1.1.1.1:99"}, "1.1.1.1:99"},
		{"10.0.0.1:1", "Forwarded", []string{`for=6.6.6.6;proto=http, for="[2001:db8::1]:77";by=10.0.0.1`}, "[2001:db8::1]:77"},
		{"10.0.0.1:1", "forwarded", []string{`proto=https; For=1.1.1.1`}, "1.1.1.1"},
		{"10.0.0.1:1", "Forwarded", []string{"for=unknown"}, "10.0.0.1:1"},
		{"10.0.0.1:1", "Forwarded", []string{"for=_hidden, for=10.0.0.2"}, "10.0.0.2"},
		{"10.0.0.1:1", "Forwarded", []string{`for=1.2.3.4;host="x,for=6.6.6.6";proto=https`}, "1.2.3.4"},
		{"10.0.0.1:1", "Forwarded", []string{`host="x;for=6.6.6.6";for=1.2.3.4`}, "1.2.3.4"},
		{"10.0.0.1:1", "Forwarded", []string{`host="x\",for=6.6.6.6";for=1.2.3.4`}, "1.2.3.4"},
		{"10.0.0.1:1", "Forwarded", []string{`for="6.6.6.6`, "for=1.2.3.4"}, "1.2.3.4"}, // the client's own line
		{"10.0.0.1:1", "Forwarded", []string{`for="6.6.6.6, for=1.2.3.4`}, "10.0.0.1:1"},
		{"10.0.0.1:1", "X-Real-Ip", []string{"1.1.1.1"}, "1.1.1.1"},
		{"pipe", "", []string{"1.1.1.1"}, "pipe"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/ws", nil)
		r.RemoteAddr = row.remote
		name := row.header
		if name == "" {
			name = "X-Forwarded-For"
		}
		for _, l := range row.lines {
			r.Header.Add(name, l)
		}
		p := ignis.Proxies{Networks: networks, Header: row.header}
		if got := p.RemoteAddr(r); got != row.want {
			t.Errorf("%+v: got %s", row, got)
		}
	}
}

// The result of Accept reaches Authenticate and every later callback. The request itself
// is not kept.
func TestAccepted(t *testing.T) {
	type key struct{}
	gone := make(chan struct{})
	seen := make(chan string, 3)
	look := func(ctx context.Context, value any, remote string) {
		seen <- strings.Join([]string{ctx.Value(key{}).(string), value.(string), remote}, " ")
	}
	n := start(t, ignis.Config{
		Accept: func(r *http.Request) (ignis.Accepted, error) {
			runtime.AddCleanup(r, func(c chan struct{}) { close(c) }, gone)
			return ignis.Accepted{
				RemoteAddr: "192.0.2.1", Value: r.Header.Get("Sec-WebSocket-Version"),
				Context: context.WithValue(context.Background(), key{}, "trace"),
			}, nil
		},
		Authenticate: func(ctx context.Context, c ignis.Credentials) (ignis.Identity, error) {
			look(ctx, c.Value, c.RemoteAddr)
			return ignis.Identity{UserID: "ann"}, nil
		},
		OnMessage: func(ctx context.Context, c *ignis.Client, _ wire.Message) (any, error) {
			look(ctx, c.Value, c.RemoteAddr)
			return nil, ctx.Err() // fails if the cancellation of the other context is inherited
		},
		OnDisconnect: func(ctx context.Context, c *ignis.Client, _ ignis.Disconnect) {
			look(ctx, c.Value, c.RemoteAddr)
		},
	})
	p := n.login("ann")
	p.text(`{"event":"x"}`)
	for i := range 3 {
		if got := <-seen; got != "trace 13 192.0.2.1" {
			t.Errorf("callback %d sees %q", i, got)
		}
		if i == 1 {
			n.until("the request is released", func() bool {
				runtime.GC()
				select {
				case <-gone:
					return true
				default:
					return false
				}
			})
			_ = p.conn.Close()
		}
	}
}

// An error of Accept determines the answer to the request.
func TestRefusedByAccept(t *testing.T) {
	for name, row := range map[string]struct {
		err    error
		status int
		text   string
	}{
		"forbidden":    {&ignis.Error{Code: wire.CodeForbidden, Message: "Not from here."}, 403, "Not from here."},
		"rate limited": {&ignis.Error{Code: wire.CodeRateLimited, Message: "Slowly."}, 429, "Slowly."},
		"invalid":      {&ignis.Error{Message: "What?"}, 400, "What?"},
		"no message":   {&ignis.Error{Code: wire.CodeUnavailable}, 503, "unavailable"},
		"wrapped":      {errors.Join(errors.New("secret"), &ignis.Error{Code: wire.CodeNotFound, Message: "Nothing here."}), 404, "Nothing here."},
		"any other":    {errors.New("secret"), 500, "The server cannot accept connections at the moment."},
	} {
		t.Run(name, func(t *testing.T) {
			n := start(t, ignis.Config{Accept: func(*http.Request) (ignis.Accepted, error) { return ignis.Accepted{}, row.err }})
			w := httptest.NewRecorder()
			n.ServeHTTP(hijackable{w}, upgradeRequest())
			if got := strings.TrimSpace(w.Body.String()); w.Code != row.status || got != row.text {
				t.Errorf("answered %d %q", w.Code, got)
			}
			if n.Stats().RefusedAccept != 1 || !n.log.Has("connection refused") || !n.log.Has(strings.Split(row.err.Error(), "\n")[0]) {
				t.Errorf("counted %d, log:\n%s", n.Stats().RefusedAccept, n.log)
			}
		})
	}
}

// hijackable is a ResponseWriter that pretends to support hijacking.
type hijackable struct{ *httptest.ResponseRecorder }

func (hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return nil, nil, errors.New("not here")
}

// The hook Refused distinguishes pages of other hosts from requests that Accept refuses for
// another reason.
func TestRefusedReason(t *testing.T) {
	for err, want := range map[error]string{
		nil:                     "origin not allowed",
		errors.New("not today"): "not accepted",
	} {
		var got string
		n := start(t, ignis.Config{
			Hooks: ignis.Hooks{Refused: func(i ignis.RefusedInfo) { got = i.Reason }},
			Accept: func(r *http.Request) (ignis.Accepted, error) {
				if err != nil {
					return ignis.Accepted{}, err
				}
				return ignis.Accepted{}, fmt.Errorf("wrapped: %w", ignis.CheckOrigin(r, nil))
			},
		})
		r := httptest.NewRequest(http.MethodGet, "/ws", nil)
		for name, value := range map[string]string{
			"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
			"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Origin": "https://evil.example",
		} {
			r.Header.Set(name, value)
		}
		n.ServeHTTP(httptest.NewRecorder(), r)
		if got != want || n.Stats().RefusedAccept != 1 {
			t.Errorf("Accept returned %v: the reason is %q, want %q; %+v", err, got, want, n.Stats())
		}
	}
}

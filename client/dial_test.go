package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/client"
)

func TestDialSendsCredentials(t *testing.T) {
	type token struct {
		Type  string `json:"type"`
		Token string `json:"token"`
	}
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	software := client.Software{Name: "a<b", Version: "1.2"}
	tests := []struct {
		name string
		cfg  client.Config
		want string
	}{
		{"none", client.Config{}, `{"event":"authenticate","data":{"protocol":2}}`},
		{"null", client.Config{Credentials: raw(" null ")}, `{"event":"authenticate","data":{"protocol":2}}`},
		{"empty", client.Config{Credentials: raw(" { } ")}, `{"event":"authenticate","data":{"protocol":2}}`},
		{"struct", client.Config{Credentials: token{"Bearer", "a<b>&c"}}, `{"event":"authenticate","data":{"type":"Bearer","token":"a<b>&c","protocol":2}}`},
		{"map", client.Config{Credentials: map[string]string{"token": "t"}}, `{"event":"authenticate","data":{"token":"t","protocol":2}}`},
		{"raw", client.Config{Credentials: raw(` {"n": 12345678901234567890123 } `)}, `{"event":"authenticate","data":{"n": 12345678901234567890123,"protocol":2}}`},
		{"software", client.Config{Software: software}, `{"event":"authenticate","data":{"protocol":2,"client":{"name":"a<b","version":"1.2"}}}`},
		{"software without a version", client.Config{Software: client.Software{Name: "x"}}, `{"event":"authenticate","data":{"protocol":2,"client":{"name":"x"}}}`},
		// The application's own fields take precedence.
		{"own protocol", client.Config{Credentials: raw(`{"protocol":1}`), Software: software}, `{"event":"authenticate","data":{"protocol":1,"client":{"name":"a<b","version":"1.2"}}}`},
		{"own client", client.Config{Credentials: raw(`{"cl\u0069ent":7}`), Software: software}, `{"event":"authenticate","data":{"cl\u0069ent":7,"protocol":2}}`},
		// Nothing can be added.
		{"string", client.Config{Credentials: "t", Software: software}, `{"event":"authenticate","data":"t"}`},
		{"array", client.Config{Credentials: raw(` [1]`)}, `{"event":"authenticate","data": [1]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			url := serve(t, func(p *peer) {
				p.expect(tt.want)
				p.text(authenticated)
				p.expectClose(ws.StatusNormalClosure)
				p.close(ws.StatusNormalClosure, "")
			})
			dial(t, url, tt.cfg)
		})
	}
}

// Adding fields to the credentials does not modify the caller's memory.
func TestDialLeavesCredentials(t *testing.T) {
	credentials := append(make(json.RawMessage, 0, 100), `{"token":"t"}   `...)
	before := string(credentials[:cap(credentials)])
	url := serve(t, func(p *peer) { p.accept(); p.drain() })
	for range 2 {
		dial(t, url, client.Config{Credentials: credentials})
	}
	if got := string(credentials[:cap(credentials)]); got != before {
		t.Errorf("Credentials are %q now", got)
	}
}

func TestDialReturnsConnected(t *testing.T) {
	const data = `{"id":"c1","userId":"u1","time":"2026-01-31T09:05:07.123Z","serverPublicKey":"pk","salt":"na","extra":[1]}`
	url := serve(t, func(p *peer) {
		p.expect(`{"event":"authenticate","data":{"protocol":2}}`)
		p.text(`{"event":"connected","data":` + data + `}`)
		p.drain()
	})
	c := dial(t, url, client.Config{})
	got := c.Connected()
	if string(got.Data) != data {
		t.Errorf("Data = %s, want %s", got.Data, data)
	}
	if c.ID() != "c1" || c.UserID() != "u1" || got.ID != "c1" || got.UserID != "u1" {
		t.Errorf("ID %q %q, UserID %q %q", c.ID(), got.ID, c.UserID(), got.UserID)
	}
	if got.ServerPublicKey != "pk" || got.Salt != "na" {
		t.Errorf("ServerPublicKey %q, Salt %q", got.ServerPublicKey, got.Salt)
	}
	if got.Protocol != 1 {
		t.Errorf("Protocol = %d, want 1", got.Protocol)
	}
	if want := time.Date(2026, 1, 31, 9, 5, 7, 123e6, time.UTC); !got.Time.Equal(want) {
		t.Errorf("Time = %v, want %v", got.Time, want)
	}
	got.Data[0] = 'x'
	if string(c.Connected().Data) != data {
		t.Error("Connected returns memory that the connection uses")
	}
}

func TestDialAnonymous(t *testing.T) {
	url := serve(t, func(p *peer) {
		p.expect(`{"event":"authenticate","data":{"protocol":2}}`)
		p.text(`{"event":"connected","data":{"id":"c1","time":"2026-01-31T09:05:07.123Z"}}`)
		p.drain()
	})
	if c := dial(t, url, client.Config{}); c.UserID() != "" {
		t.Errorf("UserID = %q, want none", c.UserID())
	}
}

func TestDialSendsRequest(t *testing.T) {
	requests := make(chan *http.Request, 1)
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- r
		conn, rw, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			t.Errorf("upgrade: %v", err)
			return
		}
		(&peer{t: t, conn: conn, r: rw}).run(func(p *peer) {
			p.accept()
			p.drain()
		})
	}))
	defer s.Close()
	c, err := client.Dial(t.Context(), "wss"+strings.TrimPrefix(s.URL, "https")+"/a%20b?token=t", client.Config{
		HTTPHeader: http.Header{"X-Test": {"yes"}},
		TLSConfig:  s.Client().Transport.(*http.Transport).TLSClientConfig,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := <-requests
	if r.RequestURI != "/a%20b?token=t" || r.Header.Get("X-Test") != "yes" {
		t.Errorf("request %q with headers %v", r.RequestURI, r.Header)
	}
	if got := r.Header.Get("Sec-WebSocket-Extensions"); got != "" {
		t.Errorf("offers extensions %q, which it does not implement", got)
	}
}

// A server may send frames together with the HTTP response.
func TestDialTakesEarlyFrames(t *testing.T) {
	url := rawServer(t, func(conn net.Conn, upgrade string) {
		_, _ = conn.Write([]byte(upgrade + string(encode(ws.OpText, authenticated)) + string(numbered(0)) + string(numbered(1))))
		p := &peer{t: t, conn: conn, r: conn}
		p.drain()
	})
	c := dial(t, url, client.Config{})
	wantReceive(t, c, 0, 2)
}

func TestDialTimeout(t *testing.T) {
	for name, script := range map[string]func(p *peer){
		"upgrade":        nil,
		"write":          func(p *peer) { <-p.t.Context().Done() },
		"authentication": func(p *peer) { p.drain() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dials := inMemory(t, script)
				if script == nil {
					var theirs net.Conn
					dials = func(context.Context, string, string) (ours net.Conn, err error) {
						ours, theirs = net.Pipe()
						return ours, nil
					}
					defer func() { _ = theirs.Close() }()
				}
				_, err := client.Dial(t.Context(), "ws://server/ws", client.Config{NetDial: dials, WriteTimeout: time.Hour})
				checkDialError(t, err, []error{context.DeadlineExceeded}, []error{client.ErrAuthentication}, []string{"30s"})

				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err = client.Dial(ctx, "ws://server/ws", client.Config{NetDial: dials})
				checkDialError(t, err, []error{context.DeadlineExceeded}, nil, nil)

				ctx, cancel = context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				_, err = client.Dial(ctx, "ws://server/ws", client.Config{NetDial: dials})
				checkDialError(t, err, []error{context.Canceled}, []error{context.DeadlineExceeded}, nil)
			})
		})
	}
}

func TestDialOutlivesItsContext(t *testing.T) {
	url := serve(t, func(p *peer) {
		p.accept()
		p.expect(`{"event":"go"}`)
		p.raw(numbered(0))
		p.drain()
	})
	ctx, cancel := context.WithCancel(t.Context())
	c, err := client.Dial(ctx, url, client.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cancel()
	if err := c.Send(t.Context(), "go", nil); err != nil {
		t.Fatal(err)
	}
	wantReceive(t, c, 0, 1)
}

func TestDialConnectionRefused(t *testing.T) {
	refused := errors.New("refused")
	_, err := client.Dial(t.Context(), "ws://server/ws", client.Config{
		NetDial: func(context.Context, string, string) (net.Conn, error) { return nil, refused },
	})
	checkDialError(t, err, []error{refused}, []error{client.ErrAuthentication}, []string{"ws://server/ws"})
}

func TestCloseErrorText(t *testing.T) {
	for _, tt := range []struct {
		err  client.CloseError
		want string
	}{
		{client.CloseError{Code: 1005}, "server closed the connection: 1005"},
		{client.CloseError{Code: 4999, Reason: "a\nb"}, `server closed the connection: 4999 "a\nb"`},
		{client.CloseError{Code: 1009}, "server closed the connection: 1009 (a message was larger than the server accepts)"},
		{client.CloseError{Code: 4002, Reason: "Heartbeat timeout"}, `server closed the connection: 4002 "Heartbeat timeout" (no heartbeat arrived in time)`},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.err.Code, got, tt.want)
		}
	}
	for code := range uint16(5000) {
		want := code == 4001 || code == 4003 || code == 4004
		if got := errors.Is(fmt.Errorf("x: %w", &client.CloseError{Code: code}), client.ErrAuthentication); got != want {
			t.Errorf("code %d: is ErrAuthentication: %v", code, got)
		}
	}
}

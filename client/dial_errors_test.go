package client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/wire"
)

func TestDialFailsAfterUpgrade(t *testing.T) {
	tests := []struct {
		name   string
		script func(p *peer)
		want   []error
		not    []error
		text   []string
	}{
		{
			"rejected", func(p *peer) {
				p.text(`{"event":"error","data":{"message":"Authentication failed"}}`)
				p.close(ws.StatusCode(wire.CloseAuthFailed), "Authentication failed")
				p.expectClose(ws.StatusCode(wire.CloseAuthFailed))
			},
			[]error{client.ErrAuthentication, &client.CloseError{Code: 4003, Reason: "Authentication failed"}},
			[]error{client.ErrLost, client.ErrProtocol},
			[]string{"4003", "check the credentials"},
		},
		{
			"authentication error", func(p *peer) {
				p.text(`{"event":"error","data":{"message":"Authentication error"}}`)
				p.close(ws.StatusCode(wire.CloseAuthFailed), "Authentication failed")
				p.drain()
			},
			[]error{
				client.ErrAuthentication, &client.CloseError{Code: 4003, Reason: "Authentication failed"},
				&client.Error{Message: "Authentication error"},
			},
			nil,
			[]string{`, saying "Authentication error"`},
		},
		{
			"rejected with a code", func(p *peer) {
				p.text(`{"event":"error","data":{"message":"Your account is closed.","code":"forbidden"}}`)
				p.close(ws.StatusCode(wire.CloseAuthFailed), "Authentication failed")
				p.drain()
			},
			[]error{client.ErrAuthentication, &client.Error{Code: wire.CodeForbidden, Message: "Your account is closed."}},
			nil,
			[]string{`4003 "Authentication failed"`, `; the server refused: forbidden "Your account is closed."`},
		},
		{
			"connected with an invalid time", func(p *peer) {
				p.text(strings.Replace(authenticated, "2026-01-31T09:05:07.123Z", "yesterday", 1))
				p.drain()
			},
			[]error{client.ErrProtocol},
			[]error{client.ErrLost, client.ErrAuthentication},
			[]string{"yesterday"},
		},
		{
			"authentication timeout", func(p *peer) { p.close(4001, "Authentication timeout"); p.drain() },
			[]error{client.ErrAuthentication, &client.CloseError{Code: 4001, Reason: "Authentication timeout"}},
			[]error{client.ErrLost},
			[]string{"4001", "try again"},
		},
		{
			"encryption required", func(p *peer) { p.close(4004, "Encryption required"); p.drain() },
			[]error{client.ErrAuthentication, &client.CloseError{Code: 4004, Reason: "Encryption required"}},
			[]error{client.ErrLost},
			[]string{"4004", "requires encryption"},
		},
		{
			"shutdown", func(p *peer) { p.close(1001, "Server shutting down"); p.drain() },
			[]error{&client.CloseError{Code: 1001, Reason: "Server shutting down"}},
			[]error{client.ErrAuthentication, client.ErrLost},
			[]string{"1001"},
		},
		{"gone", func(*peer) {}, []error{client.ErrLost}, []error{client.ErrAuthentication}, nil},
		{
			"message first", func(p *peer) { p.text(`{"event":"chat"}`); p.drain() },
			[]error{client.ErrProtocol},
			[]error{client.ErrAuthentication},
			[]string{"chat"},
		},
		{
			"no id", func(p *peer) { p.text(`{"event":"connected","data":{}}`); p.drain() },
			[]error{client.ErrProtocol},
			nil,
			[]string{"no id"},
		},
		{"no data", func(p *peer) { p.text(`{"event":"connected"}`); p.drain() }, []error{client.ErrProtocol}, nil, nil},
		{
			"id of a wrong type", func(p *peer) { p.text(`{"event":"connected","data":{"id":5}}`); p.drain() },
			[]error{client.ErrProtocol},
			nil, nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			url := serve(t, func(p *peer) {
				p.expect(`{"event":"authenticate","data":"S3CRET"}`)
				tt.script(p)
			})
			_, err := client.Dial(t.Context(), url+"?t=S3CRET", client.Config{Credentials: "S3CRET"})
			checkDialError(t, err, tt.want, tt.not, append(tt.text, "dial ws://127.0.0.1:"))
		})
	}
}

func checkDialError(t *testing.T, err error, want, not []error, text []string) {
	t.Helper()
	if err == nil {
		t.Fatal("Dial succeeded")
	}
	for _, w := range want {
		var (
			closed *client.CloseError
			said   *client.Error
		)
		if wc, ok := w.(*client.CloseError); ok {
			if !errors.As(err, &closed) || *closed != *wc {
				t.Errorf("error %q, want one with %+v", err, wc)
			}
		} else if ws, ok := w.(*client.Error); ok {
			if !errors.As(err, &said) || *said != *ws {
				t.Errorf("error %q, want one with %+v", err, ws)
			}
		} else if !errors.Is(err, w) {
			t.Errorf("error %q, want one that is %q", err, w)
		}
	}
	for _, n := range not {
		if errors.Is(err, n) {
			t.Errorf("error %q is %q", err, n)
		}
	}
	for _, s := range text {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %q, want it to contain %q", err, s)
		}
	}
	if strings.Contains(err.Error(), "S3CRET") {
		t.Errorf("error %q contains a secret", err)
	}
}

// rawServer passes each TCP connection to f, together with the correct response.
func rawServer(t *testing.T, f func(conn net.Conn, upgrade string)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Errorf("hijack: %v", err)
			return
		}
		defer conn.Close()
		f(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Accept: "+acceptKey(r.Header.Get("Sec-WebSocket-Key"))+"\r\n\r\n")
	}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http") + "/ws"
}

func TestDialFailsAtUpgrade(t *testing.T) {
	answer := func(s string) func(net.Conn, string) {
		return func(conn net.Conn, _ string) { _, _ = conn.Write([]byte(s)) }
	}
	redirect := func(status, location string) func(net.Conn, string) {
		return answer("HTTP/1.1 " + status + "\r\nLocation: " + location + "\r\n\r\n")
	}
	tests := []struct {
		name   string
		server func(conn net.Conn, upgrade string)
		want   error
		text   string
	}{
		{"status 426", answer("HTTP/1.1 426 Upgrade Required\r\n\r\n"), client.ErrProtocol, "426"},
		{"status 503", answer("HTTP/1.1 503 Service Unavailable\r\n\r\n"), client.ErrUnavailable, "503"},
		{
			"status 403 and a text", answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 40\r\n\r\nNot from here.\x1b[2J\xc2\x9b1m \"x\" \r\nmore text"),
			client.ErrProtocol, `HTTP status 403 Forbidden, saying "Not from here.\\u001b[2J\\u009b1m \"x\""; it does not allow`,
		},
		{
			"status 401 and a long text", answer("HTTP/1.1 401 \r\n\r\n" + strings.Repeat("x", 10_000)),
			client.ErrProtocol, `saying "` + strings.Repeat("x", 200) + `… (1024 bytes)"; it requires credentials`,
		},
		{"status 404 and a page", answer("HTTP/1.1 404 Not Found\r\n\r\n<html><p>no\n"), client.ErrProtocol, "404 Not Found; check the path of the URL"},
		{"status 404 that tells the query", answer("HTTP/1.1 404 Not Found\r\n\r\nno /ws?t=S3CRET here"), client.ErrProtocol, `saying "no /ws?... here"`},
		{"status 503 and a text", answer("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nBusy"), client.ErrUnavailable, `saying "Busy"; try again later`},
		{"status 502 and half a header", answer("HTTP/1.1 502 Bad\r\nX: "), client.ErrUnavailable, "502 Bad Gateway; try again"},
		{
			"status 400 and a text that does not arrive", func(conn net.Conn, _ string) {
				_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 5\r\n\r\nno"))
				_, _ = io.Copy(io.Discard, conn)
			}, client.ErrProtocol, `400 Bad Request, saying "no"; check`,
		},
		{"status 400", answer("HTTP/1.1 400 Bad Request\r\n\r\n"), client.ErrProtocol, "use wss:// if the port uses TLS"},
		{"status 500", answer("HTTP/1.1 500 Internal Server Error\r\n\r\n"), client.ErrProtocol, "the server or a proxy in front of it failed"},
		{"status 521", answer("HTTP/1.1 521 \r\n\r\n"), client.ErrProtocol, "the server or a proxy in front of it failed"},
		{"a redirect to TLS", redirect("301 Moved", "https://u:S3CRET@example.com:1/a%2Fb/?t=S3CRET#S3CRET"), client.ErrProtocol, "redirects to wss://example.com:1/a%2Fb/; dial that"},
		{"a redirect to a path", redirect("308 Permanent", "/other?t=S3CRET"), client.ErrProtocol, "/other; dial that"},
		{"a redirect to a host", redirect("307 Temporary", "//other.example/ws"), client.ErrProtocol, "redirects to ws://other.example/ws; dial that"},
		{"a redirect to garbage", redirect("302 Found", "http://%zz\x1b[2J"), client.ErrProtocol, "302 Found; check the path of the URL"},
		{"a redirect to what acts", redirect("302 Found", "http://h/%1b\xc2\x9b1m"), client.ErrProtocol, "302 Found; it redirects to ws://h/%1B%C2%9B1m;"},
		{"a redirect to a long address", redirect("302 Found", "http://h/"+strings.Repeat("x", 1000)), client.ErrProtocol, "xx… (1007 bytes); dial"},
		{"a redirect to nowhere", answer("HTTP/1.1 302 Found\r\n\r\n"), client.ErrProtocol, "302 Found; check the path of the URL"},
		{"not HTTP", answer("SSH-2.0-OpenSSH\r\n"), client.ErrProtocol, "not a WebSocket server"},
		{"nothing", answer(""), client.ErrLost, ""},
		{"half a response", answer("HTTP/1.1 101 Switching Protocols\r\nUpg"), client.ErrLost, ""},
		{"no headers", answer("HTTP/1.1 101 Switching Protocols\r\n\r\n"), client.ErrProtocol, ""},
		{
			"wrong key", func(conn net.Conn, upgrade string) {
				i := strings.Index(upgrade, "Accept: ") + len("Accept: ")
				_, _ = conn.Write([]byte(upgrade[:i] + "AAAA" + upgrade[i+4:]))
			}, client.ErrProtocol, "",
		},
		{
			"extension not asked for", func(conn net.Conn, upgrade string) {
				_, _ = conn.Write([]byte(strings.Replace(upgrade, "\r\n\r\n",
					"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", 1)))
			}, client.ErrProtocol, "",
		},
		{
			"endless line", func(conn net.Conn, _ string) {
				_, _ = conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nX: "))
				for {
					if _, err := conn.Write(make([]byte, 4096)); err != nil {
						return
					}
				}
			}, client.ErrProtocol, "more than",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			url := rawServer(t, tt.server)
			_, err := client.Dial(t.Context(), url+"?t=S3CRET", client.Config{Credentials: "S3CRET"})
			checkDialError(t, err, []error{tt.want}, []error{client.ErrAuthentication}, []string{tt.text})
		})
	}
}

func TestDialRejectsArguments(t *testing.T) {
	cfg := client.Config{NetDial: func(context.Context, string, string) (net.Conn, error) {
		t.Error("dialed")
		return nil, errors.New("no")
	}}
	for _, url := range []string{
		"", "127.0.0.1:8080", "http://127.0.0.1/?S3CRET", "ws:///ws?S3CRET", "ws://me:S3CRET@localhost/ws",
		"ws://localhost:port/S3CRET", "ws://%zz/S3CRET", "wss:opaque?S3CRET",
	} {
		_, err := client.Dial(t.Context(), url, cfg)
		checkDialError(t, err, nil, nil, []string{"dial: "})
	}
	for name, cfg := range map[string]client.Config{
		"Credentials":       {Credentials: make(chan int)},
		"HeartbeatInterval": {HeartbeatInterval: 25 * time.Hour},
		"DialTimeout":       {DialTimeout: -1},
		"WriteTimeout":      {WriteTimeout: -1},
		"MaxMessage":        {MaxMessage: -1},
		"MaxRequests":       {MaxRequests: -1},
		"Software":          {Software: client.Software{Name: strings.Repeat("x", 65)}},
		"Software ":         {Software: client.Software{Name: "x", Version: strings.Repeat("é", 65)}},
		"Software  ":        {Software: client.Software{Version: "1"}},
	} {
		_, err := client.Dial(t.Context(), "ws://localhost", cfg)
		checkDialError(t, err, nil, nil, []string{"Config." + strings.TrimSpace(name)})
	}
	refused := errors.New("refused")
	cfg.HeartbeatInterval, cfg.NetDial = 24*time.Hour, func(context.Context, string, string) (net.Conn, error) { return nil, refused }
	if _, err := client.Dial(t.Context(), "ws://localhost", cfg); !errors.Is(err, refused) {
		t.Errorf("a heartbeat each 24 h: %v", err)
	}
}

package ws

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// without returns a handshake without the given field.
func without(field string) string {
	i := strings.Index(handshake, field)
	return handshake[:i] + handshake[i+strings.Index(handshake[i:], "\r\n")+2:]
}

// instead returns a handshake with old replaced by by.
func instead(old, by string) string {
	if !strings.Contains(handshake, old) {
		panic("the handshake has no " + old)
	}
	return strings.Replace(handshake, old, by, 1)
}

const (
	upgradeLine    = "Upgrade: websocket\r\n"
	connectionLine = "Connection: Upgrade\r\n"
	keyLine        = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	versionLine    = "Sec-WebSocket-Version: 13\r\n"
)

// Each request gets the right response, and middleware sees the same status.
func TestUpgradeAnswers(t *testing.T) {
	const accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
	tests := []struct {
		name, request string
		status        int
		header, value string
	}{
		{"handshake", handshake, 101, "Sec-Websocket-Accept", accept},
		{"names in lower case", strings.ToLower(handshake[strings.Index(handshake, "Host"):strings.Index(handshake, "Sec")]), 101, "Sec-Websocket-Accept", accept},
		{"values in other cases", instead(upgradeLine+connectionLine, "Upgrade: WebSocket\r\nConnection: UPGRADE\r\n"), 101, "", ""},
		{"Firefox", instead(connectionLine, "Connection: keep-alive, Upgrade\r\n"), 101, "", ""},

		// RFC 9110, sections 5.3 and 5.6.1: a list.
		{"Connection in two lines", instead(connectionLine, "Connection: keep-alive\r\nConnection: Upgrade\r\n"), 101, "Connection", "Upgrade"},
		{"an empty Connection first", instead(connectionLine, "Connection:\r\nConnection: Upgrade\r\n"), 101, "", ""},
		{"an empty element first", instead(connectionLine, "Connection: ,\t, upgrade ,\r\n"), 101, "", ""},
		{"without space", instead(connectionLine, "Connection:keep-alive,upgrade\r\n"), 101, "", ""},
		{"another protocol behind", instead(upgradeLine, "Upgrade: websocket, h2c\r\n"), 101, "Upgrade", "websocket"},
		{"another protocol before", instead(upgradeLine, "Upgrade: h2c,websocket\r\n"), 101, "Upgrade", "websocket"},
		{"Upgrade in two lines", instead(upgradeLine, "Upgrade: h2c\r\nUpgrade: websocket\r\n"), 101, "", ""},
		{"Upgrade twice", instead(upgradeLine, upgradeLine+upgradeLine), 101, "", ""},

		{"plain GET", "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", 426, "Upgrade", "websocket"},
		{"plain GET", "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", 426, "Connection", "Upgrade"},
		{"plain POST", "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 1\r\n\r\nx", 426, "Upgrade", "websocket"},
		{"another protocol", instead("websocket", "h2c"), 426, "Upgrade", "websocket"},
		{"a protocol with that prefix", instead("websocket", "websocket2"), 426, "", ""},
		{"no protocol", instead(upgradeLine, "Upgrade:\r\n"), 426, "", ""},
		{"HTTP/1.0", instead("HTTP/1.1", "HTTP/1.0"), 426, "Upgrade", "websocket"},
		{"POST", instead("GET", "POST"), 405, "Allow", "GET"},
		{"PUT", instead("GET", "PUT"), 405, "Allow", "GET"},
		{"no Connection", without("Connection"), 400, "", ""},
		{"an empty Connection", instead(connectionLine, "Connection:\r\n"), 400, "", ""},
		{"another Connection", instead(connectionLine, "Connection: keep-alive, upgrades\r\n"), 400, "", ""},
		{"an empty Host", instead("example.com", ""), 400, "", ""},
		{"no Host", without("Host"), 400, "", ""},
		{"two Hosts", with("Host: example.com"), 400, "", ""},

		{"a body", with("Content-Length: 1") + "x", 400, "", ""},
		{"a body that is a frame", with("Content-Length: 6") + string(masked(ws.OpPing, true, "")), 400, "", ""},
		{"a body in chunks", with("Transfer-Encoding: chunked") + "1\r\nx\r\n0\r\n\r\n", 400, "", ""},
		{"an empty body in chunks", with("Transfer-Encoding: chunked") + "0\r\n\r\n", 400, "", ""},
		{"a body of zero bytes", with("Content-Length: 0"), 101, "", ""},

		{"another version", instead(": 13", ": 8"), 426, "Sec-Websocket-Version", "13"},
		{"another version without a key", strings.Replace(without("Sec-WebSocket-Key"), ": 13", ": 7", 1), 426, "Upgrade", "websocket"},
		{"several versions", instead(": 13", ": 13, 8"), 426, "Sec-Websocket-Version", "13"},
		{"a version with a leading zero", instead(": 13", ": 013"), 426, "Sec-Websocket-Version", "13"},
		{"no version", without("Sec-WebSocket-Version"), 400, "", ""},
		{"an empty version", instead(": 13", ":"), 400, "", ""},
		{"two versions", with("Sec-WebSocket-Version: 8"), 400, "", ""},
		{"the version twice", instead(versionLine, versionLine+versionLine), 400, "", ""},
		{"an empty second version", instead(versionLine, versionLine+"Sec-WebSocket-Version:\r\n"), 400, "", ""},

		{"no key", without("Sec-WebSocket-Key"), 400, "", ""},
		{"an empty key", instead(keyLine, "Sec-WebSocket-Key:\r\n"), 400, "", ""},
		{"the key twice", instead(keyLine, keyLine+keyLine), 400, "", ""},
		{"two keys in one line", instead(keyLine, strings.TrimSuffix(keyLine, "\r\n")+", dGhlIHNhbXBsZSBub25jZQ==\r\n"), 400, "", ""},
		{"a short key", instead("dGhlIHNhbXBsZSBub25jZQ==", "dGhl"), 400, "", ""},
		{"a key of 15 bytes", instead("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j"), 400, "", ""},
		{"a key of 17 bytes", instead("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZWU="), 400, "", ""},
		{"a key of 18 bytes", instead("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZWVl"), 400, "", ""},
		{"a key that is not base64", instead("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZ$=="), 400, "", ""},
		{"a key in URL-safe base64", instead("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub2-_ZQ=="), 400, "", ""},
		{"a key without padding", instead("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ"), 400, "", ""},
		// The last digit has more bits than 16 bytes need. Common clients send such
		// keys.
		{"a key with nonzero trailing bits", instead("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZR=="), 101, "", ""},
	}
	statuses := make(chan int, 1)
	next := echo(t, newEngine(t, EngineConfig{}))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w}
		next.ServeHTTP(rec, r)
		statuses <- rec.status
	}))
	t.Cleanup(s.Close)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			request := tt.request
			if strings.HasPrefix(request, "host") {
				request = "GET / HTTP/1.1\r\n" + request + strings.ToLower("Sec-WebSocket-Key") + strings.TrimPrefix(keyLine, "Sec-WebSocket-Key") + strings.ToLower(versionLine) + "\r\n"
			}
			_, _, res := shake(t, s, request)
			if res.StatusCode != tt.status || tt.header != "" && res.Header.Get(tt.header) != tt.value {
				t.Errorf("got %s, %v", res.Status, res.Header)
			}
			if strings.Contains(tt.name, "Host") && !strings.Contains(tt.name, "empty") {
				return // net/http itself refused it
			}
			if status := wait(t, statuses); status != tt.status {
				t.Errorf("the client got %d, middleware %d", tt.status, status)
			}
		})
	}
}

// recorder is middleware that logs the status.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// The response has the required fields, spelled as in RFC 6455, and those that middleware
// has set, unless they conflict with it.
func TestResponseFields(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/set" {
			for _, name := range []string{
				"Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Connection", "Upgrade", "Trailer",
				"Sec-WebSocket-Accept", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Sec-WebSocket-Version",
			} {
				w.Header().Set(name, "1")
			}
			w.Header().Add("Set-Cookie", "a=b")
			w.Header().Add("Set-Cookie", "c=d")
		}
		nc, _, _, err := Upgrade(w, r, Terms{Deflate: true})
		if err != nil {
			t.Error(err)
			return
		}
		_ = nc.Close()
	}))
	defer s.Close()
	const start = "HTTP/1.1 101 Switching Protocols"
	base := []string{start, "Connection: Upgrade", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "Upgrade: websocket"}
	for _, row := range []struct {
		request string
		more    []string
	}{
		{handshake, nil},
		{with("Sec-WebSocket-Protocol: b, a"), []string{"Sec-WebSocket-Protocol: b"}},
		{
			with("Sec-WebSocket-Protocol: v1.app", "Sec-WebSocket-Extensions: permessage-deflate"),
			[]string{"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover", "Sec-WebSocket-Protocol: v1.app"},
		},
		{instead("/ws", "/set"), []string{"Set-Cookie: a=b", "Set-Cookie: c=d"}},
	} {
		nc, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(nc, row.request)
		b, err := io.ReadAll(nc)
		_ = nc.Close()
		text, whole := strings.CutSuffix(string(b), "\r\n\r\n")
		got, want := strings.Split(text, "\r\n"), slices.Concat(base, row.more)
		slices.Sort(got)
		slices.Sort(want)
		if err != nil || !whole || !strings.HasPrefix(text, start) || !slices.Equal(got, want) {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
}

func TestSubprotocols(t *testing.T) {
	first := func(_ *http.Request, offered []string) string { return offered[0] }
	tests := []struct {
		name   string
		choose func(*http.Request, []string) string
		lines  []string
		status int
		want   string
	}{
		{"one", nil, []string{"v1.app"}, 101, "v1.app"},
		{"the first", nil, []string{"v2.app, v1.app"}, 101, "v2.app"},
		{"in lines", nil, []string{"v2.app", "v1.app"}, 101, "v2.app"},
		{"after empty elements", nil, []string{"", ", ,\tv1.app,"}, 101, "v1.app"},
		{"all token characters", nil, []string{"!#$%&'*+-.^_`|~09azAZ"}, 101, "!#$%&'*+-.^_`|~09azAZ"},
		{"no field", nil, nil, 101, ""},
		{"an empty field", nil, []string{""}, 101, ""},
		{"names that differ only in case", nil, []string{"App, app"}, 101, "App"},
		{"chosen", func(_ *http.Request, offered []string) string { return offered[len(offered)-1] }, []string{"a, b", "c"}, 101, "c"},
		{"chosen by a field of the request", func(r *http.Request, _ []string) string { return r.Header.Get("X-Want") }, []string{"a, b"}, 101, "b"},
		{"no choice", func(*http.Request, []string) string { return "" }, []string{"b, a"}, 101, "b"},
		{"nothing to choose from", func(_ *http.Request, offered []string) string { return strings.Join(offered, "") }, []string{" , "}, 101, ""},
		{"chosen where none is offered", func(*http.Request, []string) string { return "z" }, nil, 500, ""},
		{"chosen but not offered", func(*http.Request, []string) string { return "z" }, []string{"a"}, 500, ""},
		{"chosen in another case", func(*http.Request, []string) string { return "A" }, []string{"a"}, 500, ""},
		{"twice", nil, []string{"a, a"}, 400, ""},
		{"twice in lines", first, []string{"a, b", "c, b"}, 400, ""},
		{"a space", nil, []string{"a b"}, 400, ""},
		{"a slash", nil, []string{"a/b"}, 400, ""},
		{"quotes", nil, []string{`"a"`}, 400, ""},
		{"a parameter", nil, []string{"a; b=c"}, 400, ""},
		{"not ASCII", nil, []string{"ä"}, 400, ""},
		{"malformed after a valid one", first, []string{"a", "b c"}, 400, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			errs := make(chan error, 1)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				terms := Terms{}
				if tt.choose != nil {
					terms.Accept = func(r *http.Request) (string, *HandshakeError) { return tt.choose(r, Subprotocols(r)), nil }
				}
				nc, _, _, err := Upgrade(w, r, terms)
				if err == nil {
					_ = nc.Close()
				}
				errs <- err
			}))
			defer s.Close()
			lines := []string{"X-Want: b"}
			for _, l := range tt.lines {
				lines = append(lines, "Sec-WebSocket-Protocol: "+l)
			}
			_, _, res := shake(t, s, with(lines...))
			if got := res.Header.Get("Sec-WebSocket-Protocol"); res.StatusCode != tt.status || got != tt.want {
				t.Errorf("got %s, %q", res.Status, got)
			}
			expectStatus(t, wait(t, errs), tt.status)
		})
	}
}

// expectStatus checks the error of a handshake that was answered with status.
func expectStatus(t *testing.T, err error, status int) {
	t.Helper()
	if status == http.StatusSwitchingProtocols {
		if err != nil {
			t.Error(err)
		}
		return
	}
	h, ok := errors.AsType[*HandshakeError](err)
	if !ok || h.Status != status || h.ServerFault() != (status == 500 || status == 0) {
		t.Errorf("got %+v", err)
	}
}

// Thousands of subprotocols do not take quadratic time.
func TestManySubprotocols(t *testing.T) {
	var names []string
	for i := range 100_000 {
		names = append(names, fmt.Sprint(i))
	}
	line := strings.Join(names, ",")
	if got, ok := subprotocols([]string{line}); !ok || !slices.Equal(got, names) {
		t.Errorf("got %d, %v", len(got), ok)
	}
	if _, ok := subprotocols([]string{line, "99999"}); ok {
		t.Error("a duplicate is accepted")
	}
}

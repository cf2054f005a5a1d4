package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/redistest"
)

func TestDevelopmentModeAcceptsAnyCredentials(t *testing.T) {
	t.Parallel()
	_, address := serve(t, nil, "--dev")
	for _, test := range []struct {
		credentials any
		user        string
	}{
		{nil, ""},
		{map[string]any{"userId": "ann"}, "ann"},
		{map[string]any{"userId": "ann", "token": "t"}, "ann"},
		{map[string]any{"token": "t"}, "t"},
		{map[string]any{"userId": "", "token": "t"}, "t"},
		{map[string]any{"userId": 42, "token": "t"}, "t"},
		{[]int{1}, ""},
		{"ann", ""},
	} {
		if c := dial(t, address, test.credentials); c.UserID() != test.user {
			t.Errorf("%v connected as %q, want %q", test.credentials, c.UserID(), test.user)
		}
	}
}

func TestDevelopmentModeRelays(t *testing.T) {
	t.Parallel()
	p, address := serve(t, nil, "--dev")
	ann := dial(t, address, map[string]string{"userId": "ann"})
	anonymous := dial(t, address, nil)
	stranger := dial(t, address, map[string]string{"userId": "eve"})
	for _, c := range []*client.Conn{ann, anonymous} {
		if _, err := c.Join(withTimeout(t), "lobby"); err != nil {
			t.Fatal(err)
		}
		send(t, c, "arrived", `{"room":"lobby"}`) // comes back if the client has joined
		for m := receive(t, c); !strings.Contains(string(m.Data), c.ID()); m = receive(t, c) {
			if m.Event != "arrived" {
				t.Fatalf("received %+v", m)
			}
		}
	}
	receive(t, ann) // the event that anonymous sent

	// None of these is relayed.
	send(t, stranger, "chat", `{"room":"lobby","text":"not a member"}`)
	send(t, stranger, "chat", `{"room":"`+ann.ID()+`","text":"another's own room"}`)
	for _, data := range []string{`{"text":"no room"}`, `{"room":7}`, `{"room":["lobby"]}`, `{"room":""}`, `{"room":"lobby","room":null}`, `["lobby"]`, `"lobby"`, `null`} {
		send(t, ann, "nowhere", data)
	}
	p.logged("its sender is not in the room")

	send(t, ann, "chat", `{ "room" : "lobby", "from":{"id":"x","userId":"eve"}, "n":12345678901234567890123, "fr\u006fm":1, "text":"<\u00e9&\u2028>" }`)
	want := `{"room":"lobby","n":12345678901234567890123,"text":"<\u00e9&\u2028>","from":{"id":"` + ann.ID() + `","userId":"ann"}}`
	for _, c := range []*client.Conn{ann, anonymous} {
		if m := receive(t, c); m.Event != "chat" || string(m.Data) != want {
			t.Errorf("received %s %s, want %s", m.Event, m.Data, want)
		}
	}
	send(t, anonymous, "chat", `{"room":"lobby","from":{"userId":"ann"}}`)
	want = `{"room":"lobby","from":{"id":"` + anonymous.ID() + `"}}`
	if m := receive(t, ann); string(m.Data) != want {
		t.Errorf("received %s, want %s", m.Data, want)
	}
	// The next message that the stranger receives is its own, so it received none of the others.
	send(t, stranger, "self", `{"room":"`+stranger.ID()+`"}`)
	if m := receive(t, stranger); m.Event != "self" {
		t.Errorf("a stranger received %+v", m)
	}
}

// Requests that a web site could make a developer's browser send are refused.
func TestDevelopmentModeIsForThisMachineOnly(t *testing.T) {
	t.Parallel()
	p, address := serve(t, nil, "--dev")
	_, port, _ := strings.Cut(address, ":")
	for _, test := range []struct {
		headers []string
		want    int
	}{
		{nil, http.StatusSwitchingProtocols},
		{[]string{"Origin", "http://" + address}, http.StatusSwitchingProtocols},
		{[]string{"Origin", "http://localhost:3000"}, http.StatusSwitchingProtocols},
		{[]string{"Origin", "https://[::1]"}, http.StatusSwitchingProtocols},
		{[]string{"Origin", "http://127.9.9.9:1"}, http.StatusSwitchingProtocols},
		{[]string{"Host", "localhost:" + port}, http.StatusSwitchingProtocols},
		{[]string{"Host", "[::1]:" + port}, http.StatusSwitchingProtocols},
		{[]string{"Origin", "https://evil.example"}, http.StatusForbidden},
		{[]string{"Origin", "http://localhost.evil.example"}, http.StatusForbidden},
		{[]string{"Origin", "http://127.0.0.1.evil.example:8080"}, http.StatusForbidden},
		{[]string{"Origin", "http://localhost@evil.example"}, http.StatusForbidden},
		{[]string{"Origin", "http://10.0.0.1"}, http.StatusForbidden},
		{[]string{"Origin", "null"}, http.StatusForbidden},
		{[]string{"Origin", "file://localhost"}, http.StatusForbidden},
		{[]string{"Origin", ""}, http.StatusForbidden},
		{[]string{"Origin", "http://localhost", "Origin", "https://evil.example"}, http.StatusForbidden},
		{[]string{"Host", "evil.example:" + port}, http.StatusForbidden},
		{[]string{"Host", "evil.example"}, http.StatusForbidden},
		{[]string{"Host", "127.0.0.1.evil.example"}, http.StatusForbidden},
		{[]string{"Host", "evil.example", "Origin", "http://evil.example"}, http.StatusForbidden},
	} {
		if code := handshake(t, "http://"+address+"/ws", append(test.headers, upgrade...)...); code != test.want {
			t.Errorf("%q: answered %d, want %d", test.headers, code, test.want)
		}
	}
	p.logged("request refused")
	for _, path := range []string{"/", "/dev/app.js", "/healthz"} {
		if code, _, _ := get(t, "http://"+address+path, "Host", "evil.example"); code != http.StatusForbidden {
			t.Errorf("%s with another Host answers %d", path, code)
		}
	}
}

// upgrade contains the header fields of a request for a WebSocket.
var upgrade = []string{
	"Connection", "Upgrade", "Upgrade", "websocket",
	"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==",
}

// handshake returns the status of the answer to a request for a WebSocket.
func handshake(t *testing.T, url string, headers ...string) int {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request(t, url, headers))
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func TestAllowedOrigins(t *testing.T) {
	t.Parallel()
	_, address := serve(t, []string{"IGNIS_JWT_SECRET=" + testKey, "IGNIS_ALLOWED_ORIGINS=https://app.example.com,http://localhost:3000"})
	for origin, want := range map[string]int{
		"https://app.example.com":      101,
		"https://APP.example.com":      101,
		"http://localhost:3000":        101,
		"http://" + address:            101, // its own host
		"http://app.example.com":       403,
		"https://app.example.com:8443": 403,
		"https://evil.example":         403,
		"null":                         403,
	} {
		if code := handshake(t, "http://"+address+"/ws", append(upgrade, "Origin", origin)...); code != want {
			t.Errorf("%s: answered %d, want %d", origin, code, want)
		}
	}
	if code := handshake(t, "http://"+address+"/ws", upgrade...); code != 101 {
		t.Errorf("no origin: answered %d", code)
	}
	_, address = serve(t, []string{"IGNIS_JWT_SECRET=" + testKey}, "--allowed-origins", "*")
	if code := handshake(t, "http://"+address+"/ws", append(upgrade, "Origin", "https://evil.example")...); code != 101 {
		t.Errorf("any origin: answered %d", code)
	}
}

// The address of a client behind a trusted proxy is the one that the proxy reports. Other
// reports are ignored.
func TestTrustedProxies(t *testing.T) {
	t.Parallel()
	secret := []string{"IGNIS_JWT_SECRET=" + testKey}
	for _, row := range []struct{ networks, header, want string }{
		{"127.0.0.1", "X-Forwarded-For", "remote=203.0.113.9"},
		{"127.0.0.0/8,10.0.0.0/8", "Forwarded", "remote=203.0.113.9"},
		{"10.0.0.0/8", "X-Forwarded-For", "remote=127.0.0.1:"},
	} {
		p, address := serve(t, secret, "--trusted-proxies", row.networks, "--proxy-header", row.header, "--log-level", "debug")
		fields := append(upgrade, "X-Forwarded-For", "203.0.113.9", "Forwarded", "for=203.0.113.9")
		if code := handshake(t, "http://"+address+"/ws", fields...); code != 101 {
			t.Errorf("answered %d", code)
		}
		p.logged(row.want)
	}
}

func TestDevelopmentPage(t *testing.T) {
	t.Parallel()
	_, address := serve(t, nil, "--dev", "--path", "/a&b")
	code, header, page := get(t, "http://"+address+"/")
	if code != http.StatusOK || !strings.Contains(page, `data-path="/a&amp;b"`) {
		t.Errorf("the page: %d\n%s", code, page)
	}
	for _, part := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "connect-src 'self' ws://" + address + " wss://" + address + ";", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(header.Get("Content-Security-Policy"), part) {
			t.Errorf("the policy lacks %s", part)
		}
	}
	for file, kind := range map[string]string{"app.js": "text/javascript; charset=utf-8", "style.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"} {
		code, header, text := get(t, "http://"+address+"/dev/"+file)
		if code != http.StatusOK || header.Get("Content-Type") != kind || header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", file, code, header)
		}
		page += text
	}
	for _, outside := range []string{"http://", "https://"} {
		if rest := strings.ReplaceAll(page, `http://www.w3.org/2000/svg`, ""); strings.Contains(rest, outside) {
			t.Errorf("the page mentions an address with %s", outside)
		}
	}
}

func TestListenPrintsMessagesOfClients(t *testing.T) {
	t.Parallel()
	_, address := serve(t, nil, "--dev")
	p := start(t, nil, "listen", "ws://"+address+"/ws", "--user", "ann", "--join", "a", "--join", "b,c")
	sender := dial(t, address, nil)
	if _, err := sender.Join(withTimeout(t), "c"); err != nil {
		t.Fatal(err)
	}
	redistest.Wait(t, "an event", func() bool {
		send(t, sender, "hello", "{\"room\":\"c\",\n\"list\":[1,\n2]}")
		receive(t, sender)
		return len(p.lines.lines) > 0
	})
	want := `{"event":"hello","data":{"room":"c","list":[1,2],"from":{"id":"` + sender.ID() + `"}},"room":"c","from":{"id":"` + sender.ID() + `"}}`
	if got := p.line(); got != want {
		t.Errorf("printed %s, want %s", got, want)
	}
}

package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/certtest"
	"github.com/ignis-go/ignis/webhook"
	"github.com/ignis-go/ignis/wire"
)

// rulesFile is a configuration with rules; the claim teams of tokens grants rooms.
const rulesFile = `tokens: {secret_file: %s}
rooms:
  - match: "public-*"
    join: anyone
  - match: "user:{user}:*"
    join: anyone
  - match: "team-{team}"
    join: {claim: teams}
    send: {events: [say]}
`

// joins reports whether a client may join a room.
func joins(t *testing.T, c *client.Conn, room string) bool {
	t.Helper()
	_, err := c.Join(withTimeout(t), room)
	var refused *client.JoinError
	if err != nil && !errors.As(err, &refused) {
		t.Fatal(err)
	}
	return err == nil
}

// say sends an event to a room and returns the code of the answer, or "" for an ack.
func say(t *testing.T, c *client.Conn, event, room string) wire.ErrorCode {
	t.Helper()
	_, err := c.RequestMessage(withTimeout(t), wire.Message{Event: event, Room: room, Data: []byte(`{"text":"hi"}`)})
	var refused *client.Error
	if err != nil && !errors.As(err, &refused) {
		t.Fatal(err)
	}
	if err != nil {
		return refused.Code
	}
	return ""
}

// Rules decide what clients may do, and new rules take effect on SIGHUP, without
// disconnecting clients.
func TestRoomRules(t *testing.T) {
	t.Parallel()
	secret := writeFile(t, "jwt", testKey)
	file := writeFile(t, "ignis.yaml", fmt.Sprintf(rulesFile, secret))
	p, address := serve(t, nil, "--config", file)
	token := sign(t, testKey, map[string]any{"sub": "ann", "exp": inAnHour(), "teams": []string{"red"}, "rooms": []string{"*"}})
	ann, ben := dial(t, address, map[string]string{"token": token}), dial(t, address, tokenFor(t, testKey, "ben"))
	for room, want := range map[string]bool{"public-1": true, "user:ann:inbox": true, "user:ben:inbox": false, "team-red": true, "team-blue": false, "other": false} {
		if got := joins(t, ann, room); got != want {
			t.Errorf("ann joins %s: %v", room, got)
		}
	}
	if code := say(t, ann, "shout", "team-red"); code != wire.CodeForbidden {
		t.Errorf("an event that is not listed: %q", code)
	}
	if code := say(t, ann, "say", "team-red"); code != "" {
		t.Errorf("an event that is listed: %q", code)
	}
	if m := receive(t, ann); m.Event != "say" || m.Room != "team-red" || m.From.UserID != "ann" {
		t.Errorf("received %+v", m)
	}
	if code := say(t, ben, "say", "team-red"); code != wire.CodeForbidden {
		t.Errorf("a client that is not in the room: %q", code)
	}

	replace(t, file, strings.Replace(fmt.Sprintf(rulesFile, secret), "[say]", "[shout]", 1)+"  - match: other\n    join: anyone\n")
	p.signal(syscall.SIGHUP)
	if line := p.logged("configuration reloaded"); !strings.Contains(line, "changed=rooms") {
		t.Errorf("logged %s", line)
	}
	if say(t, ann, "say", "team-red") != wire.CodeForbidden || say(t, ann, "shout", "team-red") != "" || !joins(t, ben, "other") {
		t.Error("the rules have not changed")
	}
	for _, bad := range []struct{ file, want string }{
		{strings.Replace(fmt.Sprintf(rulesFile, secret), "{claim: teams}", "{claim: teams, of: x}", 1), "ignis.yaml:8:26: rooms[2].join.of"},
		{"tokens: {secret_file: " + secret + "}", "cannot be added or removed"},
		{fmt.Sprintf(rulesFile, secret) + "  - match: quiz\n    join: webhook\n", "webhook"},
	} {
		replace(t, file, bad.file)
		p.signal(syscall.SIGHUP)
		if line := p.logged("could not reload"); !strings.Contains(line, bad.want) {
			t.Errorf("logged %s, want %s", line, bad.want)
		}
		if !joins(t, ben, "other") {
			t.Error("the rules have changed")
		}
	}
}

func TestAccessCheck(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "ignis.yaml", fmt.Sprintf(rulesFile, "/nonexistent"))
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--user", "ann", "--claims", `{"teams":["red"]}`, "--room", "team-red"}, "join: yes (rooms[2] \"team-{team}\" on line 7, claim teams)   send: say"},
		{[]string{"--user", "ann", "--claims", `{"teams":["red"]}`, "--room", "team-blue"}, "join: no (rooms[2] \"team-{team}\""},
		{[]string{"--user", "ann", "--room", "user:ann:x"}, "join: yes (rooms[1]"},
		{[]string{"--room", "user:ann:x"}, "join: no (rooms[1]"},
		{[]string{"--room", "nothing"}, "join: no (no rule matches the room)"},
		{[]string{"--room", "team-red", "--event", "say"}, "send say: as a member yes (rooms[2] \"team-{team}\" on line 7) to the room, otherwise no ("},
	} {
		code, out, errors := ignisRun(t, nil, append([]string{"access", "check", "--config", file}, test.args...)...)
		if code != 0 || !strings.Contains(out, test.want) {
			t.Errorf("%v: exit code %d, %s%s, want %s", test.args, code, out, errors, test.want)
		}
	}
	for _, test := range []struct{ file, claims, want string }{
		{"path: /ws", "{}", "has no section rooms"},
		{"rooms: [{match: 'a{b'}]", "{}", "ignis.yaml:1:10: rooms[0].match: "},
		{"rooms: [{match: a, jion: anyone}]", "{}", "rooms[0].jion: unknown key; did you mean join?"},
		{"rooms: [{match: a, join: all}]", "{}", `ignis.yaml:1:26: rooms[0].join: expected anyone, nobody, webhook or a mapping with claim, of and is, but got "all"`},
		{"rooms: [{match: a}]", "[]", "--claims: expected a JSON object"},
		{"rooms: [{match: a}]", `{"a":1,"a":2}`, `it contains "a" twice`},
	} {
		code, _, errors := ignisRun(t, nil, "access", "check", "--config", writeFile(t, "ignis.yaml", test.file), "--room", "a", "--claims", test.claims)
		if code != exitUsage || !strings.Contains(errors, test.want) {
			t.Errorf("%s: exit code %d, %s, want %s", test.file, code, errors, test.want)
		}
	}
}

// endpoint is an application's endpoint for the webhook.
type endpoint struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
}

func newEndpoint(t *testing.T, secrets ...string) *endpoint {
	t.Helper()
	v, err := webhook.NewVerifier(webhook.VerifierConfig{Secrets: secrets})
	if err != nil {
		t.Fatal(err)
	}
	e := new(endpoint)
	e.Server = httptest.NewServer(v.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e.mu.Lock()
		e.bodies = append(e.bodies, string(body))
		e.mu.Unlock()
		if strings.Contains(string(body), `"wrong"`) {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = io.WriteString(w, `{"user":"ann","grants":{"teams":["red"]}}`)
	})))
	t.Cleanup(e.Close)
	return e
}

func (e *endpoint) heard(text string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Contains(strings.Join(e.bodies, "\n"), text)
}

// The webhook authenticates clients; its grants are claims for the rules. Its secret is
// replaced on SIGHUP.
func TestWebhookSection(t *testing.T) {
	t.Parallel()
	first, second := webhook.NewSecret(), webhook.NewSecret()
	secret := writeFile(t, "webhook", first+"\n")
	app := newEndpoint(t, first)
	file := writeFile(t, "ignis.yaml", "webhook:\n  url: "+app.URL+"\n  secret_files: "+secret+"\n  authenticate: true\n  events: [connected, disconnected]\n"+
		"rooms: [{match: 'team-{team}', join: {claim: teams}}]\n")
	p, address := serve(t, nil, "--config", file)
	c := dial(t, address, map[string]string{"token": "right"})
	if c.UserID() != "ann" || !joins(t, c, "team-red") || joins(t, c, "team-blue") {
		t.Errorf("user %q", c.UserID())
	}
	if accepted(t, address, map[string]string{"token": "wrong"}) {
		t.Error("a client that the endpoint refuses was accepted")
	}
	replace(t, secret, second)
	p.signal(syscall.SIGHUP)
	p.logged("configuration reloaded")
	if accepted(t, address, map[string]string{"token": "right"}) {
		t.Error("requests are still signed with the old secret")
	}
	replace(t, secret, first)
	p.signal(syscall.SIGHUP)
	p.logged("configuration reloaded")
	if !accepted(t, address, map[string]string{"token": "right"}) || !joins(t, c, "team-red") {
		t.Error("requests are not signed with the first secret again")
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, event := range []string{"connected", "disconnected"} {
		if !app.heard(event) {
			t.Errorf("the endpoint was not told of %s", event)
		}
	}
	if strings.Contains(p.errors.text(), first) || strings.Contains(p.errors.text(), second) {
		t.Error("a secret is in the log")
	}
}

// Tokens are verified with any of the configured keys, which can be rotated.
func TestTokenKeys(t *testing.T) {
	t.Parallel()
	old, next := writeFile(t, "old", testKey), writeFile(t, "next", strings.Repeat("n", 40))
	file := writeFile(t, "ignis.yaml", "tokens:\n  keys:\n    - {secret_file: "+old+", id: old}\n    - {secret_file: "+next+"}\n  issuers: [me]\n")
	p, address := serve(t, nil, "--config", file)
	token := func(key string, extra string) map[string]string {
		return map[string]string{"token": signed(key, `{"alg":"HS256","kid":"old"}`, fmt.Sprintf(`{"sub":"ann","exp":%d%s}`, inAnHour(), extra))}
	}
	c := dial(t, address, token(testKey, `,"iss":"me"`))
	if accepted(t, address, token(testKey, `,"iss":"other"`)) || accepted(t, address, token(strings.Repeat("x", 40), `,"iss":"me"`)) {
		t.Error("an invalid token was accepted")
	}
	replace(t, file, "tokens:\n  keys:\n    - {secret_file: "+next+", algorithms: [HS256]}\n")
	p.signal(syscall.SIGHUP)
	if line := p.logged("configuration reloaded"); !strings.Contains(line, `changed="tokens.issuers tokens.keys"`) {
		t.Errorf("logged %s", line)
	}
	if accepted(t, address, token(testKey, `,"iss":"me"`)) || !accepted(t, address, token(strings.Repeat("n", 40), "")) {
		t.Error("the keys have not been replaced")
	}
	if joins(t, c, "other") { // the claim rooms decides, and there is none
		t.Error("joined without a grant")
	}
	replace(t, file, "tokens:\n  keys:\n    - {id: x}\n")
	p.signal(syscall.SIGHUP)
	if line := p.logged("could not reload"); !strings.Contains(line, "ignis.yaml:3:7: tokens.keys[0]: expected either") {
		t.Errorf("logged %s", line)
	}
}

// A new JWK set that cannot be fetched does not replace the keys; that of an unchanged
// configuration is fetched again.
func TestTokenJWKS(t *testing.T) {
	t.Parallel()
	secret := writeFile(t, "jwt", testKey)
	file := writeFile(t, "ignis.yaml", "tokens: {secret_file: "+secret+"}\n")
	p, address := serve(t, nil, "--config", file)
	replace(t, file, "tokens: {secret_file: "+secret+", jwks: ['http://127.0.0.1:1/jwks?key=s3cr3t']}\n")
	p.signal(syscall.SIGHUP)
	if line := p.logged("could not reload"); !strings.Contains(line, "127.0.0.1:1") {
		t.Errorf("logged %s", line)
	}
	if !accepted(t, address, tokenFor(t, testKey, "ann")) || strings.Contains(p.errors.text(), "s3cr3t") {
		t.Error("the keys have been replaced")
	}
}

// A file with authorities must consist of certificates: those of an authority that is silently
// skipped could not be verified.
func TestAuthorities(t *testing.T) {
	cert := string(certtest.NewAuthority(t, "test").Issue(t, certtest.Options{}).Cert)
	for name, test := range map[string]struct {
		text string
		want string // text of the error; "": accepted
	}{
		"a certificate":    {cert, ""},
		"two":              {cert + cert, ""},
		"none":             {"x", "it contains no certificate"},
		"a broken second":  {cert + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "block 2 (CERTIFICATE) is not a certificate"},
		"a key as well":    {cert + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "block 2 (PRIVATE KEY) is not a certificate"},
		"more than enough": {cert + strings.Repeat("\n", 1<<20), "larger than 1048576 bytes"},
	} {
		c, err := authorities(writeFile(t, "ca.crt", test.text))
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) || (c != nil) != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if c, err := authorities(""); c != nil || err != nil {
		t.Errorf("no file: %v, %v", c, err)
	}
}

// Each listener may have settings of its own.
func TestListenSection(t *testing.T) {
	e, err := loaded(t, "listen:\n  - ':1'\n  - {address: 'unix:/run/x', mode: '0600'}\n  - {address: ':2', tls: false, proxy_protocol: true}\ntls: {cert_file: c, key_file: k}\n")
	if err != nil {
		t.Fatal(err)
	}
	at := e.listenFlags.config().Addresses
	if len(at) != 3 || !at[0].TLS || at[0].ProxyProtocol || at[1].Mode != 0o600 || at[1].TLS || at[2].TLS || !at[2].ProxyProtocol {
		t.Errorf("got %+v", at)
	}
	if _, err := loaded(t, "listen: [{adress: ':1'}]"); err == nil || !strings.Contains(err.Error(), "ignis.yaml:1:11: listen[0].adress: unknown key; did you mean address?") {
		t.Errorf("got %v", err)
	}
}

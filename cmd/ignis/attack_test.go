package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/webhook"
)

// battle is a server with tokens, rules, a JWK set and a webhook, an attacker, and a client
// that behaves well.
type battle struct {
	t        *testing.T
	address  string
	behave   func(http.ResponseWriter, *http.Request) // how the webhook answers
	fetches  atomic.Int64                             // of the JWK set
	broken   atomic.Bool                              // the webhook behaves as the attack requires
	endpoint *httptest.Server
}

// serveEndpoint starts the JWK set and the webhook.
func (b *battle) serveEndpoint() {
	mux := http.NewServeMux()
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		b.fetches.Add(1)
		_, _ = io.WriteString(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
	})
	mux.HandleFunc("/hook", func(w http.ResponseWriter, r *http.Request) {
		if b.broken.Load() {
			_, _ = io.Copy(io.Discard, r.Body) // or else the end of the request would go unnoticed
			b.behave(w, r)
			return
		}
		_, _ = io.WriteString(w, `{"user":"ann"}`)
	})
	b.endpoint = httptest.NewServer(mux)
	b.t.Cleanup(b.endpoint.Close)
}

// config returns the configuration with limits, and the webhook either authenticates or is
// only asked about rooms.
func (b *battle) config(limits string, authenticates bool) string {
	text := fmt.Sprintf("proxies: {trusted: 127.0.0.1}\nlog: {level: info, format: json}\nlimits: %s\n", limits) +
		fmt.Sprintf("webhook: {url: %q, secret_files: %q, timeout: 200ms, authenticate: %t}\n", b.endpoint.URL+"/hook", writeFile(b.t, "hook", webhook.NewSecret()), authenticates) +
		"rooms:\n- {match: lobby, join: anyone, send: {events: say}}\n- {match: free-*, join: anyone}\n- {match: quiz-*, join: webhook}\n"
	if !authenticates {
		text += fmt.Sprintf("tokens: {secret_file: %q, jwks: %q}\n", secretFile(b.t), b.endpoint.URL+"/keys")
	}
	return writeFile(b.t, "ignis.yaml", text)
}

// from returns the configuration of a client that a proxy reports to have an address.
func from(address, token string) client.Config {
	return client.Config{HTTPHeader: http.Header{"X-Forwarded-For": {address}}, Credentials: map[string]string{"token": token}}
}

// attack connects with a configuration. The client stays connected until the test ends.
func (b *battle) attack(cfg client.Config) *client.Conn {
	c, err := client.Dial(withTimeout(b.t), "ws://"+b.address+"/ws", cfg)
	if err != nil {
		return nil
	}
	b.t.Cleanup(func() { _ = c.Close() })
	return c
}

// refusals returns the number of refusals with a cause that are logged, and the number of log
// lines for that. A line states how many others it stands for.
func refusals(t *testing.T, log, cause string) (sum, lines int) {
	t.Helper()
	for line := range strings.Lines(log) {
		if !strings.Contains(line, cause) {
			continue
		}
		var entry struct {
			More int
			Last any `json:"in_the_last"` // if set, the line is only about others
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		lines++
		sum += entry.More
		if entry.Last == nil {
			sum++
		}
	}
	return sum, lines
}

// forged returns a token that nobody has signed.
func forged(header string) string {
	encode := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"sub":"admin","exp":%d}`, inAnHour())
	return encode([]byte(header)) + "." + encode([]byte(claims)) + "." + encode(make([]byte, 64))
}

// Every attack on the program ends in refusals, all of which are counted in the log, in a few
// lines that state the cause. A client that has connected before is served meanwhile.
func TestAttacks(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	const attacker = "203.0.113.66"
	mallory := func(t *testing.T) string {
		return sign(t, testKey, map[string]any{"sub": "mallory", "exp": inAnHour()})
	}
	each := func(i int) string { return fmt.Sprintf("198.18.%d.%d", i/250, 1+i%250) }
	hangs := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	fails := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusInternalServerError) }
	nonsense := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }
	asks := func(b *battle, i int) { b.attack(from(each(i), "guess")) }
	joins := func(prefix string) func(b *battle, i int) {
		return func(b *battle, i int) {
			if c := b.attack(from(each(i), mallory(b.t))); c != nil {
				for j := range 20 {
					_, _ = c.Join(withTimeout(b.t), fmt.Sprintf("%s-%d", prefix, j))
				}
			}
		}
	}
	for name, row := range map[string]struct {
		limits        string
		authenticates bool // the webhook does
		behave        func(http.ResponseWriter, *http.Request)
		attempts      int
		run           func(b *battle, i int)
		cause         string
		refused       int // minimum
	}{
		"connections": {
			limits: "{max_clients_per_address: 10}", attempts: 40, refused: 30, cause: "too many connections from one address",
			run: func(b *battle, _ int) { b.attack(from(attacker, mallory(b.t))) },
		},
		"handshakes": {
			limits: "{upgrade_rate_per_address: 1, upgrade_burst_per_address: 10}", attempts: 200, refused: 100, cause: "too many new connections from one address",
			run: func(b *battle, _ int) {
				handshake(b.t, "http://"+b.address+"/ws", append([]string{"X-Forwarded-For", attacker}, upgrade...)...)
			},
		},
		"guesses": {
			limits: "{auth_failure_burst: 10}", attempts: 60, refused: 40, cause: "too many failed authentications from one address",
			run: func(b *battle, _ int) { b.attack(from(attacker, forged(`{"alg":"HS256"}`))) },
		},
		"forged tokens": {
			attempts: 60, refused: 60, cause: "the token's signature is wrong",
			run: func(b *battle, i int) { b.attack(from(each(i), forged(`{"alg":"HS256"}`))) },
		},
		"unsigned tokens": {
			attempts: 60, refused: 60, cause: "the token's algorithm (alg) is not supported",
			run: func(b *battle, i int) { b.attack(from(each(i), forged(`{"alg":"none"}`))) },
		},
		"unknown keys": {
			attempts: 1000, refused: 900, cause: "the token's key (kid) is unknown",
			run: func(b *battle, i int) { b.attack(from(each(i), forged(fmt.Sprintf(`{"alg":"EdDSA","kid":"%d"}`, i)))) },
		},
		"oversized tokens": {
			limits: "{auth_max_payload: 64KiB}", attempts: 60, refused: 60, cause: "the token is longer than 8192 bytes",
			run: func(b *battle, i int) { b.attack(from(each(i), strings.Repeat("x", 32<<10))) },
		},
		"pages of other sites": {
			attempts: 60, refused: 60, cause: "Connections from this origin are not allowed",
			run: func(b *battle, i int) {
				handshake(b.t, "http://"+b.address+"/ws", append([]string{"X-Forwarded-For", each(i), "Origin", "https://evil.example"}, upgrade...)...)
			},
		},
		"sessions of one user": {
			limits: "{max_clients_per_user: 10}", attempts: 40, refused: 30, cause: "Config.MaxClientsPerUser",
			run: func(b *battle, i int) { b.attack(from(each(i), mallory(b.t))) },
		},
		"joins": {limits: "{max_rooms: 2, join_rate: 1, join_burst: 2}", attempts: 10, refused: 50, cause: "too many joins", run: joins("free")},
		"messages": {
			limits: "{message_rate: 10, message_burst: 10, throttle_timeout: 100ms}", attempts: 10, refused: 10, cause: "longer than ThrottleTimeout",
			run: func(b *battle, i int) {
				if c := b.attack(from(each(i), mallory(b.t))); c != nil {
					for c.Send(withTimeout(b.t), "say", map[string]string{"room": "void"}) == nil { //nolint:revive // until the server closes it
					}
				}
			},
		},
		"authentication by a webhook that hangs":            {authenticates: true, behave: hangs, attempts: 60, refused: 60, cause: "client turned away", run: asks},
		"authentication by a webhook that fails":            {authenticates: true, behave: fails, attempts: 60, refused: 60, cause: "client turned away", run: asks},
		"authentication by a webhook that answers nonsense": {authenticates: true, behave: nonsense, attempts: 60, refused: 60, cause: "client turned away", run: asks},
		"joins that a webhook that hangs decides":           {behave: hangs, attempts: 10, refused: 100, cause: "join refused", run: joins("quiz")},
		"joins that a webhook that fails decides":           {behave: fails, attempts: 10, refused: 100, cause: "join refused", run: joins("quiz")},
		"joins that a webhook decides with nonsense":        {behave: nonsense, attempts: 10, refused: 100, cause: "join refused", run: joins("quiz")},
	} {
		t.Run(name, func(t *testing.T) {
			b := &battle{t: t, behave: row.behave}
			b.serveEndpoint()
			limits := row.limits
			if limits == "" {
				limits = "{}"
			}
			var p *process
			p, b.address = serve(t, nil, "--config", b.config(limits, row.authenticates))
			ann := b.attack(from("198.51.100.7", sign(t, testKey, map[string]any{"sub": "ann", "exp": inAnHour()})))
			if ann == nil {
				t.Fatal("a client that behaves well is refused")
			}
			b.broken.Store(row.behave != nil)
			var attacks sync.WaitGroup
			for worker := range 10 {
				attacks.Go(func() {
					for i := worker; i < row.attempts; i += 10 {
						row.run(b, i)
					}
				})
			}
			b.converse(ann)
			attacks.Wait()
			b.converse(ann)
			p.signal(syscall.SIGTERM)
			if code := p.wait(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			sum, lines := refusals(t, p.errors.text(), row.cause)
			// The second line, at the end, is about those that the first one stands for. A slow
			// machine needs more than ten seconds.
			if sum < row.refused || lines > 20 {
				t.Errorf("%d refusals in %d lines with %q, want at least %d", sum, lines, row.cause, row.refused)
			}
			if n := b.fetches.Load(); n > 10 {
				t.Errorf("the JWK set was fetched %d times", n)
			}
		})
	}
}

// converse joins a room, sends a message to it and receives it.
func (b *battle) converse(c *client.Conn) {
	b.t.Helper()
	if _, err := c.Join(withTimeout(b.t), "lobby"); err != nil {
		b.t.Fatal(err)
	}
	for range 3 {
		if err := c.Send(withTimeout(b.t), "say", map[string]string{"room": "lobby"}); err != nil {
			b.t.Fatal(err)
		}
		m, err := c.Receive(withTimeout(b.t))
		var closed *client.CloseError
		if errors.As(err, &closed) || err != nil || m.Event != "say" {
			b.t.Fatalf("received %v, %v", m, err)
		}
	}
}

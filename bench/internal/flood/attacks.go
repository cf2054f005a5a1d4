package flood

import (
	"fmt"
	"strings"
	"time"
)

// Attack is what the server of an attack needs besides the settings that all attacks
// share.
type Attack struct {
	Limits  string // section limits of the server's configuration, as a YAML mapping; empty for the defaults
	TLS     bool   // whether clients use TLS
	Webhook bool   // whether the webhook authenticates clients; otherwise tokens do
	Broken  Fault  // what happens to the endpoint during the attack
}

// Attacks returns the kinds of floods against a server that is configured for the public
// internet. All strangers connect from one address, or each from its own.
func Attacks() []Kind {
	const quarter, tenth = 250 * time.Millisecond, 100 * time.Millisecond
	list := []Kind{
		{
			Name: "connections", Text: "a connection that stays open, and another attempt every 100 ms if it is refused; one address, with a limit of 10 connections", Strangers: 500,
			Attack: &Attack{Limits: "{max_clients_per_address: 10}"}, act: always(act{unit: 1, every: tenth, again: tenth, late: true}),
		},
		{
			Name: "reconnects", Text: "a new connection every 100 ms; one address, with a limit of 10 per second", Strangers: 500,
			Attack: &Attack{Limits: "{upgrade_rate_per_address: 10, upgrade_burst_per_address: 50}"}, act: always(act{unit: 1, every: tenth, once: true}),
		},
		{
			Name: "origins", Text: "a new connection from a page of another site, every 100 ms", Strangers: 500, scattered: true,
			Attack: &Attack{}, headers: origin, act: always(act{unit: 1, every: tenth, once: true}),
		},
		{
			Name: "guesses", Text: "a new connection and a token with a wrong signature (HS256), every 250 ms; one address, with a limit of 50 failures", Strangers: 500,
			Attack: &Attack{Limits: "{auth_failure_burst: 50}"}, act: sending(quarter, guess),
		},
		{
			Name: "forged", Text: "a new connection and a token with a wrong signature (ES256), every 250 ms", Strangers: 500, scattered: true,
			Attack: &Attack{}, act: sending(quarter, forgery),
		},
		{
			Name: "unknown-keys", Text: "a new connection and a token with a key ID that the JWK set lacks, a different one each time, every 250 ms", Strangers: 500, scattered: true,
			Attack: &Attack{}, act: sending(quarter, unknownKey),
		},
		{
			Name: "unknown-keys-outage", Text: "like `unknown-keys`, while the server of the JWK set does not answer", Strangers: 500, scattered: true,
			Attack: &Attack{Broken: Hangs}, act: sending(quarter, unknownKey),
		},
		{
			Name: "oversized", Text: "a new connection and a token of 32 KB, every 250 ms, with a limit of 64 KB for messages", Strangers: 500, scattered: true,
			Attack: &Attack{Limits: "{auth_max_payload: 64KiB}"}, act: oversized,
		},
		{
			Name: "sessions", Text: "a new connection that authenticates and stays open for 250 ms; all belong to one user, with a limit of 10 connections", Strangers: 500, scattered: true,
			Attack: &Attack{Limits: "{max_clients_per_user: 10}"}, act: always(act{genuine: true, unit: 1, every: quarter, once: true}),
		},
		{
			Name: "room-joins", Text: "16 KB of joins and leaves of rooms every 25 ms, or as fast as the server reads; one user, who may join them", Strangers: 500, member: true,
			Attack: &Attack{Limits: "{throttle_timeout: 1s}"}, act: roomJoins("free-"),
		},
		{
			Name: "messages", Text: "16 KB of messages that the server relays to an empty room, every 25 ms, or as fast as the server reads; one user", Strangers: 500, member: true,
			Attack: &Attack{Limits: "{throttle_timeout: 1s}"}, act: relayed,
		},
		{
			Name: "slow-headers", Text: "a request whose header never ends, at a byte every 100 ms, with a limit of 20 such connections", Strangers: 500,
			Attack: &Attack{Limits: "{max_handshakes: 20}"}, act: always(act{raw: true, late: true, first: []byte("GET /ws HTTP/1.1\r\nHost: x\r\nX: "), burst: []byte("x"), unit: 1, every: tenth}),
		},
		{
			Name: "slow-frames", Text: "a frame that never ends, at a byte every 100 ms, with a limit of 1 s for authentication", Strangers: 500,
			Attack: &Attack{Limits: "{auth_timeout: 1s}"}, act: always(act{late: true, first: []byte{fin | opText, 0x80 | 126, 0x10, 0, 0, 0, 0, 0}, burst: []byte("x"), unit: 1, every: tenth}),
		},
		{
			Name: "slow-tls", Text: "a TLS handshake that never ends, at a byte every 100 ms, with a limit of 1 s for handshakes", Strangers: 500,
			Attack: &Attack{TLS: true, Limits: "{handshake_timeout: 1s}"}, act: always(act{raw: true, late: true, first: []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), burst: []byte("x"), unit: 1, every: tenth}),
		},
	}
	for _, f := range []Fault{Hangs, Fails, Talks} {
		list = append(list,
			Kind{
				Name: "webhook-" + f.String(), Text: "a new connection that the webhook should authenticate, every 250 ms, while it " + f.text(), Strangers: 500, scattered: true,
				Attack: &Attack{Webhook: true, Broken: f}, act: sending(quarter, guess),
			},
			Kind{
				Name: "webhook-joins-" + f.String(), Text: "16 KB of joins and leaves of rooms for which the webhook is asked, every 25 ms, or as fast as the server reads, while it " + f.text(), Strangers: 500, member: true,
				Attack: &Attack{Broken: f, Limits: "{throttle_timeout: 1s}"}, act: roomJoins("quiz-"),
			})
	}
	return list
}

// always returns a function that returns a.
func always(a act) func() act { return func() act { return a } }

// sending authenticates on each new connection, with a token that the given function
// makes from a number.
func sending(every time.Duration, token func(n int64) string) func() act {
	return func() act {
		fresh := func(n int64) []byte { return authentication(token(n)) }
		return act{burst: fresh(0), fresh: fresh, unit: 1, every: every, once: true}
	}
}

func origin() string { return "Origin: https://evil.example\r\n" }

// guess returns a token whose signature is wrong.
func guess(n int64) string {
	return unsigned(`{"alg":"HS256","typ":"JWT"}`, claims("admin")) + "." + noise(n)[:43]
}

// forgery returns a token for the key of the JWK set. It takes as long to verify as one
// with a valid signature.
func forgery(n int64) string {
	return unsigned(fmt.Sprintf(`{"alg":"ES256","kid":%q}`, keyID), claims("admin")) + "." + noise(n)
}

// unknownKey returns a token for a key that the JWK set lacks.
func unknownKey(n int64) string {
	return unsigned(fmt.Sprintf(`{"alg":"ES256","kid":"key-%012d"}`, n), claims("admin")) + "." + noise(n)
}

// oversized sends a token of 32 KB.
func oversized() act {
	return act{burst: authentication(strings.Repeat("x", 32<<10)), unit: 1, every: 250 * time.Millisecond, once: true}
}

// roomJoins alternately joins and leaves rooms whose names have a prefix.
func roomJoins(prefix string) func() act {
	return func() act {
		var burst []byte
		n := 0
		for i := 0; len(burst) < burstSize; i++ {
			for _, event := range []string{"join", "leave"} {
				burst = appendFrame(burst, fin|opText, fmt.Appendf(nil, `{"event":%q,"data":{"rooms":["%s%d"]}}`, event, prefix, i))
				n++
			}
		}
		return act{burst: burst, unit: n, every: 25 * time.Millisecond}
	}
}

// relayed sends messages to a room without members.
func relayed() act {
	burst, n := repeated(appendFrame(nil, fin|opText, []byte(`{"event":"say","data":{"room":"void","text":"Is anybody there?"}}`)), burstSize)
	return act{burst: burst, unit: n, every: 25 * time.Millisecond}
}

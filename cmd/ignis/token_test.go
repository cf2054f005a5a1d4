package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/wire"
)

// testKey is the secret of the servers in these tests.
var testKey = strings.Repeat("0123456789abcdef", 2)

func inAnHour() int64 { return time.Now().Add(time.Hour).Unix() }

const plainHeader = `{"alg":"HS256","typ":"JWT"}`

// signed returns a token with the given header and claims, signed with HS256.
func signed(key, header, claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(header)) + "." + encode([]byte(claims))
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(text))
	return text + "." + encode(h.Sum(nil))
}

// sign returns a token with the given claims, signed with HS256.
func sign(t *testing.T, key string, claims map[string]any) string {
	t.Helper()
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return signed(key, plainHeader, string(text))
}

// The token determines which rooms a client may join. Messages from clients are dropped.
func TestTokenServer(t *testing.T) {
	r := redistest.Start(t)
	_, address := serve(t, []string{"IGNIS_JWT_SECRET=" + testKey}, "--redis", r.URL())
	token := sign(t, testKey, map[string]any{"sub": "ann", "exp": inAnHour(), "rooms": []string{"news", "team:*"}})
	c := dial(t, address, map[string]string{"token": token})
	if c.UserID() != "ann" {
		t.Errorf("connected as %q", c.UserID())
	}
	var refused *client.JoinError
	if _, err := c.Join(withTimeout(t), "secret", "team:1", "news"); !errors.As(err, &refused) || len(refused.Refused) != 1 ||
		refused.Refused[0] != (wire.RefusedRoom{Room: "secret", Code: wire.CodeForbidden}) {
		t.Fatalf("Join: %v, want that it refuses the room secret", err)
	}
	send(t, c, "chat", `{"room":"ws-default","text":"not relayed"}`)
	redistest.Wait(t, "ann to be in news", func() bool {
		emit(t, r.URL(), "room", "news", "probe")
		emit(t, r.URL(), "user", "ann", "probed")
		for m := receive(t, c); m.Event != "probed"; m = receive(t, c) {
			if m.Event == "probe" {
				return true
			}
			t.Fatalf("received %+v", m)
		}
		return false
	})
	emit(t, r.URL(), "room", "secret", "leaked")
	emit(t, r.URL(), "room", "team:1", "team", `{"n":1}`)
	for m := receive(t, c); m.Event != "team"; m = receive(t, c) {
		if m.Event != "probed" {
			t.Fatalf("received %+v", m)
		}
	}
	code, _, body := get(t, "http://"+address+"/")
	if code != 404 || strings.Contains(body, "Ignis") {
		t.Errorf("/ answers %d %s", code, body)
	}
}

// The log contains the reason why each token was refused, but not the token itself.
func TestRefusedTokensInTheLog(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	p, address := serve(t, []string{"IGNIS_JWT_SECRET=" + testKey})
	for _, token := range []string{
		"", "..", strings.Repeat("s3cr3t", 15_000), "s3cr3t.s3cr3t.s3cr3t",
		signed(testKey, plainHeader, `{"sub":"ann","exp":5}`), signed(testKey, plainHeader, `{"sub":"bob","exp":5}`),
		signed(testKey, plainHeader, `{"sub":"ann","exp":`+strings.Repeat("7", 5000)+`}`),
		signed(testKey, plainHeader, `{"sub":"ann"}`), signed(testKey, `{"alg":"none"}`, `{"sub":"ann"}`),
		signed(testKey, plainHeader, `{"sub":"ann","exp":5}`) + "A", sign(t, strings.Repeat("k", 32), map[string]any{"sub": "s3cr3t"}),
	} {
		cfg := client.Config{Credentials: map[string]string{"token": token}}
		if _, err := client.Dial(withTimeout(t), "ws://"+address+"/ws", cfg); err == nil {
			t.Errorf("%.40s was accepted", token)
		}
	}
	lines := func(text string) int { return strings.Count(p.errors.text(), text) }
	redistest.Wait(t, "ten lines", func() bool { return lines(`msg="client rejected"`) >= 10 })
	if log := p.errors.text(); len(log) > 10_000 || strings.Contains(log, "s3cr3t") || strings.Contains(log, "77777") ||
		!strings.Contains(log, `the token has expired (subject \"ann\")`) {
		t.Errorf("the log has %d bytes", len(log))
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 || lines(`error="the token has expired" more=1 in_the_last=`) != 1 {
		t.Errorf("exit code %d; the log does not end with the number of omitted lines", code)
	}
}

// A session ends when its token expires.
func TestTokenExpires(t *testing.T) {
	t.Parallel()
	_, address := serve(t, []string{"IGNIS_JWT_SECRET=" + testKey})
	token := sign(t, testKey, map[string]any{"sub": "ann", "exp": time.Now().Unix() + 2})
	c := dial(t, address, map[string]string{"token": token})
	var err error
	for err == nil {
		_, err = c.Receive(withTimeout(t)) // the event expiring may arrive first
	}
	var closed *client.CloseError
	if !errors.As(err, &closed) || closed.Code != wire.CloseExpired {
		t.Errorf("the client got %v, want close code %d", err, wire.CloseExpired)
	}
}

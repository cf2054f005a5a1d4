package main

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/wire"
)

var testKey = strings.Repeat("0123456789abcdef", 2)

func inAnHour() int64 { return time.Now().Add(time.Hour).Unix() }

// sign returns an HS256 token.
func sign(t *testing.T, key string, claims map[string]any) string {
	t.Helper()
	return signAs(t, jwt.SigningMethodHS256, []byte(key), nil, claims)
}

func signAs(t *testing.T, m jwt.SigningMethod, key any, header, claims map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(m, jwt.MapClaims(claims))
	for k, v := range header {
		token.Header[k] = v
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().Unix()
		claims := func(change map[string]any) map[string]any {
			c := map[string]any{"sub": "ann", "exp": now + 60, "rooms": []string{"lobby"}}
			for k, v := range change {
				if v == nil {
					delete(c, k)
				} else {
					c[k] = v
				}
			}
			return c
		}
		hs := func(change map[string]any) string { return sign(t, testKey, claims(change)) }
		good := hs(nil)
		head, rest, _ := strings.Cut(good, ".")
		body, signature, _ := strings.Cut(rest, ".")
		for name, test := range map[string]struct {
			token string
			ok    bool
		}{
			"good":                     {good, true},
			"no rooms":                 {hs(map[string]any{"rooms": nil}), true},
			"expires in a second":      {hs(map[string]any{"exp": now + 1}), true},
			"expires now":              {hs(map[string]any{"exp": now}), false},
			"expired a second ago":     {hs(map[string]any{"exp": now - 1}), false},
			"no exp":                   {hs(map[string]any{"exp": nil}), false},
			"exp is a text":            {hs(map[string]any{"exp": "tomorrow"}), false},
			"no sub":                   {hs(map[string]any{"sub": nil}), false},
			"empty sub":                {hs(map[string]any{"sub": ""}), false},
			"sub is a number":          {hs(map[string]any{"sub": 42}), false},
			"rooms is a text":          {hs(map[string]any{"rooms": "lobby"}), false},
			"rooms has a number":       {hs(map[string]any{"rooms": []any{"lobby", 1}}), false},
			"not yet, by a small skew": {hs(map[string]any{"nbf": now + 5}), true},
			"not yet":                  {hs(map[string]any{"nbf": now + 60}), false},
			"issued by a fast clock":   {hs(map[string]any{"iat": now + 5}), true},
			"issued in the future":     {hs(map[string]any{"iat": now + 60}), false},
			"another key":              {sign(t, strings.Repeat("k", 32), claims(nil)), false},
			"HS384":                    {signAs(t, jwt.SigningMethodHS384, []byte(testKey), nil, claims(nil)), false},
			"HS512":                    {signAs(t, jwt.SigningMethodHS512, []byte(testKey), nil, claims(nil)), false},
			"none":                     {signAs(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, claims(nil)), false},
			"says RS256":               {signAs(t, jwt.SigningMethodHS256, []byte(testKey), map[string]any{"alg": "RS256"}, claims(nil)), false},
			"critical extension":       {signAs(t, jwt.SigningMethodHS256, []byte(testKey), map[string]any{"crit": []string{"x"}, "x": 1}, claims(nil)), false},
			"signature cut":            {head + "." + body + "." + signature[:len(signature)-2], false},
			"no signature":             {head + "." + body + ".", false},
			"other body":               {head + "." + strings.Split(hs(map[string]any{"sub": "eve"}), ".")[1] + "." + signature, false},
			"padded":                   {good + "=", false},
			"empty":                    {"", false},
			"garbage":                  {"a.b.c", false},
		} {
			id, err := newTokens([]byte(testKey), 0).authenticate(t.Context(), ignis.Credentials{Token: test.token})
			if (err == nil) != test.ok || err != nil && !errors.Is(err, ignis.ErrUnauthenticated) {
				t.Errorf("%s: %v", name, err)
			}
			if test.ok && id.UserID != "ann" {
				t.Errorf("%s: the user is %q", name, id.UserID)
			}
		}
	})
}

func TestGrants(t *testing.T) {
	for _, test := range []struct {
		pattern, room string
		want          bool
	}{
		{"lobby", "lobby", true},
		{"lobby", "lobby2", false},
		{"team:*", "team:1", true},
		{"team:*", "team:", true},
		{"team:*", "team", false},
		{"*", "anything", true},
		{"a*c", "abc", false},
		{"a*c", "a*c", true},
		{"a**", "a*b", true},
		{"a**", "ab", false},
		{"a?", "ab", false},
		{"[ab]", "a", false},
		{"*b", "ab", false},
		{"", "a", false},
	} {
		if got := (grants{"never", test.pattern}).allow(test.room); got != test.want {
			t.Errorf("%q allows %q: %v", test.pattern, test.room, got)
		}
	}
}

// The token decides on rooms, and the program has no use for what clients send.
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
	send(t, c, "chat", `{"room":"ws-default","text":"nobody relays this"}`)
	redistest.Wait(t, "ann to be in news", func() bool { // on Redis too
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

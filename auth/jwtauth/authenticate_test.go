package jwtauth

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

var testKey = strings.Repeat("0123456789abcdef", 2)

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

func TestAuthenticate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, err := New(Config{Secret: []byte(testKey)})
		if err != nil {
			t.Fatal(err)
		}
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
			"exp is a string":          {hs(map[string]any{"exp": "tomorrow"}), false},
			"no sub":                   {hs(map[string]any{"sub": nil}), false},
			"empty sub":                {hs(map[string]any{"sub": ""}), false},
			"sub is a fraction":        {hs(map[string]any{"sub": 4.2}), false},
			"rooms is a string":        {hs(map[string]any{"rooms": "lobby"}), false},
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
			id, err := v.Authenticate(t.Context(), ignis.Credentials{Token: test.token})
			if (err == nil) != test.ok || err != nil && !errors.Is(err, ignis.ErrUnauthenticated) {
				t.Errorf("%s: %v", name, err)
			}
			if test.ok && (id.UserID != "ann" || id.Expires.Unix() <= now) {
				t.Errorf("%s: got %+v", name, id)
			}
		}
	})
}

func TestRooms(t *testing.T) {
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
		if got := (Rooms{"never", test.pattern}).Allow(test.room); got != test.want {
			t.Errorf("%q allows %q: %v", test.pattern, test.room, got)
		}
	}
}

func TestConfig(t *testing.T) {
	for name, test := range map[string]struct {
		config Config
		want   string // "": no error
	}{
		"good":           {Config{Secret: []byte(testKey)}, ""},
		"no secret":      {Config{}, "Config.Secret is required"},
		"a short secret": {Config{Secret: []byte(testKey[1:])}, "a secret of 31 bytes is too short: HS256 needs at least 32"},
		"a bad limit":    {Config{Secret: []byte(testKey), MaxToken: -1}, "Config.MaxToken must not be negative"},
	} {
		_, err := New(test.config)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// The caller may erase the secret after New.
func TestSecretIsCopied(t *testing.T) {
	secret := []byte(testKey)
	v, err := New(Config{Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	clear(secret)
	if v.cfg.Secret != nil || v.cfg.Keys != nil {
		t.Error("the verifier keeps a reference to the caller's secret")
	}
	token := sign(t, testKey, map[string]any{"sub": "ann", "exp": time.Now().Add(time.Hour).Unix()})
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Error(err)
	}
}

func TestFields(t *testing.T) {
	const claims = `{"sub":"ann","exp":1800000060,"nbf":1799999990,"iat":1799999980.5,"ROLE":"admin","role": {"a" : [1]} ,"none":null}`
	c, err := testVerifier(t).Verify(t.Context(), signed(plainHeader, claims))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"sub": `"ann"`, "role": `{"a" : [1]}`, "ROLE": `"admin"`, "none": "null", "Role": "", "": ""} {
		if got := c.Field(name); string(got) != want || (got == nil) != (want == "") {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if c.Expires.Unix() != 1800000060 || c.NotBefore.Unix() != 1799999990 || c.IssuedAt.UnixMilli() != 1799999980500 || c.Rooms != nil {
		t.Errorf("got %+v", c)
	}
}

func TestValidateRooms(t *testing.T) {
	v := testVerifier(t)
	c := &ignis.Client{ID: "1", Metadata: Rooms{"news", "team:*"}}
	got, err := v.ValidateRooms(t.Context(), c, []string{"secret", "team:1", "news"})
	if err != nil || !slices.Equal(got, []string{"team:1", "news"}) {
		t.Errorf("got %q, %v", got, err)
	}
	c.Metadata = &Claims{Rooms: Rooms{"news"}}
	got, err = v.ValidateRooms(t.Context(), c, []string{"secret", "team:1", "news"})
	if err != nil || !slices.Equal(got, []string{"news"}) {
		t.Errorf("with claims: got %q, %v", got, err)
	}
	if got, err := v.ValidateRooms(t.Context(), &ignis.Client{ID: "1", Metadata: "other"}, []string{"news"}); err == nil || len(got) > 0 {
		t.Errorf("with other metadata: got %q", got)
	}
}

// A client whose token cannot be verified at the moment is told to try again later.
func TestAuthenticateWithoutKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := withIssuer(t, Config{}, &issuer{err: errors.New("no")})
		defer running(t, v)()
		synctest.Wait()
		token := newSigner(t, "1", "ES256").sign(t, goodClaims)
		_, err := v.Authenticate(t.Context(), ignis.Credentials{Token: token})
		e, ok := errors.AsType[*ignis.Error](err)
		if !ok || e.Code != wire.CodeUnavailable || !errors.Is(err, ErrKeysUnavailable) || errors.Is(err, ignis.ErrUnauthenticated) {
			t.Errorf("error %v", err)
		}
	})
}

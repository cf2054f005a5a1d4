package jwtauth

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/ignistest"
	"github.com/ignis-go/ignis/internal/doctest"
)

// Every attack on a server ends in a refusal that is counted each time and logged once, with
// the cause and without the token.
func TestAttacksOnAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const attempts = 20
		hs, rs, es := newSigner(t, "1", "HS256"), newSigner(t, "2", "RS256"), newSigner(t, "3", "ES256")
		is := &issuer{body: jwks(es.jwk())}
		var log bytes.Buffer
		v := withIssuer(t, Config{Keys: []Key{hs.public(), {ID: "2", Public: rs.key.Public(), Algorithms: []string{"RS256"}}}, Issuers: []string{"me"}, MaxToken: 2000}, is)
		defer running(t, v)()
		synctest.Wait()
		srv := ignistest.NewServer(t, ignis.Config{
			Authenticate: v.Authenticate, ValidateRooms: v.ValidateRooms,
			Logger:          slog.New(slog.NewTextHandler(&log, nil)),
			AuthFailureRate: -1, // or else the server would refuse most of the tokens itself
		})
		const claims = `"iss":"me","sub":"ann","rooms":["*"]`
		const valid = `{"exp":1800000060,` + claims + `}`
		ann := srv.Dial(t, map[string]string{"token": es.sign(t, valid)})
		forger := newSigner(t, "3", "ES256")
		unknown := newSigner(t, "4", "ES256")
		cases := map[string]string{
			"no token was sent":                                         "",
			"the token does not have three parts":                       "x",
			"the token is too large":                                    strings.Repeat("x.", 2000),
			"the token has expired":                                     es.sign(t, `{"exp":1799999999,`+claims+`}`),
			"the token is not valid yet (nbf)":                          hs.sign(t, `{"nbf":1800000050,"exp":1800000060,`+claims+`}`),
			"the token was issued in the future (iat)":                  rs.sign(t, `{"iat":1800000050,"exp":1800000060,`+claims+`}`),
			"the token has no exp":                                      es.sign(t, `{`+claims+`}`),
			"the token's signature is wrong":                            forger.sign(t, valid),
			"the token's key (kid) is unknown":                          unknown.sign(t, valid),
			"the token's key (kid) is not for its algorithm (alg)":      (&signer{id: "3", alg: "HS256", secret: []byte(es.pem(t))}).sign(t, valid),
			"the token's algorithm (alg) is not supported":              relabeled(t, es.sign(t, valid), map[string]any{"alg": "none"}),
			"the token has critical extensions, and none are supported": es.sign(t, valid, "crit", "exp"),
			"the token's claims must not contain duplicate names":       es.sign(t, `{"sub":"eve",`+valid[1:]),
			"the token's issuer (iss) is missing or not accepted":       es.sign(t, `{"sub":"ann","iss":"ME","exp":1800000060}`),
			"the token's signature is not base64url":                    es.sign(t, valid) + "=",
		}
		line := regexp.MustCompile(`(?m)^client rejected server=.*$`).FindString(doctest.Read(t, "docs/tokens.md"))
		documented := strings.NewReplacer("…", `\S+`, "client rejected", `"client rejected"`, "42", "ann").Replace(regexp.QuoteMeta(line))
		before := srv.Stats()
		for cause, token := range cases {
			synctest.Wait() // nothing writes to log
			log.Reset()
			for range attempts {
				_, err := client.Dial(t.Context(), srv.URL, client.Config{Credentials: map[string]string{"token": token}, NetDial: srv.NetDial})
				var closed *client.CloseError
				if !errors.As(err, &closed) {
					t.Errorf("%s: %v", cause, err)
				}
			}
			synctest.Wait()
			if n := strings.Count(log.String(), cause); n != 1 {
				t.Errorf("%q is in the log %d times:\n%s", cause, n, &log)
			}
			if cause == "the token has expired" && !regexp.MustCompile(documented).MatchString(log.String()) {
				t.Errorf("docs/tokens.md says that this is logged as %s:\n%s", documented, &log)
			}
			if len(token) > 40 && strings.Contains(log.String(), token[len(token)-40:]) {
				t.Errorf("%s: the token is in the log", cause)
			}
			ann.Join("news") // is not disturbed
		}
		st := srv.Stats()
		if want := uint64(len(cases) * attempts); st.RefusedAuth-before.RefusedAuth != want || st.CallbackErrors != before.CallbackErrors {
			t.Errorf("%d refusals are counted, want %d; %d errors", st.RefusedAuth-before.RefusedAuth, want, st.CallbackErrors)
		}
		if n := is.count(); n > 2 {
			t.Errorf("%d fetches", n)
		}
	})
}

// Neither fetches, however they end, nor reads of files leave anything open. TestMain checks
// goroutines.
func TestOpenFiles(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	count := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	s := newSigner(t, "1", "ES256")
	name := filepath.Join(t.TempDir(), "keys")
	write(t, name, s.pem(t))
	release := make(chan struct{})
	answers := map[string]http.HandlerFunc{
		"/good": text(jwks(s.jwk())), "/garbage": text("x"), "/large": text(strings.Repeat(" ", 1<<20)),
		"/error": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"/away":  func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/good", http.StatusFound) },
		"/abort": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"/slow":  func(http.ResponseWriter, *http.Request) { <-release },
	}
	warmUp, before := 2, 0
	for round := range 20 + warmUp {
		if round == warmUp {
			before = count()
		}
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answers[r.URL.Path](w, r) }))
		c := Config{KeyFiles: []KeyFile{{Name: name}, {Name: name, ID: "2"}}}
		for path := range answers {
			c.JWKS = append(c.JWKS, JWKS{URL: srv.URL + path, Timeout: 5 * time.Second})
		}
		for i := range c.JWKS {
			if strings.HasSuffix(c.JWKS[i].URL, "/slow") {
				c.JWKS[i].Timeout = time.Millisecond
			}
		}
		v := verifierFor(t, c)
		if err := v.Reload(t.Context()); err == nil {
			t.Error("no error")
		}
		close(release)
		srv.Close()
		release = make(chan struct{})
	}
	if after := count(); after > before+3 { // the runtime may open some
		t.Errorf("%d files are open after %d rounds, and there were %d", after, 20, before)
	}
}

// A token costs memory in proportion to its size, not to what it pretends to contain.
func TestMemoryOfAToken(t *testing.T) {
	v := testVerifier(t)
	deep := signed(plainHeader, `{"sub":"ann","exp":1800000060,"x":`+strings.Repeat(`[`, 60)+strings.Repeat(`]`, 60)+`}`)
	var many strings.Builder
	for i := range 500 {
		_, _ = fmt.Fprintf(&many, `"%d":%d,`, i, i)
	}
	wide := signed(plainHeader, `{`+many.String()+`"sub":"ann","exp":1800000060}`)
	header := base64.RawURLEncoding.EncodeToString([]byte(`{` + many.String() + `"alg":"HS256"}`))
	for name, token := range map[string]string{"deep": deep, "wide": wide, "wide header": header + ".e30.AAAA"} {
		const runs = 100
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			_, _ = v.Verify(t.Context(), token)
		}
		runtime.ReadMemStats(&after)
		if n := (after.TotalAlloc - before.TotalAlloc) / runs; n > 40*uint64(len(token)) {
			t.Errorf("%s: %d bytes for a token of %d", name, n, len(token))
		}
	}
}

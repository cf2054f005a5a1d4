package jwtauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
)

// issuer is a JWKS server without a network.
type issuer struct {
	mu      sync.Mutex
	body    string
	err     error
	delay   time.Duration
	fetches []time.Time
}

func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	i.mu.Lock()
	i.fetches = append(i.fetches, time.Now())
	body, err, delay := i.body, i.err, i.delay
	i.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, ContentLength: -1, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// set sets what the next fetches return.
func (i *issuer) set(body string, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.body, i.err = body, err
}

// count returns the number of fetches since the last call.
func (i *issuer) count() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := len(i.fetches)
	i.fetches = nil
	return n
}

// withIssuer returns a verifier whose JWKS come from the issuers.
func withIssuer(t *testing.T, c Config, issuers ...*issuer) *Verifier {
	t.Helper()
	for n := range issuers {
		c.JWKS = append(c.JWKS, JWKS{URL: fmt.Sprintf("https://issuer%d.example/jwks", n)})
	}
	v := verifierFor(t, c)
	for n, i := range issuers {
		v.remotes[n].fetcher.client.Transport = i
	}
	return v
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestJWKSRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two, three := newSigner(t, "1", "ES256"), newSigner(t, "2", "RS256"), newSigner(t, "3", "EdDSA")
		is := &issuer{body: jwks(one.jwk())}
		v := withIssuer(t, Config{}, is)
		defer running(t, v)()
		synctest.Wait()
		if !accepts(t, v, one) || is.count() != 1 {
			t.Fatal("the first key is not accepted")
		}
		// A new key is known as soon as the first token names it.
		pass(time.Minute)
		is.set(jwks(one.jwk(), two.jwk()), nil)
		if !accepts(t, v, two) || !accepts(t, v, one) || is.count() != 1 {
			t.Error("the second key is not accepted")
		}
		// Within MinRefresh of that, another one is not.
		is.set(jwks(three.jwk()), nil)
		if accepts(t, v, three) || !accepts(t, v, one) || is.count() != 0 {
			t.Error("the keys were fetched again at once")
		}
		if st := v.Status()[0]; st.Unknown != 1 || st.Keys != 2 || st.Attempts != 2 || st.Name != "https://issuer0.example/jwks" {
			t.Errorf("got %+v", st)
		}
		// In the background, a removed key disappears even if there are no tokens.
		pass(defaultRefresh + defaultRefresh/10)
		if n := is.count(); n != 1 {
			t.Errorf("%d fetches in the background", n)
		}
		if accepts(t, v, one) || accepts(t, v, two) || !accepts(t, v, three) {
			t.Error("the keys were not replaced")
		}
	})
}

// A warning about keys that have never been read does not speak of previous ones.
func TestJWKSOutageAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		v := withIssuer(t, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, &issuer{err: errors.New("connection refused")})
		defer running(t, v)()
		pass(time.Second)
		if text := log.String(); !strings.Contains(text, "until they can, tokens that need them are refused") || strings.Contains(text, "previous") {
			t.Errorf("logged %s", text)
		}
	})
}

func TestJWKSOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s, next := newSigner(t, "1", "ES256"), newSigner(t, "2", "ES256")
		is := &issuer{body: jwks(s.jwk())}
		v := withIssuer(t, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, is)
		defer running(t, v)()
		pass(time.Second)
		is.count()
		for _, outage := range []struct {
			body string
			err  error
		}{{"", errors.New("connection refused")}, {"<html>502</html>", nil}, {`{"keys":[]}`, nil}, {`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`, nil}} {
			is.set(outage.body, outage.err)
			pass(2 * time.Hour)
			if !accepts(t, v, s) {
				t.Errorf("%+v: the last key is no longer accepted", outage)
			}
			// About one attempt a minute, not more.
			if n := is.count(); n < 60 || n > 140 {
				t.Errorf("%+v: %d attempts in two hours", outage, n)
			}
			if st := v.Status()[0]; st.Err == nil || st.Keys != 1 || st.Failures == 0 {
				t.Errorf("%+v: %+v", outage, st)
			}
		}
		if n := strings.Count(log.String(), "cannot be read; the previous ones stay valid"); n != 4 {
			t.Errorf("%d lines about 4 kinds of outage:\n%s", n, &log)
		}
		is.set(jwks(next.jwk()), nil)
		pass(maxRetry + maxRetry/10)
		if accepts(t, v, s) || !accepts(t, v, next) {
			t.Error("the keys after the outage are not used")
		}
		if st := v.Status()[0]; st.Err != nil {
			t.Errorf("after the outage: %+v", st)
		}
		is.count()
		pass(defaultRefresh * 10)
		if n := is.count(); n < 9 || n > 12 {
			t.Errorf("%d fetches in ten intervals after the outage", n)
		}
	})
}

// A server starts while the issuer is down, and refuses tokens with another cause than bad
// ones until it is back.
func TestStartWithoutIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, local := newSigner(t, "1", "ES256"), newSigner(t, "", "HS256")
		is := &issuer{err: errors.New("no such host")}
		v := withIssuer(t, Config{Secret: local.secret}, is)
		checkUnavailable := func(what string) {
			t.Helper()
			_, err := v.Authenticate(t.Context(), ignis.Credentials{Token: s.sign(t, goodClaims)})
			var cause interface{ LogCause() string }
			if !errors.Is(err, ErrKeysUnavailable) || errors.Is(err, ignis.ErrUnauthenticated) || !errors.As(err, &cause) {
				t.Errorf("%s: %v", what, err)
			}
			// Nothing of that concerns other keys and tokens that are malformed.
			if !accepts(t, v, local) {
				t.Errorf("%s: a token with a secret is refused", what)
			}
			_, err = v.Verify(t.Context(), newSigner(t, "1", "HS256").sign(t, goodClaims))
			checkVerdict(t, what+", forged with HS256", err, "signature is wrong")
			_, err = v.Verify(t.Context(), "a.b.c")
			checkVerdict(t, what+", malformed", err, "header")
		}
		checkUnavailable("before Run")
		if is.count() != 0 {
			t.Error("fetched without Run")
		}
		defer running(t, v)()
		synctest.Wait()
		checkUnavailable("after a failure")
		pass(10 * time.Minute)
		checkUnavailable("after ten minutes")
		is.set(jwks(s.jwk()), nil)
		pass(maxRetry + maxRetry/10)
		if !accepts(t, v, s) || !accepts(t, v, local) {
			t.Error("the issuer is back, and its tokens are refused")
		}
		// From now on, an unknown key is the token's fault.
		_, err := v.Verify(t.Context(), newSigner(t, "2", "ES256").sign(t, goodClaims))
		checkVerdict(t, "unknown key", err, "key (kid) is unknown")
	})
}

func TestSeveralIssuers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := newSigner(t, "1", "ES256"), newSigner(t, "2", "ES256")
		first, second := &issuer{body: jwks(one.jwk())}, &issuer{err: errors.New("no")}
		v := withIssuer(t, Config{}, first, second)
		defer running(t, v)()
		synctest.Wait()
		if !accepts(t, v, one) {
			t.Error("an outage of the second issuer concerns the first")
		}
		if _, err := v.Verify(t.Context(), two.sign(t, goodClaims)); !errors.Is(err, ErrKeysUnavailable) {
			t.Errorf("the second issuer: %v", err)
		}
		second.set(jwks(two.jwk()), nil)
		pass(time.Minute)
		if !accepts(t, v, one) || !accepts(t, v, two) {
			t.Error("with both")
		}
	})
}

// A secret that a server publishes is not one, and a JWKS can be limited to algorithms.
func TestJWKSAlgorithms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		secret, rs, ec := newSigner(t, "1", "HS256"), newSigner(t, "2", "RS256"), newSigner(t, "3", "ES256")
		is := &issuer{body: jwks(secret.jwk(), rs.jwk(), ec.jwk())}
		var log bytes.Buffer
		c := Config{
			JWKS:   []JWKS{{URL: "https://issuer.example/jwks", Algorithms: []string{"PS256", "HS256"}}},
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		}
		v := verifierFor(t, c)
		v.remotes[0].fetcher.client.Transport = is
		defer running(t, v)()
		synctest.Wait()
		if accepts(t, v, secret) || accepts(t, v, rs) || !accepts(t, v, rs.with("PS256")) || accepts(t, v, ec) {
			t.Error("wrong algorithms")
		}
		if st := v.Status()[0]; st.Keys != 1 || st.Skipped != 2 {
			t.Errorf("got %+v", st)
		}
		is.set(jwks(secret.jwk()), nil)
		if err := v.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "a secret cannot come from a server") {
			t.Errorf("only a secret: %v", err)
		}
		log.Reset()
		is.set(jwks(`{"kty":"AKP"}`, newSigner(t, "4", "RS256").jwk("alg", `"PS256"`)), nil)
		if err := v.Reload(t.Context()); err != nil || !strings.Contains(log.String(), "skipped=1 first=\"key 1: its kty is not") {
			t.Errorf("one key is skipped: %v, and logged:\n%s", err, &log)
		}
	})
}

func TestReloadFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := newSigner(t, "1", "ES256"), newSigner(t, "2", "ES256")
		is := &issuer{body: jwks(one.jwk())}
		v := withIssuer(t, Config{}, is)
		if err := v.Reload(t.Context()); err != nil || !accepts(t, v, one) { // even without Run
			t.Errorf("Reload: %v", err)
		}
		defer running(t, v)()
		synctest.Wait()
		is.set(jwks(two.jwk()), nil)
		if err := v.Reload(t.Context()); err != nil || accepts(t, v, one) || !accepts(t, v, two) {
			t.Errorf("Reload while running: %v", err)
		}
		is.set("", errors.New("down"))
		if err := v.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "jwtauth: read keys from https://issuer0.example/jwks: fetch a JWK set: down") || !accepts(t, v, two) {
			t.Errorf("Reload in an outage: %v", err)
		}
		is.mu.Lock()
		is.delay = time.Hour
		is.mu.Unlock()
		if err := v.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "within 5s") {
			t.Errorf("Reload from a server that hangs: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := v.Reload(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Reload with a context that is done: %v", err)
		}
	})
}

func TestRunTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSigner(t, "1", "ES256")
		is := &issuer{body: jwks(s.jwk()), delay: time.Second}
		v := withIssuer(t, Config{}, is)
		stop := running(t, v)
		synctest.Wait()
		if err := v.Run(t.Context()); err == nil {
			t.Error("a second Run is no error")
		}
		// The end releases those who wait for a fetch.
		result := make(chan error, 1)
		go func() {
			_, err := v.Verify(t.Context(), s.sign(t, goodClaims))
			result <- err
		}()
		synctest.Wait()
		stop()
		if err := <-result; !errors.Is(err, ErrKeysUnavailable) {
			t.Errorf("waiting at the end: %v", err)
		}
		if st := v.Status()[0]; st.Failures != 0 {
			t.Errorf("the end counts as a failure: %+v", st)
		}
		defer running(t, v)()
		pass(time.Second)
		if !accepts(t, v, s) {
			t.Error("the second run fetches nothing")
		}
	})
}

// Run does not fetch again what Reload has just fetched.
func TestReloadBeforeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSigner(t, "1", "ES256")
		is := &issuer{body: jwks(s.jwk())}
		v := withIssuer(t, Config{}, is)
		if err := v.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(defaultRefresh / 2)
		defer running(t, v)()
		pass(time.Second)
		if n := is.count(); n != 1 {
			t.Errorf("%d fetches, want that of Reload", n)
		}
		pass(defaultRefresh / 2)
		if n := is.count(); n != 1 {
			t.Errorf("%d fetches when the set was due", n)
		}
	})
	synctest.Test(t, func(t *testing.T) { // and does so if Reload has failed
		is := &issuer{err: errors.New("no")}
		v := withIssuer(t, Config{}, is)
		if err := v.Reload(t.Context()); err == nil {
			t.Fatal("no error")
		}
		is.count()
		defer running(t, v)()
		synctest.Wait()
		if n := is.count(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

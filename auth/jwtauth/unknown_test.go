package jwtauth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/longtest"
)

// The first clients wait for the first fetch instead of being refused.
func TestWaitForFirstFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSigner(t, "1", "ES256")
		is := &issuer{body: jwks(s.jwk()), delay: time.Second}
		v := withIssuer(t, Config{}, is)
		defer running(t, v)()
		synctest.Wait()
		token := s.sign(t, goodClaims)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, err := v.Verify(t.Context(), token); err != nil {
					t.Error(err)
				}
			})
		}
		impatient, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		if _, err := v.Verify(impatient, token); !errors.Is(err, ErrKeysUnavailable) {
			t.Errorf("a client that is gone: %v", err)
		}
		wg.Wait()
		if n := is.count(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

func TestThousandsOfUnknownKeys(t *testing.T) {
	longtest.Mark(t)
	synctest.Test(t, func(t *testing.T) {
		s := newSigner(t, "1", "ES256")
		is := &issuer{body: jwks(s.jwk()), delay: 100 * time.Millisecond}
		v := withIssuer(t, Config{}, is)
		defer running(t, v)()
		pass(time.Hour)
		is.count()
		forger := newSigner(t, "", "ES256")
		token := func(n int) string {
			forger.id = fmt.Sprint("forged", n)
			return forger.sign(t, goodClaims)
		}
		began := time.Now()
		for n := range 3000 {
			_, err := v.Verify(t.Context(), token(n))
			checkVerdict(t, "one after the other", err, "key (kid) is unknown")
			if !accepts(t, v, s) {
				t.Fatal("a good token is refused")
			}
		}
		if took := time.Since(began); took > time.Second { // fake time: nobody waited but the first
			t.Errorf("tokens waited for %v", took)
		}
		if n := is.count(); n > 1 {
			t.Errorf("%d fetches for 3000 unknown keys", n)
		}
		// At the same time, spread over ten minutes of attack.
		for range 10 {
			pass(time.Minute)
			var wg sync.WaitGroup
			for n := range 200 {
				text := token(n)
				wg.Go(func() { _, _ = v.Verify(t.Context(), text) })
			}
			wg.Wait()
		}
		if n := is.count(); n > 12 {
			t.Errorf("%d fetches in ten minutes", n)
		}
		// None for tokens that no fetch could help.
		pass(time.Minute)
		is.count()
		_, _ = v.Verify(t.Context(), newSigner(t, "2", "HS256").sign(t, goodClaims))
		known := *forger
		known.id = "1"
		_, _ = v.Verify(t.Context(), known.sign(t, goodClaims))
		_, _ = v.Verify(t.Context(), newSigner(t, "1", "RS256").sign(t, goodClaims))
		if n := is.count(); n != 0 {
			t.Errorf("%d fetches", n)
		}
	})
}

// While the issuer is down, unknown keys do not make it worse.
func TestUnknownKeysInAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := &issuer{err: errors.New("no"), delay: time.Second}
		v := withIssuer(t, Config{}, is)
		defer running(t, v)()
		forged := newSigner(t, "2", "ES256").sign(t, goodClaims)
		for range 600 {
			_, _ = v.Verify(t.Context(), forged)
			pass(time.Second)
		}
		if n := is.count(); n > 35 {
			t.Errorf("%d fetches in ten minutes", n)
		}
	})
}

// While a JWK set is being fetched, forged tokens do not make more than MaxWaiting calls
// wait. Tokens with known keys never wait.
func TestMaxWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSigner(t, "1", "ES256")
		is := &issuer{body: jwks(s.jwk())}
		v := withIssuer(t, Config{MaxWaiting: 10}, is)
		defer running(t, v)()
		pass(time.Minute)
		is.mu.Lock()
		is.delay = time.Hour // it hangs
		is.mu.Unlock()
		forged := newSigner(t, "2", "ES256").sign(t, goodClaims)
		var waiting sync.WaitGroup
		for range 10 {
			waiting.Go(func() {
				_, err := v.Verify(t.Context(), forged)
				checkVerdict(t, "waited", err, "key (kid) is unknown")
			})
		}
		synctest.Wait()
		began := time.Now()
		for range 100 {
			if _, err := v.Verify(t.Context(), forged); !errors.Is(err, ErrKeysUnavailable) || errors.Is(err, ignis.ErrUnauthenticated) {
				t.Fatalf("the eleventh: %v", err)
			}
			if !accepts(t, v, s) {
				t.Fatal("a good token is refused")
			}
		}
		if time.Since(began) > 0 {
			t.Error("tokens above the limit waited")
		}
		waiting.Wait()
		if st := v.Status()[0]; st.Unknown != 100 || st.Failures != 1 {
			t.Errorf("got %+v", st)
		}
		pass(time.Minute)
		_, err := v.Verify(t.Context(), forged) // there is room again
		checkVerdict(t, "later", err, "key (kid) is unknown")
	})
}

// Before the first fetch, everybody waits, because most tokens are good ones.
func TestMaxWaitingBeforeTheFirstFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSigner(t, "1", "ES256")
		is := &issuer{body: jwks(s.jwk()), delay: time.Second}
		v := withIssuer(t, Config{MaxWaiting: 1}, is)
		defer running(t, v)()
		synctest.Wait()
		token := s.sign(t, goodClaims)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, err := v.Verify(t.Context(), token); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

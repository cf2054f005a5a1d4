package app

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ignis-go/ignis/auth/jwtauth"
	"github.com/ignis-go/ignis/internal/certtest"
	"github.com/ignis-go/ignis/internal/logtest"
)

// Reload keeps the keys of a JWK set that cannot be fetched at the moment, unless the
// configuration of tokens has changed. Two readings of a file with authorities are equal.
func TestReloadDuringOutage(t *testing.T) {
	ca := certtest.NewAuthority(t, "test")
	var down atomic.Bool
	issuer := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		// The key of RFC 8037, appendix A.2.
		fmt.Fprint(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`)
	}))
	pair := ca.Issue(t, certtest.Options{Name: "localhost"})
	issuer.TLS = &tls.Config{Certificates: []tls.Certificate{pair.Certificate(t)}}
	issuer.StartTLS()
	defer issuer.Close()
	var log logtest.Log
	config := func(refresh time.Duration) Config {
		c := production()
		c.Server.Logger = log.Logger()
		c.JWTSecret = nil
		c.Tokens.JWKS = []jwtauth.JWKS{{URL: issuer.URL, Refresh: refresh, TLS: &tls.Config{RootCAs: ca.Pool(), MinVersion: tls.VersionTLS12, ServerName: "localhost"}}}
		return c
	}
	a, err := New(config(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Reload(t.Context(), config(time.Hour)); err != nil {
		t.Fatalf("while the issuer works: %v", err)
	}
	const kept = "some keys of tokens could not be read again; the previous ones stay in use"
	if log.Has(kept) {
		t.Errorf("while the issuer works: %s", &log)
	}
	down.Store(true)
	changed := config(time.Hour)
	changed.AllowedOrigins = []string{"https://example.com"}
	if err := a.Reload(t.Context(), changed); err != nil || len(a.policy.Load().origins) != 1 {
		t.Errorf("during an outage: %v", err)
	}
	if !log.Has(kept) {
		t.Errorf("during an outage: %s", &log)
	}
	err = a.Reload(t.Context(), config(time.Minute))
	if e, ok := errors.AsType[*Error](err); !ok || !strings.HasPrefix(e.Error(), "tokens: read keys from "+issuer.URL) {
		t.Errorf("a new JWK set without keys: %v", err)
	}
	other := config(time.Hour)
	other.Tokens.JWKS[0].TLS.RootCAs = certtest.NewAuthority(t, "other").Pool()
	if err := a.Reload(t.Context(), other); err == nil {
		t.Error("a JWK set with other authorities was not fetched")
	}
}

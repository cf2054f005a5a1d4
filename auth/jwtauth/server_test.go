package jwtauth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/auth/jwtauth"
	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/ignistest"
)

// provider issues tokens, and publishes its keys over HTTP.
type provider struct {
	mu      sync.Mutex
	keys    map[string]*ecdsa.PrivateKey
	fetches atomic.Int32
}

func (p *provider) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	p.fetches.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	list := ""
	for id, k := range p.keys {
		point, _ := k.PublicKey.Bytes()
		encode := base64.RawURLEncoding.EncodeToString
		if list != "" {
			list += ","
		}
		list += fmt.Sprintf(`{"kty":"EC","crv":"P-256","use":"sig","kid":%q,"x":%q,"y":%q}`, id, encode(point[1:33]), encode(point[33:]))
	}
	_, _ = fmt.Fprintf(w, `{"keys":[%s]}`, list)
}

// rotate replaces the keys by a new one.
func (p *provider) rotate(t *testing.T, id string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = map[string]*ecdsa.PrivateKey{id: k}
}

// token returns a token by the key with this ID, or a forged one if there is no such key.
func (p *provider) token(t *testing.T, id, user string) map[string]string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"sub": user, "exp": time.Now().Add(time.Hour).Unix(), "rooms": []string{"news"}})
	token.Header["kid"] = id
	p.mu.Lock()
	k := p.keys[id]
	p.mu.Unlock()
	if k == nil {
		var err error
		if k, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	text, err := token.SignedString(k)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"token": text}
}

// A server with a JWKS lets clients in, follows a rotation and an outage, and is not
// bothered by hundreds of clients with forged tokens.
func TestServerWithJWKS(t *testing.T) {
	p := &provider{}
	p.rotate(t, "1")
	idp := httptest.NewServer(p)
	tokens, err := jwtauth.New(jwtauth.Config{
		JWKS:   []jwtauth.JWKS{{URL: idp.URL + "/jwks"}},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = tokens.Run(ctx) })
	defer wg.Wait()
	defer cancel()
	if err := tokens.Reload(ctx); err != nil { // Run may not have begun yet
		t.Fatal(err)
	}
	srv := ignistest.NewServer(t, ignis.Config{
		Authenticate: tokens.Authenticate, ValidateRooms: tokens.ValidateRooms, Logger: slog.New(slog.DiscardHandler),
		AuthFailureRate: -1, // or else the server would refuse most of the forged tokens itself
	})
	ann := srv.Dial(t, p.token(t, "1", "ann"))
	ann.Join("news")
	refused := func(credentials any) {
		t.Helper()
		_, err := client.Dial(t.Context(), srv.URL, client.Config{Credentials: credentials, NetDial: srv.NetDial})
		var closed *client.CloseError
		if !errors.As(err, &closed) {
			t.Errorf("a forged token: %v", err)
		}
	}
	for n := range 300 {
		refused(p.token(t, fmt.Sprint("forged", n), "eve"))
	}
	if n := p.fetches.Load(); n > 2 {
		t.Errorf("%d fetches for 300 forged tokens", n)
	}
	p.rotate(t, "2")
	if err := tokens.Reload(ctx); err != nil { // tokens with the new key would cause a fetch only after MinRefresh
		t.Error(err)
	}
	srv.Dial(t, p.token(t, "2", "bob"))
	refused(p.token(t, "1", "eve"))
	idp.Close() // an outage
	if err := tokens.Reload(ctx); err == nil {
		t.Error("fetched from a server that is down")
	}
	srv.Dial(t, p.token(t, "2", "cid")).Join("news")
	ann.Join("news")
	if st := srv.Stats(); st.RefusedAuth != 301 || st.CallbackErrors != 0 {
		t.Errorf("%d refused clients are counted, want 301; %d errors", st.RefusedAuth, st.CallbackErrors)
	}
}

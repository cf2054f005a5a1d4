package app

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/httpapi"
	"github.com/ignis-go/ignis/internal/certtest"
	"github.com/ignis-go/ignis/webhook"
)

// Reload uses a new certificate immediately. An error names the flag, and leaves the previous
// certificate in use.
func TestReload(t *testing.T) {
	ca, dir := certtest.NewAuthority(t, "test"), t.TempDir()
	expires := time.Now().AddDate(0, 0, 30).Truncate(time.Second)
	c := production()
	c.Listen.Addresses[0].TLS = true
	c.Listen.TLS.CertFile, c.Listen.TLS.KeyFile = ca.Issue(t, certtest.Options{Name: "example.com", Expires: expires}).Write(t, dir)
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	later := expires.AddDate(0, 0, 30)
	ca.Issue(t, certtest.Options{Name: "example.com", Expires: later}).Write(t, dir)
	if got := a.Listening().CertificateExpires; !got.Equal(expires) {
		t.Errorf("before Reload it expires at %v", got)
	}
	if err := a.Reload(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	certtest.WriteFile(t, c.Listen.TLS.KeyFile, []byte("x"))
	err = a.Reload(t.Context(), c)
	if e, ok := errors.AsType[*Error](err); !ok || !strings.HasPrefix(e.Error(), "--tls-key: ") {
		t.Errorf("got %v", err)
	}
	if l := a.Listening(); !l.CertificateExpires.Equal(later) || l.ReloadError == nil || l.ReloadsFailed != 1 {
		t.Errorf("got %+v", l)
	}
	if err := os.Remove(c.Listen.TLS.CertFile); err != nil {
		t.Fatal(err)
	}
	err = a.Reload(t.Context(), c)
	if e, ok := errors.AsType[*Error](err); !ok || !strings.HasPrefix(e.Error(), "--tls-cert: ") || e.Hint != "name a file that this user can read" {
		t.Errorf("without a file: %v", err)
	}
	unused := production()
	unused.Webhook.Client.Secrets = []string{webhook.NewSecret()} // but there is no endpoint
	for _, c := range []Config{production(), development(), unused} {
		plain, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := plain.Reload(t.Context(), c); err != nil {
			t.Errorf("without TLS: %v", err)
		}
	}
}

// Reload replaces the rules and the limits while clients are connected.
func TestReloadWhileRunning(t *testing.T) {
	c := production()
	c.Rules, c.Server.MaxClients = rulesFor(access.Nobody), 1
	r := run(t, c)
	conn := r.must(t, ann())
	if _, err := conn.Join(t.Context(), "a"); err == nil {
		t.Error("joined a room that nobody may join")
	}
	var full *client.HandshakeError
	if _, err := r.connect(t, ann()); !errors.As(err, &full) || full.Status != http.StatusServiceUnavailable {
		t.Errorf("a second client: %v", err)
	}
	c.Rules, c.Server.MaxClients = rulesFor(access.Anyone), 0
	if err := r.app.Reload(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Join(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	r.must(t, ann())
}

// A changed secret of tokens takes effect without a signal, also after Reload has replaced the
// settings for tokens.
func TestTokenSecretChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := production()
		c.JWTSecretFile, c.JWTSecret = filepath.Join(t.TempDir(), "secret"), nil
		secret := func(letter string) string { return strings.Repeat(letter, 32) }
		write(t, c.JWTSecretFile, secret("a"))
		a, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		helpers := a.startHelpers(ctx)
		expect := func(want string) {
			t.Helper()
			for _, letter := range []string{"a", "b", "c", "d"} {
				text := sign([]byte(secret(letter)), `{"sub":"ann","exp":9999999999}`)
				if _, err := a.authenticate(t.Context(), ignis.Credentials{Token: text}); (err == nil) != (letter == want) {
					t.Errorf("a token signed with %s: %v", letter, err)
				}
			}
		}
		expect("a")
		change := func(letter string) {
			t.Helper()
			write(t, c.JWTSecretFile, secret(letter))
			time.Sleep(time.Minute)
			synctest.Wait()
			expect(letter)
		}
		change("b")
		before := a.policy.Load().tokens
		for _, letter := range []string{"c", "d"} { // the first Reload replaces nothing that concerns tokens
			if err := a.Reload(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			change(letter)
			c.Tokens.ExpiryLeeway = time.Minute
		}
		cancel()
		if err := before.Run(ctx); err != nil || before == a.policy.Load().tokens {
			t.Errorf("the verifier that was replaced: %v", err)
		}
		helpers()
	})
}

// An error in one part of the configuration leaves the others as they were.
func TestReloadIsUndone(t *testing.T) {
	c, key := withAPI(t)
	secretFile := filepath.Join(t.TempDir(), "secret")
	write(t, secretFile, webhook.NewSecret())
	c.Webhook = hook("http://127.0.0.1:1/", false)
	c.Webhook.Client.Secrets, c.Webhook.SecretFiles = nil, []string{secretFile}
	r := run(t, c)
	changed := c
	changed.Server.MaxClients = 1
	other, described := apiKey(t, "other")
	changed.API.Keys = []httpapi.Key{described}
	r.must(t, ann())
	check := func(when, valid, invalid string, full bool) {
		t.Helper()
		for key, want := range map[string]int{valid: http.StatusOK, invalid: http.StatusUnauthorized} {
			if code, body := ask(t, r.addr, key, "POST", "/api/v1/publish", notice); code != want {
				t.Errorf("%s: %d %s, want %d", when, code, body, want)
			}
		}
		if _, err := r.connect(t, ann()); (err != nil) != full {
			t.Errorf("%s: a second client: %v", when, err)
		}
	}
	write(t, secretFile, "not a secret")
	if err := r.app.Reload(t.Context(), changed); err == nil {
		t.Error("a bad secret was accepted")
	}
	check("after an error", key, other, false)
	write(t, secretFile, webhook.NewSecret())
	if err := r.app.Reload(t.Context(), changed); err != nil {
		t.Error(err)
	}
	check("afterwards", other, key, true)
}

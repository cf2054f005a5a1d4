package doctor

import (
	"crypto/ed25519"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/auth/jwtauth"
	"github.com/ignis-go/ignis/internal/certtest"
)

// The tests in this file are about what the server fetches and calls: keys and the webhook.

// jwks returns a JWK set with one key, and others that cannot be used.
func jwks(t *testing.T, unusable int) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	keys := []string{fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","kid":"a","x":%q}`, base64.RawURLEncoding.EncodeToString(public))}
	for range unusable {
		keys = append(keys, `{"kty":"OKP","crv":"X25519","kid":"b","x":"AAAA"}`)
	}
	return `{"keys":[` + strings.Join(keys, ",") + `]}`
}

func TestJWKS(t *testing.T) {
	t.Parallel()
	answers := map[string]string{"/one": jwks(t, 0), "/two": jwks(t, 1), "/none": `{"keys":[]}`, "/html": "<html>s3cr3t"}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := answers[r.URL.Path]
		if !ok {
			<-r.Context().Done()
			return
		}
		_, _ = fmt.Fprint(w, text)
	}))
	defer s.Close()
	c := valid()
	want(t, examine(t, c, (*Config).tokensGroup), "tokens.jwks", "skip: ")
	for path, description := range map[string]string{
		"/one": "ok: every 15m0s; 1 key can be used", "/two": "warn: 1 key can be used, and 1 cannot",
		"/none": "fail: keys", "/html": "fail: ",
	} {
		c.App.Tokens.JWKS = []jwtauth.JWKS{{URL: s.URL + path + "?key=s3cr3t", Refresh: 15 * time.Minute}}
		want(t, examine(t, c, (*Config).tokensGroup), "tokens.jwks", description)
	}
	c.Timeout = 200 * time.Millisecond
	c.App.Tokens.JWKS = []jwtauth.JWKS{{URL: s.URL + "/silent"}}
	want(t, examine(t, c, (*Config).tokensGroup), "tokens.jwks", "fail: check the address")
	c.App.Tokens.JWKS = []jwtauth.JWKS{{URL: "http://example.com/"}}
	want(t, examine(t, c, (*Config).tokensGroup), "tokens.jwks", "fail: must be https")
}

func TestKeyFiles(t *testing.T) {
	c := valid()
	want(t, examine(t, c, (*Config).tokensGroup), "tokens.files", "skip: ")
	dir := t.TempDir()
	set, secret, broken := filepath.Join(dir, "set"), filepath.Join(dir, "jwt"), filepath.Join(dir, "broken")
	for name, text := range map[string]string{set: jwks(t, 2), secret: testSecret, broken: "s3cr3t"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.App.JWTSecretFile = secret
	c.App.Tokens.KeyFiles = []jwtauth.KeyFile{{Name: set}, {Name: broken}, {Name: filepath.Join(dir, "missing")}}
	want(t, examine(t, c, (*Config).tokensGroup), "tokens.files",
		"ok: "+secret+": 1 key", "warn: "+set+": 1 key can be used, and 2 cannot", "fail: "+broken, "fail: missing")
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	ca := certtest.NewAuthority(t, "root")
	requests := 0
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests++ }))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, certtest.Options{Name: "a", Expires: time.Now().Add(30 * time.Hour)}).Certificate(t)}}
	s.StartTLS()
	defer s.Close()

	c := valid()
	want(t, examine(t, c, (*Config).webhookGroup), "webhook.connect", "skip: ")
	c.App.Webhook.Client.URL = s.URL + "/hook?key=s3cr3t"
	found := examine(t, c, (*Config).webhookGroup)
	want(t, found, "webhook.connect", "ok: accepts connections")
	want(t, found, "webhook.certificate", "fail: webhook.ca_file")
	c.App.Webhook.Client.TLS = &tls.Config{RootCAs: ca.Pool()}
	want(t, examine(t, c, (*Config).webhookGroup), "webhook.certificate", "fail: expires")

	c.App.Webhook.Client.URL = strings.Replace(s.URL, "https", "http", 1)
	want(t, examine(t, c, (*Config).webhookGroup), "webhook.certificate", "warn: use https")
	s.Close()
	found = examine(t, c, (*Config).webhookGroup)
	want(t, found, "webhook.connect", "fail: cannot be reached")
	want(t, found, "webhook.certificate", "skip: webhook.connect failed")
	if requests != 0 {
		t.Errorf("%d requests were sent", requests)
	}
}

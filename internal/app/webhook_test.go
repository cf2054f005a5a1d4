package app

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/internal/logtest"
	"github.com/ignis-go/ignis/webhook"
)

// withWebhook returns a configuration with a webhook whose secret is in a file.
func withWebhook(t *testing.T, secret string) Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "webhook")
	write(t, file, secret)
	c := production()
	c.Webhook = Webhook{Client: webhook.Config{URL: "http://127.0.0.1:1/"}, SecretFiles: []string{file}}
	return c
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A changed secret of the webhook takes effect without a signal, but not before two reads
// have returned the same text. One that is invalid is not used.
func TestWebhookSecretChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := withWebhook(t, webhook.NewSecret()+"\n")
		var log logtest.Log
		c.Server.Logger = textLogger(&log)
		a, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		helpers := a.startHelpers(ctx)
		defer helpers()
		defer cancel()
		const changed, refused = "the secrets of the webhook have changed", "could not be read again"
		a.limit.Open()
		defer a.limit.Close()
		step := func() { time.Sleep(secretInterval); synctest.Wait() }
		step()
		step()
		if log.Count(changed) != 0 {
			t.Error("an unchanged secret has changed")
		}
		file := c.Webhook.SecretFiles[0]
		write(t, file, webhook.NewSecret()[:20])
		step()
		write(t, file, webhook.NewSecret())
		step()
		if log.Count(changed) != 0 || log.Count(refused) != 0 {
			t.Error("the text was used before it was complete")
		}
		step()
		if log.Count(changed) != 1 {
			t.Error("the new secret is not used")
		}
		write(t, file, "not a secret")
		step()
		step()
		if log.Count(changed) != 1 || log.Count(refused) == 0 {
			t.Error("an invalid secret was used, or not reported")
		}
	})
}

// A configuration that cannot be used does not replace the running one.
func TestReloadRefuses(t *testing.T) {
	base := production()
	base.Rules = rulesFor(access.Anyone)
	a, err := New(base)
	if err != nil {
		t.Fatal(err)
	}
	before := a.policy.Load()
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no rules":              {func(c *Config) { c.Rules = nil }, "cannot be added or removed"},
		"a rule needs webhook":  {func(c *Config) { c.Rules = rulesFor(access.Webhook) }, "there is no webhook"},
		"no keys":               {func(c *Config) { c.JWTSecret = nil }, "no authenticator"},
		"a short secret":        {func(c *Config) { c.JWTSecret = c.JWTSecret[1:] }, "expected a secret"},
		"a relative path":       {func(c *Config) { c.Path = "x" }, "--path: expected a path"},
		"a Redis not there":     {func(c *Config) { c.RedisRequired = true }, "--redis-required: no Redis"},
		"a limit below zero":    {func(c *Config) { c.Server.MaxRooms = -1 }, "MaxRooms must not be negative"},
		"a file that is absent": {func(c *Config) { c.JWTSecret, c.JWTSecretFile = nil, "/nonexistent" }, "--jwt-secret-file: open"},
	} {
		c := base
		c.JWTSecret = bytes.Clone(base.JWTSecret)
		test.change(&c)
		if err := a.Reload(t.Context(), c); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
		if a.policy.Load() != before {
			t.Errorf("%s: the policy was replaced", name)
		}
	}
	changed := base
	changed.AllowedOrigins = []string{"*"}
	if err := a.Reload(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	if p := a.policy.Load(); len(p.origins) != 1 || p.tokens != before.tokens {
		t.Error("the origins have not changed, or the verifier of unchanged keys was replaced")
	}
}

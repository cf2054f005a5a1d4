package app

import (
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/access/enforce"
	"github.com/ignis-go/ignis/auth/jwtauth"
	"github.com/ignis-go/ignis/httpapi"
	"github.com/ignis-go/ignis/internal/logarea"
)

// policy is the part of the configuration that can change while the server runs. A policy
// never changes; App.Reload replaces it.
type policy struct {
	origins []string
	proxies ignis.Proxies
	rules   *access.Rules     // nil if the claims of tokens decide
	tokens  *jwtauth.Verifier // nil in development mode, and if the webhook authenticates
	config  jwtauth.Config    // of tokens
	secrets *secrets          // of the webhook
	limits  ignis.Config      // for SetLimits
	apiKeys []httpapi.Key

	redisRequired bool
}

// newPolicy reads the files that c names and returns its policy. It takes the verifier of old,
// which may be nil, if its configuration is the same.
func newPolicy(c *Config, old *policy, log *slog.Logger) (*policy, error) {
	p := &policy{
		origins: c.AllowedOrigins, proxies: c.Proxies, rules: c.Rules, limits: c.Server, apiKeys: c.API.Keys,
		redisRequired: c.RedisRequired,
	}
	if old != nil {
		p.secrets = old.secrets
	}
	p.secrets = newSecrets(&c.Webhook, p.secrets, logarea.With(log, logarea.Webhook))
	if c.Dev || c.Webhook.Authenticate {
		return p, nil
	}
	var err error
	if p.config, err = c.tokens(logarea.With(log, logarea.Tokens)); err != nil {
		return nil, err
	}
	if old != nil && old.tokens != nil && sameTokens(p.config, old.config) {
		p.tokens = old.tokens
		return p, nil
	}
	for _, f := range p.config.KeyFiles {
		if info, err := os.Stat(f.Name); old != nil && err == nil && !info.Mode().IsRegular() {
			// Opening a pipe whose writer has ended would block.
			return nil, usage("restart the server", "tokens: %s is not a regular file, so it cannot be read again with other settings for tokens", f.Name)
		}
	}
	if p.tokens, err = jwtauth.New(p.config); err != nil {
		return nil, tokensError(err)
	}
	return p, nil
}

// tokensError returns an error of package jwtauth in terms of the settings. The program's users
// do not know the fields of jwtauth.Config.
func tokensError(err error) error {
	text := strings.TrimPrefix(err.Error(), "jwtauth: ")
	if text, ok := strings.CutPrefix(text, "Config.JWKS: "); ok {
		return usage("docs/tokens.md describes JWK sets", "--jwks-url: %s", text)
	}
	hint := "--jwt-secret-file names the secret, and --jwt-public-key-file names public keys"
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		hint = "name a file that this user can read"
	}
	return usage(hint, "tokens: %s", strings.TrimPrefix(text, "Config.KeyFiles: "))
}

// tokens returns the configuration of the verifier.
func (c *Config) tokens(log *slog.Logger) (jwtauth.Config, error) {
	t := c.Tokens
	t.Logger, t.MaxToken, t.Secret = log, c.Server.MaxToken, c.JWTSecret
	if c.JWTSecretFile != "" {
		t.KeyFiles = append([]jwtauth.KeyFile{{Name: c.JWTSecretFile, Secret: true}}, t.KeyFiles...)
	}
	return t, c.checkSecret()
}

// sameTokens reports whether a and b configure the same verifier. Certificate pools and loggers
// cannot be compared by reflection.
func sameTokens(a, b jwtauth.Config) bool {
	a.Logger, b.Logger = nil, nil
	pools := func(c *jwtauth.Config) (list []*x509.CertPool) {
		c.JWKS = slices.Clone(c.JWKS)
		for i := range c.JWKS {
			var pool *x509.CertPool
			if t := c.JWKS[i].TLS.Clone(); t != nil {
				pool, t.RootCAs = t.RootCAs, nil
				c.JWKS[i].TLS = t
			}
			list = append(list, pool)
		}
		return list
	}
	return slices.EqualFunc(pools(&a), pools(&b), (*x509.CertPool).Equal) && reflect.DeepEqual(a, b)
}

// reloadTimeout limits the time in which Reload fetches keys.
const reloadTimeout = 10 * time.Second

// Reload replaces what can change while the server runs: the origins, the proxies, the rules,
// the keys of tokens and of the HTTP API, the secrets of the webhook, RedisRequired, and the limits that
// [ignis.Server.SetLimits] replaces. It reads the files again, also those for TLS. Clients
// stay connected, and in their rooms. The rest of c must be the configuration that New got.
// If there is an error, the previous configuration stays in use, but certificates that could be
// read are new.
func (a *App) Reload(ctx context.Context, c Config) error {
	if err := c.check(); err != nil {
		return err
	}
	c.setMaxClients()
	old := a.policy.Load()
	if err := a.checkRedis(c.RedisRequired); err != nil {
		return err
	}
	p, err := newPolicy(&c, old, a.base)
	if err != nil {
		return err
	}
	if err := a.checkRules(p.rules, old.rules); err != nil {
		return err
	}
	if err := a.loadKeys(ctx, p, old); err != nil {
		return err
	}
	if err = a.use(p); err == nil {
		err = a.readFiles(p)
	}
	if err != nil {
		_ = a.use(old) // cannot fail: it did not before
		return err
	}
	a.listeners.SetTrusted(c.trusted())
	a.policy.Store(p)
	select {
	case a.replaced <- struct{}{}:
	default: // runTokens has not seen the previous one yet
	}
	return nil
}

// use makes the limits, the keys of the HTTP API and the rules of a policy effective.
func (a *App) use(p *policy) error {
	if err := a.server.SetLimits(p.limits); err != nil {
		return usage("ignis serve --help shows the limits", "%w", err)
	}
	if err := a.api.setKeys(p.apiKeys); err != nil {
		return err
	}
	if a.rooms == nil {
		return nil
	}
	if err := a.rooms.SetRules(p.rules); err != nil {
		return usage("", "rooms: %w", err)
	}
	return nil
}

// readFiles reads the certificates and the secrets of the webhook again.
func (a *App) readFiles(p *policy) error {
	if err := a.listeners.Reload(); err != nil {
		return fileError(err)
	}
	return a.reloadSecrets(p.secrets)
}

// checkRules returns an error if rules cannot replace old while the server runs.
func (a *App) checkRules(rules, old *access.Rules) error {
	if (rules == nil) != (old == nil) {
		return usage("restart the server", "rooms: the section cannot be added or removed while the server runs")
	}
	if rules == nil || a.hooks != nil {
		return nil
	}
	if joins, messages := rules.UsesWebhook(); joins || messages {
		return usage("set --webhook-url and restart the server", "rooms: there is no webhook, but rules use it")
	}
	return nil
}

// loadKeys reads the keys of tokens. If the verifier is new and cannot be used yet, it returns
// an error. Keys of an old one that cannot be read again only cause a line in the log, because
// the previous ones stay in use.
func (a *App) loadKeys(ctx context.Context, p, old *policy) error {
	if p.tokens == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	err := p.tokens.Reload(ctx)
	switch {
	case err == nil:
		return nil
	case p.tokens == old.tokens:
		logarea.With(a.base, logarea.Tokens).Error("some keys of tokens could not be read again; the previous ones stay in use", "error", err)
		return nil
	}
	return tokensError(err)
}

// runTokens runs the verifier of the current policy until ctx is done.
func (a *App) runTokens(ctx context.Context) {
	for ctx.Err() == nil {
		tokens := a.policy.Load().tokens
		running, stop := context.WithCancel(ctx)
		task := start(func() error {
			if tokens == nil {
				return nil
			}
			return tokens.Run(running)
		})
		for same := true; same; same = a.policy.Load().tokens == tokens && ctx.Err() == nil {
			select {
			case <-a.replaced:
			case <-ctx.Done():
			}
		}
		stop()
		<-task.done
	}
}

// accept checks requests outside development mode.
func (a *App) accept(r *http.Request) (ignis.Accepted, error) {
	var accepted ignis.Accepted
	if a.cfg.Webhook.Authenticate {
		accepted.Context = a.hooks.WithHeaders(context.Background(), r)
	}
	return accepted, ignis.CheckOrigin(r, a.policy.Load().origins)
}

// authenticate verifies tokens.
func (a *App) authenticate(ctx context.Context, cred ignis.Credentials) (ignis.Identity, error) {
	return a.policy.Load().tokens.Authenticate(ctx, cred)
}

// validateRooms decides by the claims of tokens which rooms a client may join.
func (a *App) validateRooms(ctx context.Context, c *ignis.Client, rooms []string) ([]string, error) {
	return a.policy.Load().tokens.ValidateRooms(ctx, c, rooms)
}

// setRooms sets the callbacks that decide by rules what clients may do.
func (a *App) setRooms(cfg *ignis.Config) error {
	c := enforce.Config{Rules: a.cfg.Rules, Server: func() *ignis.Server { return a.server }, Logger: logarea.With(a.base, logarea.Access)}
	if a.hooks != nil {
		c.WebhookRooms, c.WebhookMessage = a.hooks.ValidateRooms, a.hooks.OnMessage
		if a.cfg.Webhook.TellMessages {
			c.WebhookMessage = a.hooks.TellMessage
		}
	}
	var err error
	if a.rooms, err = enforce.New(c); err != nil {
		return usage("set --webhook-url, or change the rules that use it", "rooms: %w", err)
	}
	cfg.ValidateRooms, cfg.OnMessage = a.rooms.ValidateRooms, a.rooms.OnMessage
	return nil
}

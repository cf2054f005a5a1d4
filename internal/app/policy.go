package app

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/auth/jwtauth"
)

// policy is the part of the configuration that can change while the server runs. A policy
// never changes; App.Reload replaces it.
type policy struct {
	origins []string
	proxies ignis.Proxies
	tokens  *jwtauth.Verifier // nil in development mode
}

// newPolicy reads the files that c names and returns its policy.
func newPolicy(c *Config, log *slog.Logger) (*policy, error) {
	p := &policy{origins: c.AllowedOrigins, proxies: c.Proxies}
	if c.Dev {
		return p, nil
	}
	secret, err := c.secret(log)
	if err != nil {
		return nil, err
	}
	p.tokens, err = jwtauth.New(jwtauth.Config{Secret: secret, MaxToken: c.Server.AuthMaxPayload})
	return p, err
}

// Reload replaces what can change while the server runs: the origins, the proxies and the
// keys of tokens. It reads the files again, also those for TLS. Clients stay connected. The rest of c must
// be the configuration that New got. If there is an error, nothing changes.
func (a *App) Reload(_ context.Context, c Config) error {
	if err := c.check(); err != nil {
		return err
	}
	p, err := newPolicy(&c, a.log)
	if err != nil {
		return err
	}
	if err := a.listeners.Reload(); err != nil {
		return fileError(err)
	}
	a.listeners.SetTrusted(c.trusted())
	a.policy.Store(p)
	return nil
}

// accept checks requests outside development mode.
func (a *App) accept(r *http.Request) (ignis.Accepted, error) {
	return ignis.Accepted{}, ignis.CheckOrigin(r, a.policy.Load().origins)
}

// authenticate verifies tokens.
func (a *App) authenticate(ctx context.Context, cred ignis.Credentials) (ignis.Identity, error) {
	return a.policy.Load().tokens.Authenticate(ctx, cred)
}

// validateRooms decides which rooms a client may join.
func (a *App) validateRooms(ctx context.Context, c *ignis.Client, rooms []string) ([]string, error) {
	return a.policy.Load().tokens.ValidateRooms(ctx, c, rooms)
}

package doctor

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ignis-go/ignis/internal/app"
	"github.com/ignis-go/ignis/internal/listen"
)

// brokenGroup reports why the settings cannot be used.
func (c *Config) brokenGroup() group {
	return group{name: "configuration", checks: []check{{name: "configuration.valid", run: func(context.Context) (list []Finding) {
		for _, p := range c.Problems {
			list = append(list, fail(p.Advice, "%s", p.Text))
		}
		return append(list, skip("Redis, TLS, tokens, the webhook and the public URL are not examined until the settings are valid"))
	}}}}
}

func (c *Config) configurationGroup() group {
	return group{name: "configuration", checks: []check{
		{name: "configuration.valid", run: c.checkValid},
		{name: "configuration.development", run: c.checkDevelopment},
		{name: "configuration.tokens", run: c.checkTokenClaims},
		{name: "configuration.origins", run: c.checkOrigins},
		{name: "configuration.proxies", run: c.checkProxies},
		{name: "configuration.limits", run: c.checkLimits},
	}}
}

// checkValid does what a server does before it listens.
func (c *Config) checkValid(context.Context) []Finding {
	warnings := &warningLog{}
	cfg := c.App
	cfg.Server.Logger = slog.New(warnings)
	cfg.Redis.Logger = cfg.Server.Logger
	if _, err := app.New(cfg); err != nil {
		advice := "docs/configuration.md describes the settings"
		var e *app.Error
		if errors.As(err, &e) && e.Hint != "" {
			advice = e.Hint
		}
		return []Finding{fail(advice, "%v", err)}
	}
	list := []Finding{ok("the settings are valid")}
	for _, text := range c.Warnings {
		list = append(list, warn("keep secrets in files that only the user of the server can read", "%s", text))
	}
	for _, text := range append(warnings.take(), c.App.Redis.Warning()) {
		if text != "" {
			list = append(list, warn("the server logs this when it starts", "%s", text))
		}
	}
	return list
}

// warningLog is a log handler that keeps the texts of warnings and errors.
type warningLog struct {
	mu    sync.Mutex
	texts []string
}

// Enabled implements [slog.Handler].
func (*warningLog) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

// Handle keeps the record.
func (w *warningLog) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += ", " + a.Key + " " + a.Value.String()
		return true
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
	return nil
}

// WithAttrs implements [slog.Handler]. The attributes are not kept.
func (w *warningLog) WithAttrs([]slog.Attr) slog.Handler { return w }

// WithGroup implements [slog.Handler]. The group is not kept.
func (w *warningLog) WithGroup(string) slog.Handler { return w }

func (w *warningLog) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.texts)
}

func (c *Config) checkDevelopment(context.Context) []Finding {
	if c.App.Dev {
		return []Finding{warn("leave out --dev in production", "development mode lets anyone connect as any user and join any room")}
	}
	return []Finding{ok("development mode is off")}
}

// usesTokens reports whether clients authenticate with tokens.
func (c *Config) usesTokens() bool { return !c.App.Dev && !c.App.Webhook.Authenticate }

func (c *Config) checkTokenClaims(context.Context) (list []Finding) {
	if !c.usesTokens() {
		return []Finding{skip("clients do not authenticate with tokens")}
	}
	t := &c.App.Tokens
	if len(t.Audiences) == 0 {
		list = append(list, warn("name this service in tokens.audiences (--jwt-audience), and put the name into the claim aud of its tokens",
			"the audience of tokens is not checked: a token that the issuer made for another service is accepted"))
	}
	if len(t.Issuers) == 0 {
		list = append(list, warn("name the issuer in tokens.issuers (--jwt-issuer)",
			"the issuer of tokens is not checked: all issuers that have the keys are accepted"))
	}
	if list == nil {
		list = []Finding{ok("issuer and audience of tokens are checked")}
	}
	return list
}

func (c *Config) checkOrigins(context.Context) []Finding {
	switch {
	case slices.Contains(c.App.AllowedOrigins, "*"):
		return []Finding{warn("list the origins of your pages in allowed_origins (--allowed-origins)",
			"pages of any site may connect; if browsers send credentials by themselves, such as cookies to the webhook, any site can use them")}
	case len(c.App.AllowedOrigins) == 0:
		return []Finding{ok("only pages of the server's own host may connect")}
	}
	return []Finding{ok("pages of the server's own host and of %s may connect", strings.Join(c.App.AllowedOrigins, ", "))}
}

// proxied reports whether the settings trust a proxy.
func (c *Config) proxied() bool { return len(c.App.Proxies.Networks) > 0 || c.App.Proxies.Unix }

// secure reports whether a TCP address uses TLS.
func (c *Config) secure() bool {
	return slices.ContainsFunc(c.App.Listen.Addresses, func(a listen.Address) bool { return a.TLS })
}

// onLoopback reports whether the server can be reached only from this machine.
func (c *Config) onLoopback() bool {
	return !slices.ContainsFunc(c.App.Listen.Addresses, func(a listen.Address) bool {
		host, _, _ := net.SplitHostPort(a.Name)
		addr, err := netip.ParseAddr(host)
		return a.Network == listen.TCP && host != "localhost" && (err != nil || !addr.IsLoopback())
	})
}

const adviceProxies = "name the addresses of the proxies in proxies.trusted (--trusted-proxies)"

func (c *Config) checkProxies(context.Context) []Finding {
	public := strings.HasPrefix(strings.ToLower(c.PublicURL), "wss://")
	switch {
	case c.App.Dev:
		return []Finding{skip("development mode ignores proxies")}
	case c.proxied():
		return c.checkTrusted()
	case public && !c.secure():
		return []Finding{fail(adviceProxies, "the public URL uses TLS and the server does not, so a proxy is in between, but none is trusted: "+
			"all clients have its address, and share the limits per address")}
	case c.onLoopback() && c.PublicURL != "":
		return []Finding{warn(adviceProxies, "the server listens only on this machine, so a proxy is probably in front of it, but none is trusted: "+
			"all clients then have its address")}
	}
	return []Finding{ok("no proxy is trusted; clients have the address from which they connect")}
}

// checkTrusted examines which proxies are trusted.
func (c *Config) checkTrusted() (list []Finding) {
	for _, n := range c.App.Proxies.Networks {
		if n.Bits() == 0 {
			list = append(list, fail("name only the addresses of your proxies", "every address is trusted as a proxy (%s), so every client can choose its address", n))
		}
	}
	if list == nil {
		list = []Finding{ok("%s is used from trusted proxies", c.addressSource())}
	}
	return list
}

// addressSource returns where the addresses of clients come from.
func (c *Config) addressSource() string {
	if slices.ContainsFunc(c.App.Listen.Addresses, func(a listen.Address) bool { return a.ProxyProtocol }) {
		return "the client's address in the PROXY header"
	}
	header := c.App.Proxies.Header
	if header == "" {
		header = "X-Forwarded-For"
	}
	return "the client's address in " + header
}

func (c *Config) checkLimits(context.Context) (list []Finding) {
	s := &c.App.Server
	if s.MaxClients > 0 && s.MaxClients < c.Clients {
		list = append(list, fail("raise limits.max_clients, or use more servers", "limits.max_clients (%d) is less than the planned number of clients (%d)", s.MaxClients, c.Clients))
	}
	if s.IdleTimeout < 0 {
		list = append(list, warn("set limits.idle_timeout", "the server sends no pings (limits.idle_timeout is off): proxies close silent connections, and clients that vanished are noticed late"))
	}
	if s.BackpressureLimit > 0 && s.MaxMessage > s.BackpressureLimit {
		list = append(list, warn("raise limits.backpressure_limit to at least limits.max_message",
			"a message of limits.max_message (%d bytes) exceeds limits.backpressure_limit (%d) by itself", s.MaxMessage, s.BackpressureLimit))
	}
	if timeout := 3 * s.AuthTimeout; c.App.Webhook.Authenticate && s.AuthTimeout > 0 && c.App.Webhook.Client.Timeout >= timeout {
		list = append(list, warn("lower webhook.timeout, or raise limits.auth_timeout", "webhook.timeout (%v) is not less than the time for authentication (%v), after which the client is closed",
			c.App.Webhook.Client.Timeout, timeout))
	}
	if s.HeartbeatTimeout > 0 && s.HeartbeatTimeout < 45*time.Second {
		list = append(list, warn("raise limits.heartbeat_timeout", "clients that send a heartbeat every 30 seconds, as Ignis clients do, may be closed: limits.heartbeat_timeout is %v", s.HeartbeatTimeout))
	}
	if list == nil {
		list = []Finding{ok("the limits fit together and allow %d clients", c.Clients)}
	}
	return list
}

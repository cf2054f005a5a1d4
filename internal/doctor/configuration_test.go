package doctor

import (
	"net/netip"
	"testing"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/app"
	"github.com/ignis-go/ignis/internal/listen"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/webhook"
)

func TestConfiguration(t *testing.T) {
	any4 := netip.MustParsePrefix("0.0.0.0/0")
	proxies := ignis.Proxies{Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	for _, test := range []struct {
		name   string
		change func(*Config)
		check  string
		want   []string
	}{
		{"valid", func(*Config) {}, "configuration.valid", []string{"ok: are valid"}},
		{"no keys", func(c *Config) { c.App.JWTSecret = nil }, "configuration.valid", []string{"fail: no authenticator"}},
		{"short secret", func(c *Config) { c.App.JWTSecret = []byte("s3cr3t") }, "configuration.valid", []string{"fail: openssl rand"}},
		{"contradiction", func(c *Config) { c.App.Dev = true }, "configuration.valid", []string{"fail: leave out --dev"}},
		{"socket", func(c *Config) {
			c.App.Listen.Addresses = []listen.Address{{Network: listen.Unix, Name: "/run/x"}}
		}, "configuration.valid", []string{"ok: ", "warn: to a Unix socket have no address"}},
		{"database", func(c *Config) { c.App.Redis = redisbus.Config{URL: "redis://h/3"} }, "configuration.valid", []string{"ok: ", "warn: database 3"}},
		{"warnings", func(c *Config) { c.Warnings = []string{"readable"} }, "configuration.valid", []string{"ok: ", "warn: readable"}},
		{"development", func(c *Config) { c.App.Dev = true }, "configuration.development", []string{"warn: anyone"}},
		{"no development", func(*Config) {}, "configuration.development", []string{"ok: "}},
		{"any token", func(*Config) {}, "configuration.tokens", []string{"warn: aud", "warn: issuers"}},
		{"issuer and audience", func(c *Config) {
			c.App.Tokens.Issuers, c.App.Tokens.Audiences = []string{"i"}, []string{"a"}
		}, "configuration.tokens", []string{"ok: "}},
		{"webhook authenticates", func(c *Config) { c.App.Webhook.Authenticate = true }, "configuration.tokens", []string{"skip: "}},
		{"own origin", func(*Config) {}, "configuration.origins", []string{"ok: own host"}},
		{"some origins", func(c *Config) { c.App.AllowedOrigins = []string{"https://a"} }, "configuration.origins", []string{"ok: https://a"}},
		{"any origin", func(c *Config) { c.App.AllowedOrigins = []string{"*"} }, "configuration.origins", []string{"warn: any site"}},
		{"no proxy", func(*Config) {}, "configuration.proxies", []string{"ok: no proxy"}},
		{"proxy for TLS", func(c *Config) { c.PublicURL = "wss://h/ws" }, "configuration.proxies", []string{"fail: --trusted-proxies"}},
		{"proxy on this machine", func(c *Config) { c.PublicURL = "ws://h/ws" }, "configuration.proxies", []string{"warn: only on this machine"}},
		{"trusted", func(c *Config) { c.PublicURL, c.App.Proxies = "wss://h/ws", proxies }, "configuration.proxies", []string{"ok: X-Forwarded-For"}},
		{"PROXY header", func(c *Config) {
			c.App.Proxies, c.App.Listen.Addresses[0].ProxyProtocol = proxies, true
		}, "configuration.proxies", []string{"ok: PROXY header"}},
		{"everyone trusted", func(c *Config) { c.App.Proxies.Networks = []netip.Prefix{any4} }, "configuration.proxies", []string{"fail: every client can choose"}},
		{"limits", func(*Config) {}, "configuration.limits", []string{"ok: 10000 clients"}},
		{"too few clients", func(c *Config) { c.Clients = 20_001 }, "configuration.limits", []string{"fail: max_clients (20000)"}},
		{"no pings", func(c *Config) { c.App.Server.IdleTimeout = -1 }, "configuration.limits", []string{"warn: no pings"}},
		{"large messages", func(c *Config) {
			c.App.Server.MaxMessage, c.App.Server.BackpressureLimit = 2<<20, 1<<20
		}, "configuration.limits", []string{"warn: backpressure_limit"}},
		{"slow webhook", func(c *Config) {
			c.App.Server.AuthTimeout = time.Second
			c.App.Webhook = app.Webhook{Authenticate: true, Client: webhook.Config{Timeout: 3 * time.Second}}
		}, "configuration.limits", []string{"warn: webhook.timeout"}},
		{"impatient", func(c *Config) { c.App.Server.HeartbeatTimeout = 30 * time.Second }, "configuration.limits", []string{"warn: heartbeat"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := valid()
			test.change(&c)
			want(t, examine(t, c, (*Config).configurationGroup), test.check, test.want...)
		})
	}
}

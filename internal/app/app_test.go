package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/auth/jwtauth"
	"github.com/ignis-go/ignis/internal/listen"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/webhook"
)

// quiet returns the configuration of a server that logs nothing.
func quiet() ignis.Config { return ignis.Config{Logger: slog.New(slog.DiscardHandler)} }

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// on returns the configuration of listeners without TLS.
func on(addresses ...string) (c listen.Config) {
	for _, text := range addresses {
		var a listen.Address
		if err := a.UnmarshalText([]byte(text)); err != nil {
			panic(err)
		}
		c.Addresses = append(c.Addresses, a)
	}
	return c
}

// development returns the configuration of a server in development mode.
func development() Config {
	return Config{Listen: on("127.0.0.1:0"), Path: "/ws", Dev: true, Server: quiet()}
}

// production returns the configuration of a server that accepts tokens.
func production() Config {
	return Config{Listen: on("127.0.0.1:0"), Path: "/ws", JWTSecret: []byte(strings.Repeat("s", 32)), Server: quiet()}
}

// hook returns the configuration of a webhook with a secret.
func hook(url string, authenticate bool) Webhook {
	return Webhook{Client: webhook.Config{URL: url, Secrets: []string{webhook.NewSecret()}}, Authenticate: authenticate}
}

// files returns a configuration of TLS whose files have the same name.
func files(name string) listen.TLS { return listen.TLS{CertFile: name, KeyFile: name} }

// rulesFor returns rules with one room, "a".
func rulesFor(join access.Who) *access.Rules {
	r, err := access.Compile([]access.Rule{{Match: "a", Join: access.JoinRule{Who: join}}})
	if err != nil {
		panic(err)
	}
	return r
}

func TestConfig(t *testing.T) {
	for name, test := range map[string]struct {
		config func() Config
		change func(*Config)
		want   string // text of the error; "" for none
		hint   string
	}{
		"development":               {development, func(*Config) {}, "", ""},
		"production":                {production, func(*Config) {}, "", ""},
		"timeouts by default":       {production, func(c *Config) { c.Server.HeartbeatInterval = time.Second }, "", ""},
		"production for everyone":   {production, func(c *Config) { c.Listen = on(":0") }, "", ""},
		"development on localhost":  {development, func(c *Config) { c.Listen = on("localhost:0") }, "", ""},
		"development for everyone":  {development, func(c *Config) { c.Listen = on(":8080") }, "does not listen on :8080", "127.0.0.1"},
		"development on the LAN":    {development, func(c *Config) { c.Listen = on("192.0.2.1:0") }, "does not listen on", "127.0.0.1"},
		"development with secret":   {development, func(c *Config) { c.JWTSecret = []byte("x") }, "a JWT secret is configured", "leave out --dev"},
		"development with file":     {development, func(c *Config) { c.JWTSecretFile = "x" }, "a JWT secret is configured", "leave out --dev"},
		"development with origins":  {development, func(c *Config) { c.AllowedOrigins = []string{"*"} }, "--allowed-origins", "leave out"},
		"the default logger":        {development, func(c *Config) { c.Server.Logger = nil }, "", ""},
		"two secrets, one short":    {production, func(c *Config) { c.JWTSecret, c.JWTSecretFile = []byte("x"), "x" }, "are both set", "unset one"},
		"two secrets":               {production, func(c *Config) { c.JWTSecretFile = "x" }, "--jwt-secret-file and IGNIS_JWT_SECRET are both set", "unset one"},
		"no authenticator":          {production, func(c *Config) { c.JWTSecret = nil }, "no authenticator", "--jwt-secret-file"},
		"a short secret":            {production, func(c *Config) { c.JWTSecret = c.JWTSecret[1:] }, "IGNIS_JWT_SECRET: expected a secret of 32 bytes or more, but it has 31", "openssl"},
		"a long secret":             {production, func(c *Config) { c.JWTSecret = bytes.Repeat([]byte("x"), maxSecret+1) }, "IGNIS_JWT_SECRET: expected a secret of 65536 bytes or less, but it has more", "openssl"},
		"no address":                {production, func(c *Config) { c.Listen.Addresses = nil }, "--listen: ", ""},
		"no path":                   {production, func(c *Config) { c.Path = "" }, "--path: ", ""},
		"a URL as path":             {production, func(c *Config) { c.Path = "/ws?x=1" }, "--path: ", ""},
		"the path of a probe":       {production, func(c *Config) { c.Path = "/readyz" }, "--path: /readyz is taken", ""},
		"the path of another probe": {production, func(c *Config) { c.Path = "/startupz" }, "--path: /startupz is taken", ""},
		"the path of the client":    {production, func(c *Config) { c.Path = "/ignis.js" }, "--path: /ignis.js is taken", ""},
		"Redis that is not there":   {production, func(c *Config) { c.RedisRequired = true }, "--redis-required: no Redis is configured", "--redis"},
		"metrics for everyone":      {production, func(c *Config) { c.Metrics.Listen = ":0" }, "", ""},
		"metrics nowhere":           {production, func(c *Config) { c.Metrics.Listen = "9464" }, "--metrics-listen: expected host:port", ""},
		"profiles nowhere":          {production, func(c *Config) { c.Metrics.Profiles = true }, "--pprof: ", "--metrics-listen"},
		"profiles for everyone":     {production, func(c *Config) { c.Metrics = Metrics{Listen: ":9464", Profiles: true} }, "only on a loopback address", "leave out --pprof"},
		"profiles on the LAN":       {production, func(c *Config) { c.Metrics = Metrics{Listen: "192.0.2.1:9464", Profiles: true} }, "not on 192.0.2.1:9464", "leave out --pprof"},
		"profiles on loopback":      {production, func(c *Config) { c.Metrics = Metrics{Listen: "[::1]:9464", Profiles: true} }, "", ""},
		"development with metrics":  {development, func(c *Config) { c.Metrics.Listen = ":9464" }, "--metrics-listen cannot be :9464", "127.0.0.1"},
		"the path of the page":      {development, func(c *Config) { c.Path = "/dev/x" }, "--path: /dev/x is taken", ""},
		"the path of the docs":      {development, func(c *Config) { c.Path = "/docs" }, "--path: /docs is taken", ""},
		"the page itself":           {development, func(c *Config) { c.Path = "/" }, "--path: / is taken", ""},
		"the page's in production":  {production, func(c *Config) { c.Path = "/" }, "", ""},
		"a short heartbeat timeout": {production, func(c *Config) { c.Server.HeartbeatTimeout, c.Server.HeartbeatInterval = 1, 2 }, "--heartbeat-timeout", "once per"},
		"a limit below zero":        {production, func(c *Config) { c.Server.MaxRooms = -1 }, "MaxRooms must not be negative", "ignis serve --help"},

		"a path without a slash":      {production, func(c *Config) { c.Path = "ws" }, "--path: expected a path", ""},
		"a host as path":              {production, func(c *Config) { c.Path = "//ws" }, "--path: expected a path", ""},
		"an escaped path":             {production, func(c *Config) { c.Path = "/%77s" }, "--path: expected a path", ""},
		"a malformed path":            {production, func(c *Config) { c.Path = "/%" }, "--path: expected a path", ""},
		"equal heartbeats":            {production, func(c *Config) { c.Server.HeartbeatTimeout, c.Server.HeartbeatInterval = 2, 2 }, "", ""},
		"development with keys":       {development, func(c *Config) { c.Tokens.KeyFiles = []jwtauth.KeyFile{{Name: "x"}} }, "keys for tokens are configured", "leave out --dev"},
		"development with a JWK set":  {development, func(c *Config) { c.Tokens.JWKS = []jwtauth.JWKS{{URL: "https://x"}} }, "keys for tokens are configured", "leave out --dev"},
		"development with rules":      {development, func(c *Config) { c.Rules = new(access.Rules) }, "the section rooms has rules", "leave out --dev"},
		"development with a webhook":  {development, func(c *Config) { c.Webhook.Client.URL = "https://x" }, "--dev does not use the webhook", "leave out --dev"},
		"development on a socket":     {development, func(c *Config) { c.Listen = on("unix:/nonexistent") }, "", ""},
		"development behind a proxy":  {development, func(c *Config) { c.Listen.Addresses[0].ProxyProtocol = true }, "--dev serves only this machine", "--proxy-protocol"},
		"local metrics":               {development, func(c *Config) { c.Metrics.Listen = "127.0.0.1:9464" }, "", ""},
		"a webhook for authenticate":  {production, func(c *Config) { c.JWTSecret, c.Webhook.Authenticate = nil, true }, "webhook.authenticate: there is no webhook", "webhook.url"},
		"tokens and authenticate":     {production, func(c *Config) { c.Webhook = hook("https://x", true) }, "both tokens and the webhook", "leave out the keys"},
		"only authenticate":           {production, func(c *Config) { c.JWTSecret, c.Webhook = nil, hook("https://x", true) }, "", ""},
		"a webhook":                   {production, func(c *Config) { c.Webhook = hook("https://x", false) }, "", ""},
		"a webhook without a secret":  {production, func(c *Config) { c.Webhook.Client.URL = "https://x" }, "webhook.url: there is no secret", "--webhook-secret-file"},
		"two secrets of the webhook":  {production, func(c *Config) { c.Webhook = hook("https://x", false); c.Webhook.SecretFiles = []string{"x"} }, "--webhook-secret-file and IGNIS_WEBHOOK_SECRET are both set", "unset one"},
		"a webhook that is no URL":    {production, func(c *Config) { c.Webhook = hook("x", false) }, "webhook: ", "docs/configuration.md"},
		"rules without their webhook": {production, func(c *Config) { c.Rules = rulesFor(access.Webhook) }, "rooms: ", "set --webhook-url"},
		"rules with their webhook":    {production, func(c *Config) { c.Rules, c.Webhook = rulesFor(access.Webhook), hook("https://x", false) }, "", ""},

		"no private key":             {production, func(c *Config) { c.Listen.TLS.CertFile = "x" }, "--tls-cert: the file with the private key is missing", "--tls-key"},
		"no certificate":             {production, func(c *Config) { c.Listen.TLS.KeyFile = "x" }, "--tls-key: the file with the certificate is missing", "--tls-cert"},
		"client certificates, plain": {production, func(c *Config) { c.Listen.TLS.ClientCAFile = "x" }, "--tls-client-ca: only connections with TLS", "--tls-cert"},
		"no authority":               {production, func(c *Config) { c.Listen.TLS.ClientAuth = listen.ClientCertOptional }, "--tls-client-auth: no authority", "--tls-client-ca"},
		"TLS on a socket":            {production, func(c *Config) { c.Listen = on("unix:/nonexistent"); c.Listen.TLS = files("x") }, "--tls-cert: only TCP addresses use TLS", "--listen"},
		"a certificate not there":    {production, func(c *Config) { c.Listen.Addresses[0].TLS, c.Listen.TLS = true, files("/nonexistent") }, "--tls-cert: open /nonexistent", "this user can read"},
		"an authority not there": {production, func(c *Config) {
			c.Listen.Addresses[0].TLS, c.Listen.TLS = true, files("/nonexistent")
			c.Listen.TLS.ClientCAFile = "x"
		}, "--tls-cert: open /nonexistent", ""},
		"no trusted proxy": {production, func(c *Config) { c.Listen.Addresses[0].ProxyProtocol = true }, "--proxy-protocol: no proxy is trusted", "--trusted-proxies"},
		"a trusted proxy": {production, func(c *Config) {
			c.Listen.Addresses[0].ProxyProtocol, c.Proxies.Networks = true, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		}, "", ""},
		"a local proxy":          {production, func(c *Config) { c.Listen.Addresses[0].ProxyProtocol, c.Proxies.Unix = true, true }, "", ""},
		"the same address twice": {production, func(c *Config) { c.Listen = on("127.0.0.1:1", "127.0.0.1:1") }, "--listen: 127.0.0.1:1 is listed twice", ""},

		"a key file not there":    {production, func(c *Config) { c.JWTSecret, c.Tokens.KeyFiles = nil, []jwtauth.KeyFile{{Name: "/nonexistent"}} }, "tokens: open /nonexistent", "this user can read"},
		"a JWK set without a URL": {production, func(c *Config) { c.JWTSecret, c.Tokens.JWKS = nil, []jwtauth.JWKS{{URL: "x"}} }, "--jwks-url: ", "docs/tokens.md"},
		"other token settings":    {production, func(c *Config) { c.Tokens.ExpiryLeeway = -1 }, "tokens: Config.ExpiryLeeway", "--jwt-secret-file"},
	} {
		c := test.config()
		test.change(&c)
		_, err := New(c)
		if test.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		var e *Error
		if !errors.As(err, &e) || !e.Usage || !strings.Contains(err.Error(), test.want) || !strings.Contains(e.Hint, test.hint) {
			t.Errorf("%s: %#v, want %q and the hint %q", name, err, test.want, test.hint)
		}
	}
	c := production()
	c.Redis = redisbus.Config{URL: "localhost:6379"}
	if _, err := New(c); !errors.Is(err, redisbus.ErrConfig) {
		t.Errorf("an invalid Redis URL: %v", err)
	}
}

func TestErrorKeepsItsCause(t *testing.T) {
	cause := errors.New("cause")
	err := usage("advice", "a setting: %w", cause)
	if !errors.Is(err, cause) || err.Error() != "a setting: cause" {
		t.Errorf("got %v", err)
	}
	if got := fmt.Sprint(&Error{Err: cause, Hint: "advice"}); got != "cause" {
		t.Errorf("the text is %q", got)
	}
}

package app

import (
	"net/url"
	"strings"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/auth/jwtauth"
	"github.com/ignis-go/ignis/internal/listen"
	"github.com/ignis-go/ignis/internal/systemd"
	"github.com/ignis-go/ignis/redisbus"
)

// Config configures an [App].
type Config struct {
	// Listen holds the addresses to listen on, the files for TLS and the limits for
	// connections that are not requests yet. MaxHandshakes also limits connections that wait
	// for a request. New sets Trusted, KeepAlive, Wrap and the loggers.
	Listen listen.Config
	// ACME configures certificates that the program obtains by itself, instead of Listen.TLS.
	ACME ACME
	// Sockets are the sockets that systemd has passed to the program. Each must be used by an
	// address in Listen or API.Listen whose network is [listen.Systemd]. Nil: they are not known,
	// and the App must not run if there are such addresses.
	Sockets []systemd.Socket
	// Path is the path of the WebSocket endpoint, such as /ws.
	Path string

	// Server holds the limits and the logger of the server. New sets the callbacks and
	// the bus. If MaxClients is 0, New derives it from the number of descriptors that the
	// process may open, minus a reserve.
	Server ignis.Config

	// Redis connects the server to other servers. If its URL is empty, the server runs alone.
	Redis redisbus.Config
	// RedisRequired makes the server unready, instead of degraded, while messages cannot be
	// exchanged over Redis.
	RedisRequired bool

	// Metrics configures the listener for metrics.
	Metrics Metrics

	// Dev turns on development mode: anyone may connect as any user and join every
	// room, clients can send to rooms, and / serves a page for trying it out. Listen must be
	// a loopback address.
	Dev bool
	// Terminal says how to run this program, for the page of the development mode.
	Terminal Terminal

	// JWTSecretFile is the name of a file with a secret that tokens are signed with.
	JWTSecretFile string
	// JWTSecret is the secret itself, which the program reads from [SecretVariable].
	JWTSecret []byte
	// Tokens holds the other keys of tokens, and how they are verified. New sets the secret,
	// MaxToken and the logger. Unless Dev or Webhook.Authenticate is set, at least one key is
	// required, here or above.
	Tokens jwtauth.Config

	// Rules say which rooms clients may join and what they may send to them. Nil: the claims
	// of tokens say which rooms clients may join, and messages from clients are dropped.
	Rules *access.Rules
	// Webhook is the HTTP endpoint of the application.
	Webhook Webhook

	// API is the HTTP API.
	API API

	// AllowedOrigins lists the other hosts whose pages may connect; * allows all. It must be
	// empty in development mode.
	AllowedOrigins []string
	// Proxies says which reverse proxies are trusted to report the address of a client, in a
	// header of the request or with the PROXY protocol. Development mode ignores it.
	Proxies ignis.Proxies

	// OnReady, if not nil, is called once, when the server accepts clients, with the addresses
	// that it listens on in the order of Listen.Addresses: http://host:port, https://host:port
	// or unix:PATH.
	OnReady func(urls []string)
}

// check returns an error for settings that contradict each other.
func (c *Config) check() error {
	if err := checkPath(c.Path, c.Dev); err != nil {
		return err
	}
	if err := c.checkListen(); err != nil {
		return err
	}
	if err := c.checkAPI(); err != nil {
		return err
	}
	if s := c.Server; s.HeartbeatTimeout > 0 && s.HeartbeatTimeout < s.HeartbeatInterval {
		return usage("the server checks for silent clients once per --heartbeat-interval",
			"--heartbeat-timeout: expected at least --heartbeat-interval (%v)", s.HeartbeatInterval)
	}
	if err := c.checkMetrics(); err != nil {
		return err
	}
	if c.Dev {
		return c.checkDev()
	}
	return c.checkAuth()
}

// setMaxClients replaces a MaxClients of 0 by what the system allows.
func (c *Config) setMaxClients() {
	if c.Server.MaxClients == 0 {
		c.Server.MaxClients = maxClients()
	}
}

// hasKeys reports whether there are keys of tokens.
func (c *Config) hasKeys() bool {
	return c.JWTSecretFile != "" || len(c.JWTSecret) > 0 || len(c.Tokens.KeyFiles) > 0 || len(c.Tokens.JWKS) > 0
}

// checkDev returns an error for settings that contradict development mode.
func (c *Config) checkDev() error {
	switch {
	case c.JWTSecretFile != "" || len(c.JWTSecret) > 0:
		return usage("leave out --dev, or --jwt-secret-file and "+SecretVariable,
			"--dev lets anyone in, and a JWT secret is configured")
	case c.hasKeys():
		return usage("leave out --dev, or the keys", "--dev lets anyone in, and keys for tokens are configured")
	case len(c.AllowedOrigins) > 0:
		return usage("leave out --allowed-origins, or --dev",
			"--dev accepts only pages from this machine, but --allowed-origins names others")
	case c.Rules != nil:
		return usage("leave out --dev, or rooms", "--dev lets anyone join every room, but the section rooms has rules")
	case c.Webhook.enabled():
		return usage("leave out --dev, or --webhook-url", "--dev does not use the webhook")
	}
	return nil
}

const hintAuthenticator = "set --jwt-secret-file, --jwt-public-key-file or --jwks-url, or webhook.authenticate in the configuration file; to try it on this machine, use --dev"

// checkAuth returns an error unless exactly one authenticator is configured.
func (c *Config) checkAuth() error {
	switch w := &c.Webhook; {
	case w.Authenticate && !w.enabled():
		return usage("set webhook.url", "webhook.authenticate: there is no webhook")
	case w.Authenticate && c.hasKeys():
		return usage("leave out the keys, or webhook.authenticate", "both tokens and the webhook are configured to authenticate clients")
	case !w.Authenticate && !c.hasKeys():
		return usage(hintAuthenticator, "no authenticator is configured")
	case c.JWTSecretFile != "" && len(c.JWTSecret) > 0:
		return usage("unset one of them", "--jwt-secret-file and %s are both set", SecretVariable)
	case len(w.SecretFiles) > 0 && len(w.Client.Secrets) > 0:
		return usage("unset one of them", "--webhook-secret-file and IGNIS_WEBHOOK_SECRET are both set")
	case w.enabled() && len(w.SecretFiles) == 0 && len(w.Client.Secrets) == 0:
		return usage("set --webhook-secret-file to a file with whsec_ followed by 32 random bytes in base64", "webhook.url: there is no secret that signs the requests")
	}
	return nil
}

// checkPath returns an error unless path is valid for the WebSocket endpoint and nothing
// else is served there.
func checkPath(path string, dev bool) error {
	u, err := url.Parse(path)
	if err != nil || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || u.Path != path || strings.ContainsAny(path, "?#") {
		return usage("", "--path: expected a path such as /ws, but got %q", path)
	}
	if path == scriptPath || isProbe(path) || dev && isDevPath(path) {
		return usage("", "--path: %s is taken by the server itself", path)
	}
	return nil
}

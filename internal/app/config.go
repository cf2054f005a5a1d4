package app

import (
	"net"
	"net/url"
	"strings"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/redisbus"
)

// Config configures an [App].
type Config struct {
	// Listen is the TCP address to listen on, as host:port. Port 0 picks a free one.
	Listen string
	// Path is the path of the WebSocket endpoint, such as /ws.
	Path string

	// Server holds the limits and the logger of the server. New sets the callbacks and
	// the bus. If MaxClients is 0, New derives it from the number of descriptors that the
	// process may open, minus a reserve.
	Server ignis.Config

	// Redis connects the server to other servers. If its URL is empty, the server runs alone.
	Redis redisbus.Config

	// Dev turns on development mode: anyone may connect as any user and join every
	// room, clients can send to rooms, and / serves a page for trying it out. Listen must be
	// a loopback address.
	Dev bool

	// JWTSecretFile is the name of the file with the secret that tokens are signed with.
	// Unless Dev is set, either this or JWTSecret is required.
	JWTSecretFile string
	// JWTSecret is the secret itself, which the program reads from [SecretVariable].
	JWTSecret []byte

	// AllowedOrigins lists the other hosts whose pages may connect; * allows all. It must be
	// empty in development mode.
	AllowedOrigins []string
	// Proxies says which reverse proxies are trusted to report the address of a client.
	// Development mode ignores it.
	Proxies ignis.Proxies

	// OnReady, if not nil, is called once, when the server accepts clients, with the address
	// that it listens on.
	OnReady func(addr net.Addr)
}

// check returns an error for settings that contradict each other.
func (c *Config) check() error {
	if err := checkPath(c.Path, c.Dev); err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return usage("", "--listen: expected host:port: %w", err)
	}
	if s := c.Server; s.HeartbeatTimeout > 0 && s.HeartbeatTimeout < s.HeartbeatInterval {
		return usage("the server checks for silent clients once per --heartbeat-interval",
			"--heartbeat-timeout: expected at least --heartbeat-interval (%v)", s.HeartbeatInterval)
	}
	hasSecret := c.JWTSecretFile != "" || len(c.JWTSecret) > 0
	switch {
	case !c.Dev && !hasSecret:
		return usage("set --jwt-secret-file; to try it on this machine, use --dev", "no authenticator is configured")
	case c.Dev && hasSecret:
		return usage("leave out --dev, or --jwt-secret-file and "+SecretVariable,
			"--dev lets anyone in, and a JWT secret is configured")
	case c.Dev && !isLoopback(host):
		return usage("listen on 127.0.0.1, ::1 or localhost, or set --jwt-secret-file instead of --dev",
			"--dev lets anyone in, so it does not listen on %s", c.Listen)
	case c.Dev && len(c.AllowedOrigins) > 0:
		return usage("leave out --allowed-origins, or --dev",
			"--dev accepts only pages from this machine, but --allowed-origins names others")
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
	if path == healthPath || path == readyPath || dev && isDevPath(path) {
		return usage("", "--path: %s is taken by the server itself", path)
	}
	return nil
}

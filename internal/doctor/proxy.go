package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/filewatch"
)

// checkProxy says what is known about the proxy between clients and the server.
func (p *publicChecks) checkProxy(context.Context) []Finding {
	var signs []string
	for _, name := range []string{"Server", "Via", "X-Served-By", "Cf-Ray", "X-Amz-Cf-Id"} {
		if value := p.answer.Get(name); value != "" {
			signs = append(signs, name+": "+value)
		}
	}
	if p.secure() && !p.c.secure() {
		signs = append(signs, "the server itself does not use TLS")
	}
	if len(signs) == 0 && !p.local() {
		signs = append(signs, "the address is not one of this machine")
	}
	found := strings.Join(signs, "; ")
	switch {
	case found == "" && p.c.proxied():
		return []Finding{ok("no sign of a proxy, although some are trusted")}
	case found == "":
		return []Finding{ok("no sign of a proxy")}
	case p.c.proxied():
		return []Finding{ok("there is a proxy (%s), and %s is used; the log of the server shows it as remote at the level debug", found, p.c.addressSource())}
	}
	return []Finding{warn(adviceProxies, "there may be a proxy (%s), but none is trusted: all clients then have its address, and share the limits per address", found)}
}

// local reports whether the public URL leads to an address of this machine.
func (p *publicChecks) local() bool {
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(p.addrs, func(addr string) bool {
		ip := net.ParseIP(addr)
		return ip.IsLoopback() || slices.ContainsFunc(own, func(a net.Addr) bool {
			n, ok := a.(*net.IPNet)
			return ok && n.IP.Equal(ip)
		})
	})
}

// idleUser is the user of the connection that examines idle timeouts.
const idleUser = "ignis-doctor"

// checkIdle keeps a connection open without messages.
func (p *publicChecks) checkIdle(ctx context.Context) []Finding {
	if p.c.Idle <= 0 {
		return []Finding{skip("idle timeouts of proxies are not examined; --idle 90s does that")}
	}
	credentials, err := p.credentials()
	if err != nil {
		return []Finding{skip("%v", err)}
	}
	c, err := client.Dial(ctx, p.url.String(), client.Config{
		Credentials: credentials, TLSConfig: p.tlsConfig(), HeartbeatInterval: p.heartbeat(), Software: client.Software{Name: idleUser},
		Encrypt: p.c.App.Server.Encryption == ignis.EncryptionRequired,
	})
	if err != nil {
		return []Finding{fail("correct the token, or the settings for tokens, which must be those of the running server", "the connection for the idle timeout is refused: %v", err)}
	}
	defer c.Close()
	began := time.Now()
	waiting, cancel := context.WithTimeout(ctx, p.c.Idle)
	defer cancel()
	messages := -1
	for err == nil { // messages to all clients may arrive
		_, err = c.Receive(waiting)
		messages++
	}
	if waiting.Err() != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return []Finding{ok("a silent client stayed connected for %v; it received %d messages, and pings", p.c.Idle, messages)}
	}
	return []Finding{p.judgeCut(err, time.Since(began))}
}

// heartbeat returns the interval of the client's heartbeats: less often than the server
// pings, but often enough that it does not close the client as silent.
func (p *publicChecks) heartbeat() time.Duration {
	if t := p.c.App.Server.HeartbeatTimeout; t > 0 {
		return t * 2 / 3
	}
	return time.Minute
}

// judgeCut returns the finding for a connection that ended early.
func (p *publicChecks) judgeCut(err error, after time.Duration) Finding {
	var closed *client.CloseError
	if errors.As(err, &closed) {
		return warn("look at the log of the server", "the server closed the connection of a silent client after %v: %v", after.Round(100*time.Millisecond), err)
	}
	advice := "raise the idle timeout of the proxy above 60 s (proxy_read_timeout of nginx, timeout tunnel of HAProxy, idle timeout of load balancers)"
	if idle := p.c.App.Server.IdleTimeout; idle > 0 {
		advice += fmt.Sprintf(", or lower limits.idle_timeout: the server pings after half of it (%v)", idle/2)
	} else if idle < 0 {
		advice += ", and set limits.idle_timeout, so that the server pings"
	}
	return fail(advice, "the connection of a silent client was cut after %v, without a close frame: %v", after.Round(100*time.Millisecond), err)
}

// errNoToken says that idle timeouts cannot be examined without a token.
var errNoToken = errors.New("idle timeouts of proxies are not examined: set IGNIS_TOKEN or --token-file to a token, because clients without one are closed before they are idle")

// credentials returns the credentials for the connection.
func (p *publicChecks) credentials() (map[string]string, error) {
	switch {
	case p.c.Token != "":
		return map[string]string{"type": "Bearer", "token": p.c.Token}, nil
	case p.c.App.Dev:
		return map[string]string{"userId": idleUser}, nil
	case !p.c.usesTokens():
		return nil, errNoToken
	}
	secret := p.c.App.JWTSecret
	if p.c.App.JWTSecretFile != "" {
		f, err := filewatch.ReadFile(p.c.App.JWTSecretFile, maxSecretFile)
		if err != nil {
			return nil, err
		}
		secret = []byte(strings.TrimSuffix(strings.TrimSuffix(string(f.Text), "\n"), "\r"))
	}
	if len(secret) == 0 {
		return nil, errNoToken
	}
	token, err := p.c.sign(secret)
	return map[string]string{"type": "Bearer", "token": token}, err
}

// maxSecretFile is the maximum size of a file with a secret in bytes, as in package app.
const maxSecretFile = 256 << 10

// sign returns a token that is valid while idle timeouts are examined, and for no room.
func (c *Config) sign(secret []byte) (string, error) {
	t := &c.App.Tokens
	user := t.UserClaim
	if user == "" {
		user = "sub"
	}
	claims := jwt.MapClaims{user: idleUser, "exp": time.Now().Add(c.Idle + c.Timeout + time.Minute).Unix()}
	if len(t.Issuers) > 0 {
		claims["iss"] = t.Issuers[0]
	}
	if len(t.Audiences) > 0 {
		claims["aud"] = t.Audiences[0]
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret)
}

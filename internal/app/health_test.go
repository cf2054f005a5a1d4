package app

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/auth/jwtauth"
	"github.com/ignis-go/ignis/internal/acmecert"
	"github.com/ignis-go/ignis/internal/certtest"
	"github.com/ignis-go/ignis/internal/doctest"
	"github.com/ignis-go/ignis/internal/listen"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/webhook"
)

var errLost = errors.New("dial tcp 10.1.2.3:6379: connection refused")

// checked fails the test unless a check has this status, and a reason that contains the texts
// unless the status is ok.
func checked(t *testing.T, name string, c check, status checkStatus, reason ...string) {
	t.Helper()
	if c.Status != status || (c.Reason == "") != (status == statusOK) {
		t.Errorf("%s: %+v, want %s", name, c, status)
	}
	for _, text := range reason {
		if !strings.Contains(c.Reason, text) {
			t.Errorf("%s: no %q in %q", name, text, c.Reason)
		}
	}
	for _, text := range []string{"10.1.2.3", "issuer.example", "/secret"} {
		if strings.Contains(c.Reason, text) {
			t.Errorf("%s: the reason reveals %s", name, text)
		}
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	with := func(statuses ...checkStatus) (list []check) {
		for _, s := range statuses {
			list = append(list, check{Status: s})
		}
		return list
	}
	for _, test := range []struct {
		checks []check
		status string
		code   int
	}{
		{with(statusOK), "ready", http.StatusOK},
		{with(statusOK, statusOK), "ready", http.StatusOK},
		{with(statusOK, statusDegraded, statusOK), "degraded", http.StatusOK},
		{with(statusOK, statusDegraded, statusFailed), "not ready", http.StatusServiceUnavailable},
		{with(statusOK, statusFailed, statusDegraded), "not ready", http.StatusServiceUnavailable},
		{with(statusStarting, statusDegraded), "starting", http.StatusServiceUnavailable},
		{with(statusStopping, statusFailed), "stopping", http.StatusServiceUnavailable},
		{with(statusDraining, statusOK), "draining", http.StatusServiceUnavailable},
	} {
		if h := newHealth(test.checks); h.Status != test.status || h.code() != test.code {
			t.Errorf("%+v: %s, %d", test.checks, h.Status, h.code())
		}
	}
}

func TestCheckServer(t *testing.T) {
	t.Parallel()
	checked(t, "ready", checkServer(true, false, true, false), statusOK)
	checked(t, "ready without Redis", checkServer(true, false, true, true), statusOK)
	checked(t, "draining", checkServer(true, true, true, false), statusDraining, "connect to another one")
	checked(t, "draining and lost Redis", checkServer(false, true, true, true), statusDraining)
	checked(t, "stopping", checkServer(false, false, true, false), statusStopping, "shutting down")
	checked(t, "starting", checkServer(false, false, false, false), statusStarting, "is starting")
	checked(t, "waiting", checkServer(false, false, false, true), statusStarting, "waits for Redis")
}

func TestCheckRedis(t *testing.T) {
	t.Parallel()
	partial := fmt.Errorf("%w: node 10.1.2.3:6379", redisbus.ErrPartial)
	for _, local := range []bool{false, true} {
		checked(t, "up", checkRedis(nil, true, local), statusOK)
		checked(t, "partial", checkRedis(partial, true, local), statusDegraded, "part of the Redis Cluster")
		checked(t, "lost", checkRedis(errLost, false, local), statusDegraded, "do not receive")
		checked(t, "lost and required", checkRedis(errLost, true, local), statusFailed, "do not receive")
		if c := checkRedis(errLost, false, local); strings.Contains(c.Reason, "reach each other") != local {
			t.Errorf("local %v: %s", local, c.Reason)
		}
	}
}

func TestRelays(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rules []access.Rule
		want  bool
	}{
		"no rules":       {nil, false},
		"joins only":     {[]access.Rule{{Match: "a", Join: access.JoinRule{Who: access.Anyone}}}, false},
		"to the webhook": {[]access.Rule{{Match: "a", Send: []access.SendRule{{Events: []string{"x"}, To: access.ToWebhook}}}}, false},
		"to the room":    {[]access.Rule{{Match: "a", Send: []access.SendRule{{Events: []string{"x"}}}}}, true},
		"to both":        {[]access.Rule{{Match: "a", Send: []access.SendRule{{Events: []string{"x"}, To: access.ToBoth}}}}, true},
	} {
		rules, err := access.Compile(test.rules)
		if err != nil {
			t.Fatal(err)
		}
		if got := relays(rules); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if relays(nil) {
		t.Error("a program without rules relays messages")
	}
}

func TestCheckTokens(t *testing.T) {
	t.Parallel()
	good := jwtauth.SourceStatus{Name: "/secret", Keys: 1, Loaded: time.Unix(1e9, 0)}
	never := jwtauth.SourceStatus{Name: "https://issuer.example/jwks", Err: errLost}
	stale := good
	stale.Err = errLost
	all := func(s ...jwtauth.SourceStatus) []jwtauth.SourceStatus { return s }
	checked(t, "only a secret", checkTokens(nil, true), statusOK)
	checked(t, "read", checkTokens(all(good), false), statusOK)
	checked(t, "none", checkTokens(all(never, never), false), statusFailed, "no client can be authenticated")
	checked(t, "none but a secret", checkTokens(all(never), true), statusDegraded, "try again later")
	checked(t, "one of two", checkTokens(all(good, never), false), statusDegraded, "try again later")
	checked(t, "one and an earlier one", checkTokens(all(stale, never), false), statusDegraded, "try again later")
	checked(t, "earlier ones", checkTokens(all(stale), false), statusDegraded, "the previous ones stay in use")
}

func TestCheckWebhook(t *testing.T) {
	t.Parallel()
	checked(t, "closed", checkWebhook(webhook.Stats{}), statusOK)
	s := webhook.Stats{
		Authenticate: webhook.EndpointStats{Circuit: webhook.CircuitOpen},
		Events:       webhook.EndpointStats{Circuit: webhook.CircuitHalfOpen},
	}
	checked(t, "open", checkWebhook(s), statusDegraded, ": authenticate, events")
	s = webhook.Stats{Rooms: webhook.EndpointStats{Circuit: webhook.CircuitOpen}, Messages: webhook.EndpointStats{Circuit: webhook.CircuitOpen}}
	checked(t, "others", checkWebhook(s), statusDegraded, ": join, message")
}

func TestCheckCertificate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	checked(t, "valid", checkCertificate(Listening{Stats: listen.Stats{CertificateExpires: now.Add(1)}}, now), statusOK)
	checked(t, "expired", checkCertificate(Listening{Stats: listen.Stats{CertificateExpires: now}}, now), statusDegraded, "has expired on 2026-03-01")
	checked(t, "unusable files", checkCertificate(Listening{Stats: listen.Stats{CertificateExpires: now.Add(1), ReloadError: errLost}}, now), statusDegraded, "previous certificate")
}

// sendRules returns rules that let clients send to a room.
func sendRules(t *testing.T) *access.Rules {
	t.Helper()
	rules, err := access.Compile([]access.Rule{{Match: "a", Join: access.JoinRule{Who: access.Anyone}, Send: []access.SendRule{{Events: []string{"say"}}}}})
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// The checks are those of the parts that are configured.
func TestHealthOfConfiguration(t *testing.T) {
	t.Parallel()
	withRedis := func(c Config) Config {
		c.Redis = redisbus.Config{URL: "redis://10.1.2.3", Logger: c.Server.Logger}
		return c
	}
	with := func(change func(*Config)) Config {
		c := production()
		change(&c)
		return c
	}
	sets := []jwtauth.JWKS{{URL: "https://issuer.example"}}
	cert, key := certtest.NewAuthority(t, "test").Issue(t, certtest.Options{Name: "localhost"}).Write(t, t.TempDir())
	for name, test := range map[string]struct {
		config Config
		want   []string
	}{
		"development":                 {development(), []string{"server starting"}},
		"development on Redis":        {withRedis(development()), []string{"server starting", "redis degraded, local"}},
		"production":                  {production(), []string{"server starting", "tokens ok"}},
		"production on Redis":         {withRedis(production()), []string{"server starting", "redis degraded", "tokens ok"}},
		"Redis is required":           {withRedis(with(func(c *Config) { c.RedisRequired = true })), []string{"server starting", "redis failed", "tokens ok"}},
		"rules for clients, on Redis": {withRedis(with(func(c *Config) { c.Rules = sendRules(t) })), []string{"server starting", "redis degraded, local", "tokens ok"}},
		"a JWK set":                   {with(func(c *Config) { c.JWTSecret, c.Tokens.JWKS = nil, sets }), []string{"server starting", "tokens failed"}},
		"a JWK set and a secret":      {with(func(c *Config) { c.Tokens.JWKS = sets }), []string{"server starting", "tokens degraded"}},
		"a webhook":                   {with(func(c *Config) { c.Webhook = hook("https://app.example", false) }), []string{"server starting", "tokens ok", "webhook ok"}},
		"only a webhook":              {with(func(c *Config) { c.JWTSecret, c.Webhook = nil, hook("https://app.example", true) }), []string{"server starting", "webhook ok"}},
		"TLS": {with(func(c *Config) {
			c.Listen.Addresses[0].TLS, c.Listen.TLS = true, listen.TLS{CertFile: cert, KeyFile: key}
		}), []string{"server starting", "tokens ok", "certificate ok"}},
	} {
		a, err := New(test.config)
		if err != nil {
			t.Fatal(err)
		}
		h := a.health()
		var got []string
		for _, c := range h.Checks {
			text := c.Name + " " + string(c.Status)
			if strings.Contains(c.Reason, "still reach each other") {
				text += ", local"
			}
			got = append(got, text)
		}
		if !slices.Equal(got, test.want) || h.Status != "starting" || h.code() != http.StatusServiceUnavailable {
			t.Errorf("%s: %+v", name, h)
		}
	}
}

// docs/health.md has the name, the status and the reason of each check.
func TestHealthIsDocumented(t *testing.T) {
	t.Parallel()
	page := doctest.Read(t, "docs/health.md")
	never, stale := jwtauth.SourceStatus{}, jwtauth.SourceStatus{Loaded: time.Unix(1e9, 0), Err: errLost}
	now := time.Now()
	name := ""
	for _, c := range []check{
		checkServer(false, false, false, false), checkServer(false, false, false, true), checkServer(false, false, true, false),
		checkServer(false, true, true, false), checkRedis(errLost, false, false), checkRedis(errLost, true, true), checkRedis(redisbus.ErrPartial, false, false),
		checkTokens([]jwtauth.SourceStatus{never}, false), checkTokens([]jwtauth.SourceStatus{never}, true), checkTokens([]jwtauth.SourceStatus{stale}, false),
		checkWebhook(webhook.Stats{Events: webhook.EndpointStats{Circuit: webhook.CircuitOpen}}),
		checkCertificate(Listening{Stats: listen.Stats{CertificateExpires: time.Time{}.Add(1)}}, now), checkCertificate(Listening{ACME: acmecert.Stats{Domains: 1, Missing: 1}}, now),
		checkCertificate(Listening{ACME: acmecert.Stats{Domains: 1, Failing: 1}}, now), checkCertificate(Listening{Stats: listen.Stats{CertificateExpires: now.Add(1), ReloadError: errLost}}, now),
	} {
		if c.Name != name && !strings.Contains(page, "\n| `"+c.Name+"` | `") {
			t.Errorf("docs/health.md has no row for the check %s", c.Name)
		}
		name = c.Name
		for text := range strings.SplitSeq(strings.Replace(c.Reason, "0001-01-01", "; ", 1), "; ") {
			text, _, _ = strings.Cut(text, ": events")
			if text = strings.TrimSpace(text); text != "" && !strings.Contains(page, text) {
				t.Errorf("docs/health.md does not have the reason %q", text)
			}
		}
		if !strings.Contains(page, "`"+string(c.Status)+"`") {
			t.Errorf("docs/health.md does not have the status %s", c.Status)
		}
	}
}

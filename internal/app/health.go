package app

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ignis-go/ignis/access"
	"github.com/ignis-go/ignis/auth/jwtauth"
	"github.com/ignis-go/ignis/redisbus"
	"github.com/ignis-go/ignis/webhook"
)

// health is the body of the response to a probe.
type health struct {
	Status string  `json:"status"`
	Checks []check `json:"checks,omitempty"`
}

// check is the state of one part of the program. Clients can read the reason, so it must not reveal
// anything about the network behind the server. The log has the details.
type check struct {
	Name   string      `json:"name"`
	Status checkStatus `json:"status"`
	Reason string      `json:"reason,omitempty"` // empty if the status is ok
}

// checkStatus is the status of a check.
type checkStatus string

const (
	statusOK       checkStatus = "ok"
	statusDegraded checkStatus = "degraded" // the server can take traffic, but something does not work
	statusFailed   checkStatus = "failed"   // the server should get no traffic
	statusStarting checkStatus = "starting"
	statusDraining checkStatus = "draining"
	statusStopping checkStatus = "stopping"
)

// The statuses of the program, apart from those of the check of the server.
const (
	ready    = "ready"
	degraded = "degraded"
	notReady = "not ready"
)

// newHealth returns the health of a program with these checks. The first is that of the server.
func newHealth(checks []check) health {
	h := health{Status: ready, Checks: checks}
	if server := checks[0].Status; server != statusOK {
		h.Status = string(server)
		return h
	}
	for _, c := range checks {
		switch {
		case c.Status == statusFailed:
			h.Status = notReady
		case c.Status == statusDegraded && h.Status == ready:
			h.Status = degraded
		}
	}
	return h
}

// code returns the HTTP status that tells a load balancer whether the server can take traffic.
func (h health) code() int {
	if h.Status == ready || h.Status == degraded {
		return http.StatusOK
	}
	return http.StatusServiceUnavailable
}

// started reports whether the server has accepted clients.
func (a *App) started() bool {
	select {
	case <-a.server.Ready():
		return true
	default:
		return false
	}
}

// health checks the parts that the program consists of as it is configured.
func (a *App) health() health {
	p := a.policy.Load()
	state := a.server.Health()
	checks := []check{checkServer(state.Ready, state.Draining, a.started(), a.bus != nil && state.Bus != nil)}
	if a.bus != nil {
		checks = append(checks, checkRedis(state.Bus, p.redisRequired, a.cfg.Dev || relays(p.rules)))
	}
	if p.tokens != nil {
		checks = append(checks, checkTokens(p.tokens.Status(), len(p.config.Secret) > 0 || len(p.config.Keys) > 0))
	}
	if a.hooks != nil {
		checks = append(checks, checkWebhook(a.hooks.Stats()))
	}
	if l := a.Listening(); !l.CertificateExpires.IsZero() || l.ACME.Domains > 0 {
		checks = append(checks, checkCertificate(l, time.Now()))
	}
	return newHealth(checks)
}

// checkServer returns the state of the server. waits says that it waits for Redis if it has not
// started.
func checkServer(accepts, draining, started, waits bool) check {
	c := check{Name: "server", Status: statusOK}
	switch {
	case draining:
		c.Status, c.Reason = statusDraining, "the server is draining: it shuts down soon, and clients should connect to another one"
	case accepts:
	case started:
		c.Status, c.Reason = statusStopping, "the server is shutting down"
	case waits:
		c.Status, c.Reason = statusStarting, "the server waits for Redis"
	default:
		c.Status, c.Reason = statusStarting, "the server is starting"
	}
	return c
}

// relays reports whether rules let clients send messages to rooms.
func relays(rules *access.Rules) bool {
	if rules == nil {
		return false
	}
	for _, r := range rules.List() {
		if slices.ContainsFunc(r.Send, access.SendRule.Relays) {
			return true
		}
	}
	return false
}

// checkRedis returns the state of the bus for its error. local says that clients of this server
// can send messages to each other.
func checkRedis(err error, required, local bool) check {
	c := check{Name: "redis", Status: statusDegraded}
	switch {
	case err == nil:
		c.Status = statusOK
		return c
	case errors.Is(err, redisbus.ErrPartial):
		// All servers see this. If they were all unready, none would be left.
		c.Reason = "part of the Redis Cluster is unreachable; messages from instances connected to that part may be missing"
		return c
	case required:
		c.Status = statusFailed
	}
	c.Reason = "messages cannot be exchanged over Redis at the moment; clients stay connected, but do not receive what emitters and other instances send"
	if local {
		c.Reason += "; clients of this server still reach each other"
	}
	return c
}

// checkTokens returns the state of the files and URLs with keys. fixed says that there are other
// keys as well.
func checkTokens(sources []jwtauth.SourceStatus, fixed bool) check {
	c := check{Name: "tokens", Status: statusOK}
	var missing, stale int
	for _, s := range sources {
		switch {
		case s.Loaded.IsZero():
			missing++
		case s.Err != nil:
			stale++
		}
	}
	switch {
	case missing > 0 && missing == len(sources) && !fixed:
		c.Status, c.Reason = statusFailed, "no keys of tokens have been fetched yet, so no client can be authenticated"
	case missing > 0:
		c.Status, c.Reason = statusDegraded, "some keys of tokens have not been fetched yet; clients whose tokens need them are told to try again later"
	case stale > 0:
		c.Status, c.Reason = statusDegraded, "some keys of tokens cannot be read again; the previous ones stay in use"
	}
	return c
}

// checkWebhook returns the state of the application's endpoint.
func checkWebhook(s webhook.Stats) check {
	c := check{Name: "webhook", Status: statusOK}
	var open []string
	for _, kind := range []struct {
		name    string
		circuit webhook.CircuitState
	}{
		{"authenticate", s.Authenticate.Circuit}, {"join", s.Rooms.Circuit}, {"message", s.Messages.Circuit}, {"events", s.Events.Circuit},
	} {
		if kind.circuit != webhook.CircuitClosed {
			open = append(open, kind.name)
		}
	}
	if open != nil {
		c.Status, c.Reason = statusDegraded, "the application's endpoint has failed repeatedly, and has not answered requests of these types since: "+strings.Join(open, ", ")
	}
	return c
}

// checkCertificate returns the state of the certificate that clients see.
//
// A missing certificate does not make the server unready: a load balancer that therefore sends no
// connections would keep the authority out as well, and there would never be a certificate.
func checkCertificate(s Listening, now time.Time) check {
	c := check{Name: "certificate", Status: statusOK}
	obtained := checkObtained(s.ACME)
	switch {
	case !s.CertificateExpires.IsZero() && !now.Before(s.CertificateExpires):
		c.Status, c.Reason = statusDegraded, "the certificate has expired on "+s.CertificateExpires.UTC().Format(time.DateOnly)+"; clients that verify it cannot connect"
	case s.ReloadError != nil:
		c.Status, c.Reason = statusDegraded, "the changed files for TLS cannot be used; the previous certificate stays in use"
	case obtained != "":
		c.Status, c.Reason = statusDegraded, obtained
	}
	return c
}

// Report is a summary of the state of the program.
type Report struct {
	// Status is that of /readyz, such as ready or degraded.
	Status string
	// Failing names the checks that are degraded or have failed.
	Failing []string
	// Draining reports whether the server is draining.
	Draining bool
	// Clients is the number of connected clients.
	Clients int
}

// Report returns a summary of the state of the program. It asks the same parts as /readyz.
func (a *App) Report() Report {
	h := a.health()
	r := Report{Status: h.Status, Draining: h.Status == string(statusDraining), Clients: a.server.Stats().Clients}
	for _, c := range h.Checks {
		if c.Status == statusDegraded || c.Status == statusFailed {
			r.Failing = append(r.Failing, c.Name)
		}
	}
	return r
}

// Started returns a channel that is closed when the server accepts clients.
func (a *App) Started() <-chan struct{} { return a.server.Ready() }

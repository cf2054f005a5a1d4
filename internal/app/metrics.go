package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/auth/jwtauth"
	"github.com/ignis-go/ignis/internal/listen"
	"github.com/ignis-go/ignis/internal/logarea"
	"github.com/ignis-go/ignis/internal/observe"
	"github.com/ignis-go/ignis/promignis"
)

const metricsPath = "/metrics"

// Metrics configures the listener for operators. It serves metrics for Prometheus and the
// probes, over plain HTTP and without authentication.
type Metrics struct {
	// Listen is the host:port to listen on. Empty: there is no such listener.
	Listen string
	// Profiles serves package net/http/pprof. Listen must then be a loopback address.
	Profiles bool
	// Version and Revision describe the program.
	Version, Revision string
}

func (m *Metrics) observe() observe.Config {
	return observe.Config{Address: m.Listen, Profiles: m.Profiles}
}

// checkMetrics returns an error for settings of the metrics that contradict each other.
func (c *Config) checkMetrics() error {
	m := &c.Metrics
	if m.Listen == "" {
		if m.Profiles {
			return usage("set --metrics-listen to a loopback address such as 127.0.0.1:9464", "--pprof: profiles are served on the address in --metrics-listen, which is not set")
		}
		return nil
	}
	switch err := m.observe().Check(); {
	case err != nil && m.Profiles:
		return usage("listen on a loopback address, or leave out --pprof", "--metrics-listen: %w", err)
	case err != nil:
		return usage("", "--metrics-listen: %w", err)
	case c.Dev && !listen.IsLoopbackHost(m.Listen):
		return usage("use a loopback address such as 127.0.0.1:9464", "--dev serves only this machine, so --metrics-listen cannot be %s", m.Listen)
	}
	return nil
}

// setMetrics adds the hooks that metrics need.
func (a *App) setMetrics(cfg *ignis.Config) {
	if a.cfg.Metrics.Listen == "" {
		return
	}
	a.recorder = promignis.NewRecorder()
	cfg.Hooks = ignis.CombineHooks(cfg.Hooks, a.recorder.Hooks())
}

// serveMetrics starts to serve metrics, probes and profiles, and returns a function that ends
// it.
func (a *App) serveMetrics(ctx context.Context) (closeServer func(), err error) {
	if a.cfg.Metrics.Listen == "" {
		return func() {}, nil
	}
	probes := http.HandlerFunc(a.serveProbe)
	c := a.cfg.Metrics.observe()
	c.Handlers = map[string]http.Handler{metricsPath: a.metrics(), healthPath: probes, readyPath: probes, startupPath: probes}
	c.ErrorLog = newErrorLog(a.httpLimit)
	s, err := observe.Start(ctx, c)
	if err != nil {
		e := &Error{Err: fmt.Errorf("--metrics-listen: %w", err)}
		if errors.Is(err, syscall.EADDRINUSE) {
			e.Hint = "is another program listening there? Each instance needs an address of its own"
		}
		return nil, e
	}
	a.log.Info("serving metrics and probes", "url", s.URL(), "pprof", c.Profiles)
	return s.Close, nil
}

// metrics returns the handler for scrapes.
func (a *App) metrics() http.Handler {
	c := promignis.Config{
		Recorder: a.recorder, Server: a.server, Bus: a.bus, Webhook: a.hooks, Access: a.rooms,
		Listening: a.listening,
		Version:   a.cfg.Metrics.Version, Revision: a.cfg.Metrics.Revision,
		Logger: logarea.With(a.base, logarea.HTTP),
	}
	if a.policy.Load().tokens != nil {
		c.TokenStatus = a.tokenStatus
	}
	return promignis.Handler(c)
}

// tokenStatus returns the state of the keys of tokens. App.Reload can replace the verifier.
func (a *App) tokenStatus() []jwtauth.SourceStatus { return a.policy.Load().tokens.Status() }

// listening returns the state of the listeners.
func (a *App) listening() promignis.Listening {
	l := a.Listening()
	return promignis.Listening{
		Preparing: l.Pending, Waiting: l.Waiting,
		Handshakes: l.Handshakes, HandshakesFailed: l.HandshakesFailed, HandshakesSlow: l.HandshakesSlow, HandshakesCutOff: l.HandshakesCutOff,
		ProxyRefused: l.ProxyRefused, RequestsSlow: l.RequestsSlow, RequestsCutOff: l.RequestsCutOff,
		CertificateExpires: l.CertificateExpires, ReloadsFailed: l.ReloadsFailed, ReloadError: l.ReloadError,
		ACMEDomains: l.ACME.Domains, ACMEMissing: l.ACME.Missing, ACMEFailing: l.ACME.Failing, ACMEIssued: l.ACME.Issued, ACMEFailed: l.ACME.Failed,
	}
}

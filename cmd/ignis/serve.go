package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/alecthomas/kong"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/app"
	"github.com/ignis-go/ignis/internal/logarea"
	"github.com/ignis-go/ignis/redisbus"
)

// serveCmd runs a server until a signal ends it.
type serveCmd struct{ settings }

// Help returns the text that --help shows below the summary.
func (serveCmd) Help() string {
	return `Clients connect to ws://HOST:PORT/ws and authenticate with a token. In development mode, any credentials are accepted.

A token is a JWT, signed with a secret or a private key, which the client sends as token in the data of the event authenticate. The claim sub is the user ID, rooms lists the rooms that the client may join, where a * at the end of a name matches any text, and exp is required. The names of claims are case-sensitive, and a duplicate name makes a token invalid. The session ends when the token expires (close code 4005), unless a client that uses protocol 2 has sent a new one in the event refresh. The server drops messages from clients, unless the section rooms of the configuration file (--config) says what becomes of them.

The configuration file can set all flags, and in addition rules for rooms, a webhook and the keys of the HTTP API, which ignis api-key makes. Flags take precedence over environment variables, and both over the file. On SIGHUP, and when the file changes, the server reads it again and applies what can change, without disconnecting clients. ignis config --help and docs/configuration.md describe it.

GET /ignis.js answers with the client for browsers, which defines the global Ignis: new Ignis.Client("/ws", {token}).

GET /healthz answers 200 while the process is alive, /startupz once the server has accepted clients, and /readyz while it can take traffic, and otherwise 503; the answer says which part does not work. A server that has lost Redis is degraded: it keeps its clients and accepts new ones, but they do not receive what emitters and other instances send, and /readyz answers 200. With --redis-required it answers 503, so that load balancers choose other instances; if all have lost Redis, nobody can connect. With --metrics-listen, another address serves metrics and the probes; docs/metrics.md and docs/health.md describe them.

SIGTERM makes the server unready and, after --drain-delay, closes the clients evenly spread over --drain-window. SIGINT (Ctrl-C) closes them all without a delay. A second signal ends the server immediately. docs/deploys.md describes deployments without an outage.

Examples:

  ignis serve --dev

  ignis serve --listen :8080 --redis redis://10.0.0.5:6379 --jwt-secret-file /run/secrets/jwt

  ignis serve --config ignis.yaml`
}

// handlesHangup implements hangupHandler: SIGHUP reloads the configuration.
func (*serveCmd) handlesHangup() {}

// Run serves until ctx is done.
func (c *serveCmd) Run(ctx context.Context, command *kong.Context, std *stdio) error {
	e, err := loadSettings(&c.settings, command)
	if err != nil {
		return err
	}
	levels := logarea.NewLevels()
	levels.Set(e.logLevels())
	log, announce := newAreaLogger(std, e.LogFormat, levels, e.file)
	program := logarea.With(log, logarea.Program)
	cfg, err := e.appConfig(log)
	if err != nil {
		return err
	}
	service, err := takeService(&cfg)
	if err != nil {
		return err
	}
	if cfg.Redis, err = e.redisFlags.load(e.Redis, "", logarea.With(log, logarea.Redis)); err != nil {
		return e.serveError(err)
	}
	cfg.Server.MemoryLimit = memoryBudget(e.MemoryLimit)
	e.announce(&cfg, std, program)
	a, err := app.New(cfg)
	if err != nil {
		return e.serveError(err)
	}
	announce()
	// These end with the server.
	running, stop := context.WithCancel(ctx)
	m := newManager(service, a, program)
	ending := m.start(ctx)
	var helpers sync.WaitGroup
	helpers.Go(func() {
		r := reloader{running: e, app: a, levels: levels, base: log, log: program, manager: m}
		r.run(running, std.hangups)
	})
	helpers.Go(func() { drainOnSignal(running, a, std, m) })
	err = a.Run(ctx)
	stop()
	helpers.Wait()
	ending()
	return e.serveError(err)
}

// drainOnSignal drains the server on SIGTERM.
func drainOnSignal(ctx context.Context, a *app.App, std *stdio, m *manager) {
	if std.terminations == nil {
		return
	}
	select {
	case <-std.terminations():
		m.stopping()
		a.Drain(ctx)
	case <-ctx.Done():
	}
}

// appConfig returns the configuration of the server, without Redis and OnReady.
func (e *effective) appConfig(log *slog.Logger) (c app.Config, err error) {
	c = app.Config{
		Listen:         e.listenFlags.config(),
		ACME:           e.acmeFlags.config(&e.listenFlags),
		Path:           e.Path,
		Server:         e.limits(log),
		RedisRequired:  e.RedisRequired,
		Metrics:        e.metricsFlags.config(),
		Dev:            e.Dev,
		Terminal:       e.terminal(),
		JWTSecretFile:  e.JWTSecretFile,
		JWTSecret:      []byte(e.JWTSecret),
		AllowedOrigins: e.AllowedOrigins,
		Proxies:        e.proxies(),
	}
	if c.Tokens, err = e.tokenFlags.config(); err == nil {
		c.Webhook, err = e.webhookFlags.config()
	}
	if err == nil {
		c.Rules, err = e.rules()
	}
	if err == nil {
		c.API, err = e.apiFlags.config(&e.listenFlags)
	}
	if err != nil {
		return c, &exitError{exitUsage, e.problems(err), settingsHint}
	}
	return c, nil
}

// announce makes the server print the address of each listener, for users and for scripts that
// wait for it.
func (s *settings) announce(cfg *app.Config, std *stdio, log *slog.Logger) {
	show := func(note string) func(urls []string) {
		return func(urls []string) {
			for _, url := range urls {
				if _, err := fmt.Fprintf(std.out, "listening on %s%s\n", url, note); err != nil {
					log.Warn("could not write to standard output", "error", err)
					return
				}
			}
		}
	}
	cfg.OnReady, cfg.API.OnReady = show(""), show("   (HTTP API)")
	if s.Dev {
		cfg.OnReady = show("   (development mode: anyone may connect)")
	}
}

// serveError adds the exit code and the hint to an error of package app or redisbus.
func (e *effective) serveError(err error) error {
	var (
		failed *app.Error
		exit   *exitError
	)
	switch {
	case errors.As(err, &exit):
		return &exitError{exit.code, &explained{err, e.explain(err.Error())}, e.explain(exit.hint)}
	case errors.As(err, &failed):
		code := exitFailed
		if failed.Usage {
			code = exitUsage
		}
		return &exitError{code, &explained{err, e.explain(err.Error())}, e.explain(failed.Hint)}
	case errors.Is(err, redisbus.ErrConfig):
		err = redisError(err)
	}
	return err
}

// explained is an error with another text.
type explained struct {
	error
	text string
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.error }

// level returns the log level. Here and below, the parser has already validated the text.
func (s *settings) level() slog.Level {
	if s.LogLevel == "" && s.Dev {
		return slog.LevelWarn
	}
	var level slog.Level // info
	if s.LogLevel != "" {
		_ = level.UnmarshalText([]byte(s.LogLevel))
	}
	return level
}

func (s *settings) encryption() ignis.Encryption {
	e := ignis.EncryptionOff
	if s.Dev {
		e = ignis.EncryptionOptional
	}
	if s.Encryption != "" {
		_ = e.UnmarshalText([]byte(s.Encryption))
	}
	return e
}

// limits returns the configuration of the server without the fields that package app
// sets.
func (s *settings) limits(log *slog.Logger) ignis.Config {
	c := ignis.Config{
		MaxClients: int(s.MaxClients),

		MaxClientsPerAddress:   int(s.MaxClientsPerAddress),
		MaxClientsPerUser:      int(s.MaxClientsPerUser),
		UserPolicy:             s.UserPolicy.UserPolicy,
		UpgradeRate:            int(s.UpgradeRate),
		UpgradeBurst:           int(s.UpgradeBurst),
		UpgradeRatePerAddress:  int(s.UpgradeRatePerAddress),
		UpgradeBurstPerAddress: int(s.UpgradeBurstPerAddress),
		AuthFailureRate:        int(s.AuthFailureRate),
		AuthFailureBurst:       int(s.AuthFailureBurst),
		AuthConcurrency:        int(s.AuthConcurrency),
		AuthQueue:              int(s.AuthQueue),
		MaxToken:               int(s.MaxToken),
		MessageRate:            int(s.MessageRate),
		MessageBurst:           int(s.MessageBurst),
		ByteRate:               int(s.ByteRate),
		ByteBurst:              int(s.ByteBurst),
		ThrottleTimeout:        time.Duration(s.ThrottleTimeout),
		JoinRate:               int(s.JoinRate),
		JoinBurst:              int(s.JoinBurst),
		MemoryLimit:            int64(s.MemoryLimit),

		DefaultRooms:      s.DefaultRooms,
		MaxRooms:          int(s.MaxRooms),
		MaxPayload:        int(s.MaxPayload),
		MaxMessage:        int(s.MaxMessage),
		AuthMaxPayload:    int(s.AuthMaxPayload),
		AuthMaxFrames:     int(s.AuthMaxFrames),
		AuthMaxMistakes:   int(s.AuthMaxMistakes),
		BackpressureLimit: int(s.BackpressureLimit),
		SlowPolicy:        s.SlowClients.SlowPolicy,
		AuthTimeout:       time.Duration(s.AuthTimeout),
		HeartbeatInterval: time.Duration(s.HeartbeatInterval),
		HeartbeatTimeout:  time.Duration(s.HeartbeatTimeout),
		WriteTimeout:      time.Duration(s.WriteTimeout),
		BehindTimeout:     time.Duration(s.BehindTimeout),
		IdleTimeout:       time.Duration(s.IdleTimeout),
		ShutdownTimeout:   time.Duration(s.ShutdownTimeout),
		DrainDelay:        time.Duration(max(s.DrainDelay, 0)),
		DrainWindow:       time.Duration(s.DrainWindow),
		MaxConnectionAge:  time.Duration(max(s.MaxConnectionAge, 0)),
		Encryption:        s.encryption(),
		Compression:       s.Compress,
		PlainIO:           s.PlainIO,
		Software:          "ignis/" + thisBuild().Version,
		Logger:            log,
	}
	if s.Dev { // for ignis bench, whose clients send much faster than users
		c.MessageRate, c.ByteRate = -1, -1
	}
	return c
}

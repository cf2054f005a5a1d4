package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/auth/jwtauth"
	"github.com/ignis-go/ignis/internal/loglimit"
	"github.com/ignis-go/ignis/redisbus"
)

// secretVariable holds the JWT secret itself. It has no flag: other users of
// the machine can read the arguments of a process.
const secretVariable = "IGNIS_JWT_SECRET"

// startNotice is after how long a person should learn why nothing happens.
const startNotice = 2 * time.Second

// serveCmd runs a server until a signal ends it.
type serveCmd struct {
	Listen listenAddress `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address to listen on (${default}). Port 0 picks one that is free."`
	Path   string        `default:"/ws" help:"Path of the WebSocket endpoint (${default})."`
	Redis  string        `placeholder:"URL" help:"Redis that connects this server with others: redis://[user:pass@]host[:6379][/db], rediss:// for TLS, redis+sentinel://host,host/master-name or redis+cluster://host,host. Messages are the same in all databases: see --prefix. Without it this server is alone. Other users of the machine can read arguments: for a password use --redis-file, or the environment."`
	redisFlags

	Dev            bool        `group:"Who may connect" help:"Development: anyone may connect as anybody and join every room, a page at / lets two tabs talk, and a message whose data has a room goes to that room. Loopback addresses only."`
	JWTSecretFile  string      `name:"jwt-secret-file" group:"Who may connect" placeholder:"FILE" help:"File with the secret, at least 32 bytes, of HS256 tokens. The secret itself may be in $$IGNIS_JWT_SECRET instead."`
	AllowedOrigins originList  `group:"Who may connect" placeholder:"ORIGIN,..." help:"Pages of other hosts whose browsers may connect, such as https://app.example.com; * for any. Pages of the server's own host always may."`
	TrustedProxies networkList `group:"Who may connect" placeholder:"NETWORK,..." help:"Reverse proxies whose word on a client's address counts, such as 10.0.0.0/8."`
	ProxyHeader    string      `default:"X-Forwarded-For" enum:"X-Forwarded-For,Forwarded" group:"Who may connect" placeholder:"NAME" help:"Header in which they write it: X-Forwarded-For or Forwarded (${default})."`

	MaxClients        countOrAuto `default:"auto" group:"Limits" placeholder:"N" help:"Connections that may be open (${default}: as many as the process may have descriptors, less a reserve)."`
	DefaultRooms      nameList    `default:"ws-default,ws-notification" group:"Limits" placeholder:"ROOM,..." help:"Rooms that every client joins (${default}); empty for none."`
	MaxRooms          count       `default:"128" group:"Limits" placeholder:"N" help:"Rooms that a client may join beside these (${default})."`
	MaxPayload        byteSize    `default:"128KiB" group:"Limits" placeholder:"SIZE" help:"Largest message from a client (${default})."`
	MaxMessage        byteSize    `default:"1MiB" group:"Limits" placeholder:"SIZE" help:"Largest message to clients (${default})."`
	AuthMaxPayload    byteSize    `default:"8KiB" group:"Limits" placeholder:"SIZE" help:"Largest message from a client that is not authenticated yet, its token included (${default})."`
	AuthMaxFrames     count       `default:"64" group:"Limits" placeholder:"N" help:"WebSocket frames from a client that is not authenticated yet (${default})."`
	AuthMaxMistakes   count       `default:"8" group:"Limits" placeholder:"N" help:"Messages out of place from a client that is not authenticated yet (${default})."`
	BackpressureLimit byteSize    `default:"1MiB" group:"Limits" placeholder:"SIZE" help:"What may wait for a client that reads too slowly (${default})."`
	SlowClients       string      `default:"disconnect" enum:"disconnect,drop-newest,drop-oldest,latest" group:"Limits" placeholder:"POLICY" help:"What happens over that limit: disconnect the client, drop-newest or drop-oldest message, or keep only the latest of each key (${default})."`
	AuthTimeout       period      `default:"5s" group:"Limits" placeholder:"TIME" help:"How long a client may take to authenticate (${default})."`
	HeartbeatInterval period      `default:"30s" group:"Limits" placeholder:"TIME" help:"How often silent clients are looked for (${default})."`
	HeartbeatTimeout  period      `default:"90s" group:"Limits" placeholder:"TIME" help:"How long a client may send no message (${default})."`
	WriteTimeout      period      `default:"30s" group:"Limits" placeholder:"TIME" help:"How long a client may take nothing of what waits for it (${default})."`
	BehindTimeout     period      `default:"60s" group:"Limits" placeholder:"TIME" help:"How long a client may go unread because its messages are not handled yet (${default})."`
	IdleTimeout       periodOrOff `default:"60s" group:"Limits" placeholder:"TIME" help:"How long a client may leave pings without an answer (${default}); off for no pings."`
	ShutdownTimeout   period      `default:"10s" group:"Limits" placeholder:"TIME" help:"How long an orderly end may take (${default})."`

	Encryption string `default:"" enum:"off,optional,required," group:"Transport" placeholder:"off|optional|required" help:"Encryption of what each client sends and gets: optional for clients that send a public key, or required (off; with --dev optional). It does not replace TLS."`

	Compress bool `group:"Transport" help:"Compress messages from 256 bytes on for clients that offer it (permessage-deflate): once per message, not per client. Saves network, costs CPU."`
	PlainIO  bool `name:"plain-io" group:"Transport" help:"Read and write without epoll, as for TLS and on other systems than Linux: more memory and time per client, for a system on which epoll gives trouble."`

	LogFormat string `default:"text" enum:"text,json" group:"Log" placeholder:"text|json" help:"Form of the log, which goes to standard error (${default})."`
	LogLevel  string `default:"" enum:"debug,info,warn,error," group:"Log" placeholder:"LEVEL" help:"What is logged: debug, info, warn or error (info; with --dev warn)."`
}

// Help returns what --help shows below the summary.
func (serveCmd) Help() string {
	return `Clients connect to ws://HOST:PORT/ws and authenticate with a token, or with anything in development mode.

A token is a JWT signed with HS256, sent as data.token. Its sub is the user's id, its rooms a list of the rooms that the client may join, where a * at the end of a name stands for any text; its exp is required. Names in a token count as they are spelled, and one that comes twice makes it invalid. An expiry while the client is connected does not end the connection. Messages that clients send have no receiver in this program, except with --dev: to handle them, use the Go package.

GET /healthz answers 200 while the process serves; GET /readyz answers 200 while clients are accepted and Redis carries messages, else 503 with the reason. SIGTERM ends the server in good order, a second one at once.

Examples:

  ignis serve --dev

  ignis serve --listen :8080 --redis redis://10.0.0.5:6379 --jwt-secret-file /run/secrets/jwt`
}

// Run serves until ctx ends.
func (c *serveCmd) Run(ctx context.Context, std *stdio) error {
	secret, err := c.check()
	if err != nil {
		return err
	}
	log := newLogger(std.err, c.LogFormat, c.level())
	limit := loglimit.New(log)
	limit.Open()
	defer limit.Close()
	cfg := c.limits(log)
	var d *devMode
	if c.Dev {
		d = newDevMode(c.Path, log, limit)
		cfg.Authenticate, cfg.ValidateRooms = d.authenticate, d.validateRooms
		cfg.OnMessage, cfg.Accept = d.relay, d.accept
	} else {
		if err := secret.load(log); err != nil {
			return err
		}
		tokens, err := jwtauth.New(jwtauth.Config{Secret: secret.key, MaxToken: int(c.AuthMaxPayload)})
		if err != nil {
			return err
		}
		cfg.Authenticate, cfg.ValidateRooms = tokens.Authenticate, tokens.ValidateRooms
		cfg.Accept = c.accept
	}
	redis, err := c.load(c.Redis, "", log)
	if err != nil {
		return err
	}
	if redis.URL != "" {
		bus, err := redisbus.New(redis)
		if err != nil {
			return redisError(err)
		}
		cfg.Bus = bus
	} else if !c.Dev {
		log.Info("no Redis is configured: this server is alone, and no emitter reaches it")
	}
	srv, err := ignis.New(cfg)
	if err != nil {
		return usage("ignis serve --help shows the limits", "%w", err)
	}
	handler := newEndpoints(c.Path, srv, c.Dev)
	if d != nil {
		d.server = srv
		handler = d.guard(handler)
	}
	return c.serve(ctx, std, log, srv, newHTTPServer(handler, limit), limit)
}

// accept decides on requests.
func (c *serveCmd) accept(r *http.Request) (ignis.Accepted, error) {
	proxies := ignis.Proxies{Networks: c.TrustedProxies, Header: c.ProxyHeader}
	return ignis.Accepted{RemoteAddr: proxies.RemoteAddr(r)}, ignis.CheckOrigin(r, c.AllowedOrigins)
}

// check finds what is wrong with the flags together, before anything is done.
func (c *serveCmd) check() (jwtSecret, error) {
	secret := jwtSecret{file: c.JWTSecretFile, key: []byte(os.Getenv(secretVariable))}
	if err := checkPath(c.Path, c.Dev); err != nil {
		return secret, err
	}
	if c.HeartbeatTimeout < c.HeartbeatInterval {
		return secret, usage("silent clients are found once per --heartbeat-interval",
			"--heartbeat-timeout: expected at least --heartbeat-interval (%v)", time.Duration(c.HeartbeatInterval))
	}
	switch {
	case !c.Dev && !secret.given():
		return secret, usage("set --jwt-secret-file; for a try on this machine use --dev", "no authenticator is configured")
	case c.Dev && secret.given():
		return secret, usage("leave out --dev, or --jwt-secret-file and "+secretVariable,
			"--dev lets anyone in, and a JWT secret is configured")
	case c.Dev && !isLoopback(c.Listen.host):
		return secret, usage("listen on 127.0.0.1, ::1 or localhost, or set --jwt-secret-file instead of --dev",
			"--dev lets anyone in, so it does not listen on %s", c.Listen)
	case c.Dev && c.AllowedOrigins != nil:
		return secret, usage("leave out --allowed-origins, or --dev",
			"--dev accepts pages from this machine alone, and --allowed-origins names others")
	}
	return secret, nil
}

// checkPath accepts a path for the WebSocket endpoint that nothing else has.
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

func (c *serveCmd) level() slog.Level {
	if c.LogLevel == "" && c.Dev {
		return slog.LevelWarn
	}
	var level slog.Level // info
	if c.LogLevel != "" {
		_ = level.UnmarshalText([]byte(c.LogLevel)) // the parser took no other
	}
	return level
}

func (c *serveCmd) encryption() ignis.Encryption {
	e := ignis.EncryptionOff
	if c.Dev {
		e = ignis.EncryptionOptional
	}
	if c.Encryption != "" {
		_ = e.UnmarshalText([]byte(c.Encryption)) // the parser took no other
	}
	return e
}

func (c *serveCmd) slowPolicy() (p ignis.SlowPolicy) {
	_ = p.UnmarshalText([]byte(c.SlowClients)) // the parser took no other
	return p
}

func (c *serveCmd) limits(log *slog.Logger) ignis.Config {
	clients := int(c.MaxClients)
	if clients == 0 {
		clients = maxClients()
	}
	return ignis.Config{
		MaxClients:        clients,
		DefaultRooms:      c.DefaultRooms,
		MaxRooms:          int(c.MaxRooms),
		MaxPayload:        int(c.MaxPayload),
		MaxMessage:        int(c.MaxMessage),
		AuthMaxPayload:    int(c.AuthMaxPayload),
		AuthMaxFrames:     int(c.AuthMaxFrames),
		AuthMaxMistakes:   int(c.AuthMaxMistakes),
		BackpressureLimit: int(c.BackpressureLimit),
		SlowPolicy:        c.slowPolicy(),
		AuthTimeout:       time.Duration(c.AuthTimeout),
		HeartbeatInterval: time.Duration(c.HeartbeatInterval),
		HeartbeatTimeout:  time.Duration(c.HeartbeatTimeout),
		WriteTimeout:      time.Duration(c.WriteTimeout),
		BehindTimeout:     time.Duration(c.BehindTimeout),
		IdleTimeout:       time.Duration(c.IdleTimeout),
		ShutdownTimeout:   time.Duration(c.ShutdownTimeout),
		Encryption:        c.encryption(),
		Compression:       c.Compress,
		PlainIO:           c.PlainIO,
		Logger:            log,
	}
}

// serve listens, says so, and returns when ctx has ended or something failed
// and everything is closed.
func (c *serveCmd) serve(ctx context.Context, std *stdio, log *slog.Logger, srv *ignis.Server, hs *http.Server, limit *loglimit.Limiter) error {
	var lc net.ListenConfig
	if c.IdleTimeout > 0 {
		lc.KeepAlive = -1 // four system calls per client for what pings do as well
	}
	ln, err := lc.Listen(ctx, "tcp", c.Listen.String())
	if err != nil {
		return &exitError{exitFailed, fmt.Errorf("--listen: %w", err), c.Listen.hint(err)}
	}
	if a, ok := ln.Addr().(*net.TCPAddr); c.Dev && (!ok || !a.IP.IsLoopback()) {
		_ = ln.Close() // a name that means something else here
		return usage("listen on 127.0.0.1 or ::1", "--dev lets anyone in, so it does not listen on %s", ln.Addr())
	}
	gate := newGate()
	hs.Handler, hs.ConnContext = gate.open(hs.Handler), gate.attach
	ln = gate.listen(newRoomyListener(ln, limit))
	runCtx, stop := context.WithCancel(context.WithoutCancel(ctx)) // it ends after the listener
	defer stop()
	httpDone, srvDone := make(chan error, 1), make(chan error, 1)
	go func() { httpDone <- hs.Serve(ln) }()
	go func() { srvDone <- srv.Run(runCtx) }()

	log.Info("listening", "address", ln.Addr().String(), "descriptors", descriptorLimit())
	ready, httpEnded := srv.Ready(), false
	late := time.NewTimer(startNotice)
	defer late.Stop()
	for running := true; running; {
		select {
		case <-ready:
			ready = nil
			late.Stop()
			if err := c.announce(std, ln.Addr()); err != nil {
				log.Warn("standard output", "error", err)
			}
		case <-late.C:
			log.Warn("no clients are accepted yet: waiting for Redis")
		case err = <-httpDone:
			running, httpEnded = false, true
			err = fmt.Errorf("serving HTTP: %w", err)
		case err = <-srvDone:
			running = false
			srvDone <- nil // it is waited for below
			err = c.explain(err)
		case <-ctx.Done():
			running = false
		}
	}
	// No new client comes in before those that are here are told to go.
	_ = ln.Close()
	stop()
	err = errors.Join(err, <-srvDone)
	closeHTTP(hs)
	if !httpEnded {
		<-httpDone
	}
	return err
}

// announce tells a person, or the script that waits for it, where the server is.
func (c *serveCmd) announce(std *stdio, addr net.Addr) error {
	note := ""
	if c.Dev {
		note = "   (development mode: anyone may connect)"
	}
	_, err := fmt.Fprintf(std.out, "listening on http://%s%s\n", addr, note)
	return err
}

// explain adds what to do when the server has ended by itself.
func (c *serveCmd) explain(err error) error {
	if err == nil || c.Redis == "" && c.RedisFile == "" {
		return err
	}
	return &exitError{exitFailed, err, "is Redis running, and does --redis or --redis-file have its address and password?"}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/app"
	"github.com/ignis-go/ignis/redisbus"
)

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

A token is a JWT signed with HS256, sent as data.token. Its sub is the user's id, its rooms a list of the rooms that the client may join, where a * at the end of a name stands for any text; its exp is required. Names in a token count as they are spelled, and one that comes twice makes it invalid. The session ends when the token expires (close code 4005), unless the client has sent a new one before, which clients of protocol 2 can (event refresh). Messages that clients send have no receiver in this program, except with --dev: to handle them, use the Go package.

GET /healthz answers 200 while the process serves; GET /readyz answers 200 while clients are accepted and Redis carries messages, else 503 with the reason. SIGTERM ends the server in good order, a second one at once.

Examples:

  ignis serve --dev

  ignis serve --listen :8080 --redis redis://10.0.0.5:6379 --jwt-secret-file /run/secrets/jwt`
}

// Run serves until ctx ends.
func (c *serveCmd) Run(ctx context.Context, std *stdio) error {
	log := newLogger(std.err, c.LogFormat, c.level())
	redis, err := c.load(c.Redis, "", log)
	if err != nil {
		return err
	}
	a, err := app.New(app.Config{
		Listen:         c.Listen.String(),
		Path:           c.Path,
		Server:         c.limits(log),
		Redis:          redis,
		Dev:            c.Dev,
		JWTSecretFile:  c.JWTSecretFile,
		JWTSecret:      []byte(os.Getenv(app.SecretVariable)),
		AllowedOrigins: c.AllowedOrigins,
		Proxies:        ignis.Proxies{Networks: c.TrustedProxies, Header: c.ProxyHeader},
		OnReady: func(addr net.Addr) {
			if err := c.announce(std, addr); err != nil {
				log.Warn("standard output", "error", err)
			}
		},
	})
	if err == nil {
		err = a.Run(ctx)
	}
	return serveError(err)
}

// announce tells a person, or a script that waits for it, where the server is.
func (c *serveCmd) announce(std *stdio, addr net.Addr) error {
	note := ""
	if c.Dev {
		note = "   (development mode: anyone may connect)"
	}
	_, err := fmt.Fprintf(std.out, "listening on http://%s%s\n", addr, note)
	return err
}

// serveError adds the exit code and the hint to an error of package app.
func serveError(err error) error {
	var e *app.Error
	switch {
	case errors.As(err, &e) && e.Usage:
		return &exitError{exitUsage, err, e.Hint}
	case errors.As(err, &e):
		return &exitError{exitFailed, err, e.Hint}
	case errors.Is(err, redisbus.ErrConfig):
		return redisError(err)
	}
	return err
}

// level returns the log level. The parser has accepted no other texts, here and below.
func (c *serveCmd) level() slog.Level {
	if c.LogLevel == "" && c.Dev {
		return slog.LevelWarn
	}
	var level slog.Level // info
	if c.LogLevel != "" {
		_ = level.UnmarshalText([]byte(c.LogLevel))
	}
	return level
}

func (c *serveCmd) encryption() ignis.Encryption {
	e := ignis.EncryptionOff
	if c.Dev {
		e = ignis.EncryptionOptional
	}
	if c.Encryption != "" {
		_ = e.UnmarshalText([]byte(c.Encryption))
	}
	return e
}

func (c *serveCmd) slowPolicy() (p ignis.SlowPolicy) {
	_ = p.UnmarshalText([]byte(c.SlowClients))
	return p
}

// limits returns the configuration of the server, without what package app sets.
func (c *serveCmd) limits(log *slog.Logger) ignis.Config {
	return ignis.Config{
		MaxClients:        int(c.MaxClients),
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
		Software:          "ignis/" + thisBuild().Version,
		Logger:            log,
	}
}

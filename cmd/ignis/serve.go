package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/app"
	"github.com/ignis-go/ignis/redisbus"
)

// serveCmd runs a server until a signal ends it.
type serveCmd struct {
	listenFlags

	Path  string `default:"/ws" help:"Path of the WebSocket endpoint (${default})."`
	Redis string `placeholder:"URL" help:"Redis that connects this server with others: redis://[user:pass@]host[:6379][/db], rediss:// for TLS, redis+sentinel://host,host/master-name or redis+cluster://host,host. Databases do not separate messages; see --prefix. Without Redis, no messages are exchanged with other servers. Other users of the machine can read arguments, so for a URL with a password use --redis-file or the environment."`
	redisFlags

	Dev            bool       `group:"Who may connect" help:"Development mode: anyone may connect as any user and join every room, / serves a page to try it with, and messages that name a room are sent to it. Listens on loopback addresses only."`
	JWTSecretFile  string     `name:"jwt-secret-file" group:"Who may connect" placeholder:"FILE" help:"File with the secret of HS256 tokens, at least 32 bytes. The secret itself can be set in $$IGNIS_JWT_SECRET instead."`
	AllowedOrigins originList `group:"Who may connect" placeholder:"ORIGIN,..." help:"Origins of other hosts from which browsers may connect, such as https://app.example.com; * for any. The server's own host is always allowed."`

	MaxClients        countOrAuto `default:"auto" group:"Limits" placeholder:"N" help:"Maximum number of open connections (${default}: the limit of file descriptors, less a reserve)."`
	DefaultRooms      nameList    `default:"ws-default,ws-notification" group:"Limits" placeholder:"ROOM,..." help:"Rooms that every client joins (${default}); empty for none."`
	MaxRooms          count       `default:"128" group:"Limits" placeholder:"N" help:"Number of other rooms that a client may join (${default})."`
	MaxPayload        byteSize    `default:"128KiB" group:"Limits" placeholder:"SIZE" help:"Maximum size of a message from a client (${default})."`
	MaxMessage        byteSize    `default:"1MiB" group:"Limits" placeholder:"SIZE" help:"Maximum size of a message to clients (${default})."`
	AuthMaxPayload    byteSize    `default:"8KiB" group:"Limits" placeholder:"SIZE" help:"Maximum size of a message from an unauthenticated client, including its token (${default})."`
	AuthMaxFrames     count       `default:"64" group:"Limits" placeholder:"N" help:"Number of WebSocket frames that an unauthenticated client may send (${default})."`
	AuthMaxMistakes   count       `default:"8" group:"Limits" placeholder:"N" help:"Number of unexpected messages that an unauthenticated client may send (${default})."`
	BackpressureLimit byteSize    `default:"1MiB" group:"Limits" placeholder:"SIZE" help:"Size of the messages that may wait for a slow client (${default})."`
	SlowClients       string      `default:"disconnect" enum:"disconnect,drop-newest,drop-oldest,latest" group:"Limits" placeholder:"POLICY" help:"What to do above that limit: disconnect the client, drop the message (drop-newest), drop waiting messages (drop-oldest), or keep only the latest message of each key (latest) (${default})."`
	AuthTimeout       period      `default:"5s" group:"Limits" placeholder:"TIME" help:"Time that a client has to authenticate (${default})."`
	HeartbeatInterval period      `default:"30s" group:"Limits" placeholder:"TIME" help:"Time between checks for silent clients (${default})."`
	HeartbeatTimeout  period      `default:"90s" group:"Limits" placeholder:"TIME" help:"Time after which a client that sends no messages is closed (${default})."`
	WriteTimeout      period      `default:"30s" group:"Limits" placeholder:"TIME" help:"Time after which a client that reads nothing of what is waiting for it is cut off (${default})."`
	BehindTimeout     period      `default:"60s" group:"Limits" placeholder:"TIME" help:"Time for which reading from a client may be paused because its messages are not handled yet (${default})."`
	IdleTimeout       periodOrOff `default:"60s" group:"Limits" placeholder:"TIME" help:"Time after which a client that does not answer pings is cut off (${default}); off for no pings."`
	ShutdownTimeout   period      `default:"10s" group:"Limits" placeholder:"TIME" help:"Maximum time for a graceful shutdown (${default})."`

	Encryption string `default:"" enum:"off,optional,required," group:"Transport" placeholder:"off|optional|required" help:"Encryption of messages with a key per client: optional for clients that send a public key, or required (off; with --dev optional). It does not replace TLS."`

	Compress bool `group:"Transport" help:"Compress messages of at least 256 bytes for clients that offer it (permessage-deflate), once per message, not per client. Saves bandwidth, costs CPU time."`
	PlainIO  bool `name:"plain-io" group:"Transport" help:"Do not use epoll, as on systems other than Linux. Each client then needs more memory and CPU time. For systems on which epoll causes problems."`

	LogFormat string `default:"text" enum:"text,json" group:"Log" placeholder:"text|json" help:"Format of the log, which is written to standard error (${default})."`
	LogLevel  string `default:"" enum:"debug,info,warn,error," group:"Log" placeholder:"LEVEL" help:"Minimum level of log lines: debug, info, warn or error (info; with --dev warn)."`
}

// Help returns the text that --help shows below the summary.
func (serveCmd) Help() string {
	return `Clients connect to ws://HOST:PORT/ws and authenticate with a token. In development mode, any credentials are accepted.

A token is a JWT signed with HS256, sent as data.token. The claim sub is the user ID, rooms is a list of the rooms that the client may join, where a * at the end of a name matches any text, and exp is required. Names are case-sensitive, and a duplicate name makes a token invalid. The session ends when the token expires (close code 4005), unless a client of protocol 2 has sent a new one (event refresh). Messages from clients are dropped, except with --dev; to handle them, use the Go package.

GET /healthz answers 200 while the process is alive. GET /readyz answers 200 while clients are accepted and Redis carries messages, or else 503 with the reason. SIGTERM shuts the server down gracefully; a second one ends it immediately.

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
		Listen:         c.listenFlags.config(),
		Path:           c.Path,
		Server:         c.limits(log),
		Redis:          redis,
		Dev:            c.Dev,
		JWTSecretFile:  c.JWTSecretFile,
		JWTSecret:      []byte(os.Getenv(app.SecretVariable)),
		AllowedOrigins: c.AllowedOrigins,
		Proxies:        c.proxies(),
		OnReady: func(urls []string) {
			if err := c.announce(std, urls); err != nil {
				log.Warn("standard output", "error", err)
			}
		},
	})
	if err == nil {
		err = a.Run(ctx)
	}
	return serveError(err)
}

// announce prints where the server listens, a line for each address, for a person or for a
// script that waits for it.
func (c *serveCmd) announce(std *stdio, urls []string) error {
	note := ""
	if c.Dev {
		note = "   (development mode: anyone may connect)"
	}
	for _, url := range urls {
		if _, err := fmt.Fprintf(std.out, "listening on %s%s\n", url, note); err != nil {
			return err
		}
	}
	return nil
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

// level returns the log level. The parser has validated the text, here and below.
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

// limits returns the configuration of the server without the fields that package app
// sets.
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

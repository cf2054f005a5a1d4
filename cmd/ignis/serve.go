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
	Listen listenAddress `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Address to listen on (${default}). Port 0 picks a free port."`
	Path   string        `default:"/ws" help:"Path of the WebSocket endpoint (${default})."`
	Redis  string        `placeholder:"URL" help:"Redis that connects this server with others: redis://[user:pass@]host[:6379][/db], rediss:// for TLS, redis+sentinel://host,host/master-name or redis+cluster://host,host. Databases do not separate messages; see --prefix. Without Redis, servers do not exchange messages. Other users of the machine can read arguments, so for a URL with a password use --redis-file or the environment."`
	redisFlags

	Dev            bool        `group:"Who may connect" help:"Development mode: anyone may connect as any user and join any room, / serves a page for trying it out, and messages that name a room are relayed to it. Listens only on loopback addresses."`
	JWTSecretFile  string      `name:"jwt-secret-file" group:"Who may connect" placeholder:"FILE" help:"File with the secret for HS256 tokens, at least 32 bytes. Alternatively, set $$IGNIS_JWT_SECRET to the secret itself."`
	AllowedOrigins originList  `group:"Who may connect" placeholder:"ORIGIN,..." help:"Origins of other hosts from which browsers may connect, such as https://app.example.com; * allows any. The server's own host is always allowed."`
	TrustedProxies networkList `group:"Who may connect" placeholder:"NETWORK,..." help:"Reverse proxies that are trusted to report the client's address, such as 10.0.0.0/8."`
	ProxyHeader    string      `default:"X-Forwarded-For" enum:"X-Forwarded-For,Forwarded" group:"Who may connect" placeholder:"NAME" help:"Header in which trusted proxies report the client's address: X-Forwarded-For or Forwarded (${default})."`

	MaxClients           countOrAuto      `default:"auto" group:"Limits" placeholder:"N" help:"Maximum number of open connections (${default}: the limit of file descriptors, less a reserve)."`
	MaxClientsPerAddress countOrOff       `default:"4096" group:"Limits" placeholder:"N" help:"Maximum number of open connections from one network address, or IPv6 network of 64 bits (${default}); off for no limit. Behind a proxy, set --trusted-proxies. Loopback addresses are exempt from this and the other limits per address."`
	MaxClientsPerUser    countOrOff       `default:"1000" group:"Limits" placeholder:"N" help:"Maximum number of connections of one user (${default}); off for no limit."`
	UserPolicy           ignis.UserPolicy `default:"refuse-new" group:"Limits" placeholder:"POLICY" help:"What to do when that limit is exceeded: close the new connection (refuse-new) or the user's oldest one (close-oldest) (${default})."`

	UpgradeRate            countOrOff `default:"5000" group:"Limits" placeholder:"N" help:"Maximum number of new connections per second (${default}); off for no limit."`
	UpgradeBurst           count      `default:"20000" group:"Limits" placeholder:"N" help:"Number of new connections that are accepted at once after a pause (${default})."`
	UpgradeRatePerAddress  countOrOff `default:"100" group:"Limits" placeholder:"N" help:"Maximum number of new connections per second from one network address (${default}); off for no limit."`
	UpgradeBurstPerAddress count      `default:"2000" group:"Limits" placeholder:"N" help:"Number of new connections from one network address that are accepted at once after a pause (${default})."`
	AuthFailureRate        countOrOff `default:"60" group:"Limits" placeholder:"N" help:"Number of times per minute that clients from one network address may fail to authenticate (${default}); off for no limit."`
	AuthFailureBurst       count      `default:"200" group:"Limits" placeholder:"N" help:"Number of times that clients from one network address may fail to authenticate at once after a pause (${default})."`
	AuthConcurrency        countOrOff `default:"256" group:"Limits" placeholder:"N" help:"Maximum number of clients that are authenticated at the same time (${default}); off for no limit."`
	AuthQueue              count      `default:"4096" group:"Limits" placeholder:"N" help:"Maximum number of clients that wait to be authenticated (${default})."`
	MaxToken               byteSize   `default:"8KiB" group:"Limits" placeholder:"SIZE" help:"Maximum length of a token (${default})."`

	MessageRate     countOrOff    `default:"200" group:"Limits" placeholder:"N" help:"Number of messages and other WebSocket frames that a client may send per second (${default}); off for no limit. A client that sends faster is read more slowly and then closed. This and --byte-rate have no effect with --dev."`
	MessageBurst    count         `default:"1000" group:"Limits" placeholder:"N" help:"Number of frames that a client may send at once after a pause (${default})."`
	ByteRate        byteSizeOrOff `default:"4MiB" group:"Limits" placeholder:"SIZE" help:"Number of bytes that a client may send per second (${default}); off for no limit."`
	ByteBurst       byteSize      `default:"16MiB" group:"Limits" placeholder:"SIZE" help:"Number of bytes that a client may send at once after a pause (${default})."`
	ThrottleTimeout period        `default:"30s" group:"Limits" placeholder:"TIME" help:"Time after which a client is closed if it keeps sending faster than that (${default})."`
	JoinRate        countOrOff    `default:"20" group:"Limits" placeholder:"N" help:"Number of rooms that a client may ask to join per second (${default}); off for no limit."`
	JoinBurst       count         `default:"256" group:"Limits" placeholder:"N" help:"Number of rooms that a client may ask to join at once after a pause (${default})."`

	MemoryLimit memorySize `default:"auto" group:"Limits" placeholder:"SIZE" help:"Memory budget of the process (${default}: GOMEMLIMIT, or the limit of the container or other control group); off for no limit. Once 80 % of it are used, new connections are refused and the clients with the longest queues are cut off."`

	DefaultRooms      nameList `default:"ws-default,ws-notification" group:"Limits" placeholder:"ROOM,..." help:"Rooms that every client joins (${default}); empty for none."`
	MaxRooms          count    `default:"128" group:"Limits" placeholder:"N" help:"Maximum number of other rooms that a client may be in (${default})."`
	MaxPayload        byteSize `default:"128KiB" group:"Limits" placeholder:"SIZE" help:"Maximum size of a message from a client (${default})."`
	MaxMessage        byteSize `default:"1MiB" group:"Limits" placeholder:"SIZE" help:"Maximum size of a message to clients (${default})."`
	AuthMaxPayload    byteSize `default:"8KiB" group:"Limits" placeholder:"SIZE" help:"Maximum size of a message from an unauthenticated client, including its token (${default})."`
	AuthMaxFrames     count    `default:"64" group:"Limits" placeholder:"N" help:"Maximum number of WebSocket frames from an unauthenticated client (${default})."`
	AuthMaxMistakes   count    `default:"8" group:"Limits" placeholder:"N" help:"Maximum number of unexpected messages from an unauthenticated client (${default})."`
	BackpressureLimit byteSize `default:"1MiB" group:"Limits" placeholder:"SIZE" help:"Maximum size of all messages waiting for a slow client (${default})."`

	SlowClients ignis.SlowPolicy `default:"disconnect" group:"Limits" placeholder:"POLICY" help:"What to do when that limit is exceeded: disconnect the client, drop the new message (drop-newest), drop waiting messages (drop-oldest), or keep only the latest message of each key (latest) (${default})."`

	AuthTimeout       period      `default:"5s" group:"Limits" placeholder:"TIME" help:"Time within which a client must send its credentials (${default})."`
	HeartbeatInterval period      `default:"30s" group:"Limits" placeholder:"TIME" help:"Time between checks for silent clients (${default})."`
	HeartbeatTimeout  period      `default:"90s" group:"Limits" placeholder:"TIME" help:"Time after which a client that sends no messages, not even heartbeats, is closed (${default})."`
	WriteTimeout      period      `default:"30s" group:"Limits" placeholder:"TIME" help:"Time after which a client is disconnected if it reads none of the data waiting for it (${default})."`
	BehindTimeout     period      `default:"60s" group:"Limits" placeholder:"TIME" help:"Time after which a client is closed if the server stopped reading from it because too many of its messages are waiting to be handled (${default})."`
	IdleTimeout       periodOrOff `default:"60s" group:"Limits" placeholder:"TIME" help:"Time after which a client that does not answer pings is disconnected (${default}); off disables pings."`
	ShutdownTimeout   period      `default:"10s" group:"Limits" placeholder:"TIME" help:"Maximum time for a graceful shutdown (${default})."`

	Encryption string `default:"" enum:"off,optional,required," group:"Transport" placeholder:"off|optional|required" help:"Encryption of messages with a key per client: off, optional (for clients that send a public key) or required (off; with --dev, optional). It does not replace TLS."`

	Compress bool `group:"Transport" help:"Compress messages of at least 256 bytes for clients that offer it (permessage-deflate), once per message, not once per client. Saves bandwidth, but uses CPU time."`
	PlainIO  bool `name:"plain-io" group:"Transport" help:"Do not use epoll, which only Linux has. Each client then needs more memory and CPU time. Use this only if epoll causes problems."`

	LogFormat string `default:"text" enum:"text,json" group:"Log" placeholder:"text|json" help:"Format of the log, which is written to standard error (${default})."`
	LogLevel  string `default:"" enum:"debug,info,warn,error," group:"Log" placeholder:"LEVEL" help:"Minimum level of log messages: debug, info, warn or error (info; with --dev, warn)."`
}

// Help returns the text that --help shows below the summary.
func (serveCmd) Help() string {
	return `Clients connect to ws://HOST:PORT/ws and authenticate with a token. In development mode, any credentials are accepted.

A token is a JWT signed with HS256, which the client sends as token in the data of the event authenticate. The claim sub is the user ID, rooms lists the rooms that the client may join, where a * at the end of a name matches any text, and exp is required. The names of claims are case-sensitive, and a duplicate name makes a token invalid. The session ends when the token expires (close code 4005), unless a client that uses protocol 2 has sent a new one in the event refresh. The server drops messages from clients, except with --dev; to handle them, use the Go package.

GET /healthz answers 200 while the process is alive. GET /readyz answers 200 while the server accepts clients and Redis delivers messages, and otherwise 503 with the reason. SIGTERM shuts the server down gracefully; a second SIGTERM ends it immediately.

Examples:

  ignis serve --dev

  ignis serve --listen :8080 --redis redis://10.0.0.5:6379 --jwt-secret-file /run/secrets/jwt`
}

// Run serves until ctx is done.
func (c *serveCmd) Run(ctx context.Context, std *stdio) error {
	log := newLogger(std.err, c.LogFormat, c.level())
	redis, err := c.load(c.Redis, "", log)
	if err != nil {
		return err
	}
	server := c.limits(log)
	server.MemoryLimit = memoryBudget(c.MemoryLimit)
	if c.Dev { // for ignis bench, whose clients send much faster than users
		server.MessageRate, server.ByteRate = -1, -1
	}
	a, err := app.New(app.Config{
		Listen:         c.Listen.String(),
		Path:           c.Path,
		Server:         server,
		Redis:          redis,
		Dev:            c.Dev,
		JWTSecretFile:  c.JWTSecretFile,
		JWTSecret:      []byte(os.Getenv(app.SecretVariable)),
		AllowedOrigins: c.AllowedOrigins,
		Proxies:        ignis.Proxies{Networks: c.TrustedProxies, Header: c.ProxyHeader},
		OnReady: func(addr net.Addr) {
			if err := c.announce(std, addr); err != nil {
				log.Warn("could not write to standard output", "error", err)
			}
		},
	})
	if err == nil {
		err = a.Run(ctx)
	}
	return serveError(err)
}

// announce prints the address of the server, for users and for scripts that wait for it.
func (c *serveCmd) announce(std *stdio, addr net.Addr) error {
	note := ""
	if c.Dev {
		note = "   (development mode: anyone may connect)"
	}
	_, err := fmt.Fprintf(std.out, "listening on http://%s%s\n", addr, note)
	return err
}

// serveError adds the exit code and the hint to an error of package app or redisbus.
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

// level returns the log level. Here and below, the parser has already validated the text.
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

// limits returns the configuration of the server without the fields that package app
// sets.
func (c *serveCmd) limits(log *slog.Logger) ignis.Config {
	return ignis.Config{
		MaxClients: int(c.MaxClients),

		MaxClientsPerAddress:   int(c.MaxClientsPerAddress),
		MaxClientsPerUser:      int(c.MaxClientsPerUser),
		UserPolicy:             c.UserPolicy,
		UpgradeRate:            int(c.UpgradeRate),
		UpgradeBurst:           int(c.UpgradeBurst),
		UpgradeRatePerAddress:  int(c.UpgradeRatePerAddress),
		UpgradeBurstPerAddress: int(c.UpgradeBurstPerAddress),
		AuthFailureRate:        int(c.AuthFailureRate),
		AuthFailureBurst:       int(c.AuthFailureBurst),
		AuthConcurrency:        int(c.AuthConcurrency),
		AuthQueue:              int(c.AuthQueue),
		MaxToken:               int(c.MaxToken),
		MessageRate:            int(c.MessageRate),
		MessageBurst:           int(c.MessageBurst),
		ByteRate:               int(c.ByteRate),
		ByteBurst:              int(c.ByteBurst),
		ThrottleTimeout:        time.Duration(c.ThrottleTimeout),
		JoinRate:               int(c.JoinRate),
		JoinBurst:              int(c.JoinBurst),
		MemoryLimit:            int64(c.MemoryLimit),

		DefaultRooms:      c.DefaultRooms,
		MaxRooms:          int(c.MaxRooms),
		MaxPayload:        int(c.MaxPayload),
		MaxMessage:        int(c.MaxMessage),
		AuthMaxPayload:    int(c.AuthMaxPayload),
		AuthMaxFrames:     int(c.AuthMaxFrames),
		AuthMaxMistakes:   int(c.AuthMaxMistakes),
		BackpressureLimit: int(c.BackpressureLimit),
		SlowPolicy:        c.SlowClients,
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

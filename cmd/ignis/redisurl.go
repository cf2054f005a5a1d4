package main

import (
	"log/slog"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/ignis-go/ignis/internal/configfile"
	"github.com/ignis-go/ignis/internal/filewatch"
	"github.com/ignis-go/ignis/redisbus"
)

// redisFlags are the flags of all commands that use Redis. The commands define --redis
// themselves.
type redisFlags struct {
	RedisFile string        `name:"redis-file" key:"redis.url_file" either:"redis" placeholder:"FILE" help:"File that contains the URL of Redis, instead of --redis. Use it for a URL with a password."`
	Prefix    channelPrefix `key:"redis.prefix" placeholder:"TEXT" help:"Prefix of all channels and keys in Redis, such as shop: (none). It separates applications that share a Redis; databases do not, because pub/sub ignores them. Use the same prefix for serve, emit, cron and bench."`

	typed bool // --redis comes from the command line, not from the environment
}

// maxRedisURL is the maximum size in bytes of the file named by --redis-file.
const maxRedisURL = 64 << 10

func (f *redisFlags) parsed(command *kong.Context) {
	for _, p := range command.Path {
		f.typed = f.typed || p.Flag != nil && p.Flag.Name == "redis" && !p.Resolved
	}
}

// load returns the configuration of Redis and logs warnings. given is the value of --redis.
// fallback, which may be empty, is the URL if neither flag is set.
func (f *redisFlags) load(given, fallback string, log *slog.Logger) (redisbus.Config, error) {
	url, err := f.url(given, fallback, func(m string) { log.Warn(m) })
	return redisbus.Config{URL: url, Prefix: string(f.Prefix), Logger: log}, err
}

// loadQuietly is like load for commands without a log. Warnings are printed.
func (f *redisFlags) loadQuietly(given, fallback string, std *stdio) (redisbus.Config, error) {
	url, err := f.url(given, fallback, std.warn)
	c := redisbus.Config{URL: url, Prefix: string(f.Prefix), Logger: slog.New(slog.DiscardHandler)}
	if w := c.Warning(); err == nil && w != "" {
		std.warn(w)
	}
	return c, err
}

func (f *redisFlags) url(given, fallback string, warn func(message string)) (string, error) {
	switch {
	case f.RedisFile != "" && given != "":
		return "", usage("set only one of them, and check IGNIS_REDIS and IGNIS_REDIS_FILE", "--redis and --redis-file are both set")
	case f.RedisFile != "":
		file, err := filewatch.ReadFile(f.RedisFile, maxRedisURL)
		if err != nil {
			return "", usage("name a file that this user can read", "--redis-file: %w", err)
		}
		if file.Public() {
			warn("every user of this machine can read the file in --redis-file")
		}
		url := strings.TrimSpace(string(file.Text))
		if url == "" {
			return "", usage("write a URL such as redis://127.0.0.1:6379 to the file", "--redis-file: the file is empty")
		}
		return url, nil
	case given == "":
		return fallback, nil
	}
	if f.typed && hasPassword(given) {
		warn("every user of this machine can see the password in --redis in the list of processes; use --redis-file or IGNIS_REDIS")
	}
	return given, nil
}

// hasPassword reports whether the URL of a Redis contains a password. An @ in any other
// part would have to be percent-encoded.
func hasPassword(url string) bool {
	return strings.Contains(url, "@") || strings.Contains(url, "sentinel_password=")
}

// channelPrefix is a prefix that package redisbus accepts.
type channelPrefix string

// UnmarshalText validates a prefix.
func (p *channelPrefix) UnmarshalText(text []byte) error {
	*p = channelPrefix(text)
	return redisbus.Config{URL: localRedis, Prefix: string(text)}.Check()
}

// Syntax implements [configfile.Scalar].
func (channelPrefix) Syntax() configfile.Syntax { return configfile.Syntax{Type: "string"} }

func (p channelPrefix) String() string { return string(p) }

package main

import (
	"log/slog"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/ignis-go/ignis/internal/app"
	"github.com/ignis-go/ignis/redisbus"
)

// redisFlags are what all commands that use Redis take. They embed it beside their own
// --redis.
type redisFlags struct {
	RedisFile string        `name:"redis-file" placeholder:"FILE" help:"File with the URL of Redis, instead of --redis: for one with a password in it."`
	Prefix    channelPrefix `placeholder:"TEXT" help:"What all channels and keys in Redis begin with, such as shop: (nothing). It separates applications that share a Redis, which databases do not: pub/sub ignores them. The same for serve, emit, cron and bench of one application."`

	typed bool // --redis stands on the command line, not in the environment
}

// maxRedisURL is more than any URL that package redisbus takes.
const maxRedisURL = 64 << 10

// AfterApply is called by the parser when all values are known.
func (f *redisFlags) AfterApply(ctx *kong.Context) error {
	for _, p := range ctx.Path {
		f.typed = f.typed || p.Flag != nil && p.Flag.Name == "redis" && !p.Resolved
	}
	return nil
}

// load returns how to reach Redis: given is what --redis has, fallback what counts without
// either. The URL is empty if all of them are. What should be done better is logged.
func (f *redisFlags) load(given, fallback string, log *slog.Logger) (redisbus.Config, error) {
	url, err := f.url(given, fallback, func(m string) { log.Warn(m) })
	return redisbus.Config{URL: url, Prefix: string(f.Prefix), Logger: log}, err
}

// loadQuietly is load for a command without a log: what should be done better is printed.
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
		return "", usage("leave out one of them, or unset IGNIS_REDIS or IGNIS_REDIS_FILE", "--redis and --redis-file are both set")
	case f.RedisFile != "":
		text, err := app.ReadSecretFile(f.RedisFile, maxRedisURL, func(os.FileMode) {
			warn("every user of this machine can read the file of --redis-file")
		})
		if err != nil {
			return "", usage("it has to be a file that this user can read", "--redis-file: %w", err)
		}
		url := strings.TrimSpace(string(text))
		if url == "" {
			return "", usage("it has to hold what --redis would, such as redis://127.0.0.1:6379", "--redis-file: the file is empty")
		}
		return url, nil
	case given == "":
		return fallback, nil
	}
	if f.typed && hasPassword(given) {
		warn("the password in --redis can be seen by every user of this machine, in the list of processes: use --redis-file or IGNIS_REDIS")
	}
	return given, nil
}

// hasPassword reports whether the URL of a Redis has a password in it. Without one it
// has no @, which would have to be percent-encoded.
func hasPassword(url string) bool {
	return strings.Contains(url, "@") || strings.Contains(url, "sentinel_password=")
}

// channelPrefix is a prefix that package redisbus takes.
type channelPrefix string

// UnmarshalText checks a prefix.
func (p *channelPrefix) UnmarshalText(text []byte) error {
	*p = channelPrefix(text)
	return redisbus.Config{URL: localRedis, Prefix: string(text)}.Check()
}

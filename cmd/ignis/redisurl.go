package main

import (
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// redisFile is the other place for the URL of Redis. Commands embed it beside their
// own --redis.
type redisFile struct {
	RedisFile string `name:"redis-file" placeholder:"FILE" help:"File with the URL of Redis, instead of --redis: for one with a password in it."`

	typed bool // --redis stands on the command line, not in the environment
}

// maxRedisURL is more than any URL that package redisbus takes.
const maxRedisURL = 64 << 10

// AfterApply is called by the parser when all values are known.
func (f *redisFile) AfterApply(ctx *kong.Context) error {
	for _, p := range ctx.Path {
		f.typed = f.typed || p.Flag != nil && p.Flag.Name == "redis" && !p.Resolved
	}
	return nil
}

// load returns the URL of Redis: given is what --redis has, fallback what counts without
// either. warn is called with what should be done better.
func (f *redisFile) load(given, fallback string, warn func(message string)) (string, error) {
	switch {
	case f.RedisFile != "" && given != "":
		return "", usage("leave out one of them, or unset IGNIS_REDIS or IGNIS_REDIS_FILE", "--redis and --redis-file are both set")
	case f.RedisFile != "":
		text, err := readSecret(f.RedisFile, maxRedisURL, func(os.FileMode) {
			warn("every user of this machine can read the file of --redis-file")
		})
		if err != nil {
			return "", usage("it has to be a file that this user can read", "--redis-file: %w", err)
		}
		url := strings.TrimSpace(string(text))
		if url == "" {
			return "", usage("it has to hold what --redis would, such as redis://127.0.0.1:6379/0", "--redis-file: the file is empty")
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

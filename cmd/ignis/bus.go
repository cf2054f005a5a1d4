package main

import (
	"log/slog"
	"net/url"
	"strconv"
	"strings"

	"github.com/ignis-go/ignis/redisbus"
)

// newBus returns the bus over the Redis at address, a URL, which it does not connect to
// yet. An error never repeats the URL: there may be a password in it.
func newBus(address string, log *slog.Logger) (*redisbus.Bus, error) {
	bus, err := redisbus.New(redisbus.Config{URL: address, Logger: log})
	if err != nil {
		return nil, redisError(err)
	}
	if db := database(address); db != 0 {
		log.Warn("the database in the URL of Redis separates nothing: servers and emitters of one Redis hear each other whatever database they name", "database", db)
	}
	return bus, nil
}

// database returns the number of the database in a valid URL of a Redis; 0 without one.
func database(rawURL string) int {
	base, query, _ := strings.Cut(rawURL, "?")
	scheme, rest, _ := strings.Cut(base, "://")
	scheme = strings.ToLower(scheme)
	parts := strings.Split(rest, "/")
	at := 1 // behind the hosts
	if strings.HasSuffix(scheme, "+sentinel") {
		at = 2 // and the name of the master
	}
	text := ""
	switch values, err := url.ParseQuery(query); {
	case scheme == "unix" && err == nil:
		text = values.Get("db")
	case scheme != "unix" && len(parts) > at:
		text = parts[at]
	}
	db, _ := strconv.Atoi(text)
	return db
}

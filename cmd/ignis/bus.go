package main

import (
	"log/slog"

	"github.com/ignis-go/ignis/redisbus"
)

// newBus returns the bus over the Redis at url, which it does not connect to
// yet. An error never repeats the URL: there may be a password in it.
func newBus(url string, log *slog.Logger) (*redisbus.Bus, error) {
	bus, err := redisbus.New(redisbus.Config{URL: url, Logger: log})
	if err != nil {
		return nil, redisError(err)
	}
	return bus, nil
}

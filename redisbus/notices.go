package redisbus

import (
	"log/slog"

	"github.com/ignis-go/ignis/internal/loglimit"
)

// notices logs what the Redis user has no right to do. It is used by one goroutine at a time.
type notices struct {
	cfg   *Config
	limit *loglimit.Limiter
	said  map[string]bool // texts that have been logged
}

// say logs a text, once.
func (n *notices) say(text string, l *link, err error) {
	if n.said[text] {
		return
	}
	if n.said == nil {
		n.said = make(map[string]bool)
	}
	n.said[text] = true
	n.limit.Log(slog.LevelWarn, text, "name", n.cfg.Name, "redis", l.addr, "error", err)
}

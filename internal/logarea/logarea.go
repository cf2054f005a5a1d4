// Package logarea divides the log of a program into areas, each with a level that can change
// while the program runs. Loggers returned by [With] add the attribute area to their lines, and
// the handler of [Levels] looks at it, so packages that log do not have to know about areas.
package logarea

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// Key is the name of the attribute with the area.
const Key = "area"

// The areas.
const (
	Program = "program" // start, configuration and shutdown
	Server  = "server"  // clients, their messages, and callbacks
	Redis   = "redis"   // connections to Redis, and messages of other instances
	Webhook = "webhook" // requests to the application's endpoint
	Tokens  = "tokens"  // keys that tokens are verified with
	Access  = "access"  // what the access rules refuse
	Listen  = "listen"  // listeners, TLS, and connections that are not requests yet
	HTTP    = "http"    // requests other than those of clients, such as probes and scrapes
	Cron    = "cron"    // jobs of ignis cron run
)

// All returns all areas.
func All() []string {
	return []string{Program, Server, Redis, Webhook, Tokens, Access, Listen, HTTP, Cron}
}

// With returns a logger for the lines of an area. log must not have an area yet.
func With(log *slog.Logger, area string) *slog.Logger { return log.With(Key, area) }

// Levels are the minimum levels of the areas. They can change at any time. Create them with
// [NewLevels].
type Levels struct {
	others atomic.Int64 // level of lines without an area
	areas  map[string]*atomic.Int64
}

// NewLevels returns levels that are all info.
func NewLevels() *Levels {
	l := &Levels{areas: make(map[string]*atomic.Int64)}
	for _, area := range All() {
		l.areas[area] = new(atomic.Int64)
	}
	return l
}

// Set replaces the levels. Areas that are not in byArea have the level others.
func (l *Levels) Set(others slog.Level, byArea map[string]slog.Level) {
	l.others.Store(int64(others))
	for area, level := range l.areas {
		own, ok := byArea[area]
		if !ok {
			own = others
		}
		level.Store(int64(own))
	}
}

// Handler returns a handler that passes lines to inner if the level of their area is low enough.
// The level of inner itself has no effect.
func (l *Levels) Handler(inner slog.Handler) slog.Handler {
	return &handler{Handler: inner, levels: l, level: &l.others}
}

// handler is a slog.Handler for the lines of one area, or for those without one.
type handler struct {
	slog.Handler
	levels *Levels
	level  *atomic.Int64
	nested bool // in a group, so attributes are not areas
}

// Enabled reports whether lines of this level are written.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return int64(level) >= h.level.Load()
}

// WithAttrs returns a handler with the attributes, one of which may be the area.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.Handler = h.Handler.WithAttrs(attrs)
	for _, a := range attrs {
		if level := h.levels.areas[a.Value.String()]; a.Key == Key && level != nil && !h.nested {
			next.level = level
		}
	}
	return &next
}

// WithGroup returns a handler that puts further attributes into a group.
func (h *handler) WithGroup(name string) slog.Handler {
	next := *h
	next.Handler, next.nested = h.Handler.WithGroup(name), h.nested || name != ""
	return &next
}

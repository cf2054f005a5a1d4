package main

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/ignis-go/ignis/internal/configfile"
	"github.com/ignis-go/ignis/internal/logarea"
)

// levelNames are the names of levels.
var levelNames = []string{"debug", "info", "warn", "error"}

// levelName is the name of a level. Empty: that of log.level.
type levelName string

// UnmarshalText accepts what Syntax lists.
func (l *levelName) UnmarshalText(text []byte) error {
	if !slices.Contains(levelNames, string(text)) {
		return fmt.Errorf("expected debug, info, warn or error, but got %q", text)
	}
	*l = levelName(text)
	return nil
}

// Syntax implements [configfile.Scalar].
func (levelName) Syntax() configfile.Syntax {
	return configfile.Syntax{Type: "string", Enum: levelNames}
}

func (l levelName) String() string { return string(l) }

func (l levelName) level() (level slog.Level) {
	_ = level.UnmarshalText([]byte(l)) // it has been validated
	return level
}

// parseLevels parses comma-separated pairs of an area and a level.
func parseLevels(text string, areas []string) (map[string]slog.Level, error) {
	byArea := make(map[string]slog.Level)
	if text == "" {
		return byArea, nil
	}
	for pair := range strings.SplitSeq(text, ",") {
		area, name, ok := strings.Cut(strings.TrimSpace(pair), "=")
		var level levelName
		switch err := level.UnmarshalText([]byte(name)); {
		case !ok:
			return nil, fmt.Errorf("expected comma-separated pairs such as redis=debug, but got %q", text)
		case !slices.Contains(areas, area):
			return nil, fmt.Errorf("there is no area %q; the areas are %s", area, strings.Join(areas, ", "))
		case err != nil:
			return nil, err
		}
		byArea[area] = level.level()
	}
	return byArea, nil
}

// areaLevels are the levels of areas of the log. The keys are those of package logarea, except
// areas that ignis serve does not have.
type areaLevels struct {
	Program levelName `key:"program" help:"Start, configuration and shutdown."`
	Server  levelName `key:"server" help:"Clients, their messages, and callbacks."`
	Redis   levelName `key:"redis" help:"Connections to Redis, and messages of other instances."`
	Webhook levelName `key:"webhook" help:"Requests to the application's endpoint."`
	Tokens  levelName `key:"tokens" help:"Keys that tokens are verified with."`
	Access  levelName `key:"access" help:"What the access rules refuse."`
	Listen  levelName `key:"listen" help:"Listeners, TLS, and connections that are not requests yet."`
	HTTP    levelName `key:"http" help:"Requests other than those of clients, such as probes and scrapes."`
}

// fields calls f with each area and a pointer to its level.
func (l *areaLevels) fields(f func(area string, level *levelName)) {
	v := reflect.ValueOf(l).Elem()
	for i := range v.NumField() {
		f(v.Type().Field(i).Tag.Get("key"), v.Field(i).Addr().Interface().(*levelName))
	}
}

// UnmarshalText parses comma-separated pairs such as redis=debug.
func (l *areaLevels) UnmarshalText(text []byte) error {
	*l = areaLevels{}
	var areas []string
	l.fields(func(area string, _ *levelName) { areas = append(areas, area) })
	byArea, err := parseLevels(string(text), areas)
	l.fields(func(area string, name *levelName) {
		if level, ok := byArea[area]; ok {
			*name = levelName(strings.ToLower(level.String()))
		}
	})
	return err
}

// Syntax implements [configfile.Scalar].
func (areaLevels) Syntax() configfile.Syntax {
	pair := `\s*(`
	new(areaLevels).fields(func(area string, _ *levelName) { pair += area + "|" })
	pair = strings.TrimSuffix(pair, "|") + `)=(` + strings.Join(levelNames, "|") + `)\s*`
	return configfile.Syntax{Type: "string", Pattern: "^(" + pair + "(," + pair + ")*)?$"}
}

// logLevels returns the level of areas without one of their own, and those of the others.
func (s *settings) logLevels() (others slog.Level, byArea map[string]slog.Level) {
	byArea = make(map[string]slog.Level)
	s.LogLevels.fields(func(area string, name *levelName) {
		if *name != "" {
			byArea[area] = name.level()
		}
	})
	return s.level(), byArea
}

// newAreaLogger returns a logger whose areas have these levels. The first line of the log
// describes this program. It is written when announce is called, or before any other line.
// Without other lines, it does not precede the errors of a wrong command line. file is the name
// of the configuration file, which may be empty.
func newAreaLogger(std *stdio, format string, levels *logarea.Levels, file string) (log *slog.Logger, announce func()) {
	h := levels.Handler(newLogger(std.err, format, slog.LevelDebug).Handler())
	announce = sync.OnceFunc(func() {
		logarea.With(slog.New(h), logarea.Program).Info("ignis is starting", thisBuild().attributes(file)...)
	})
	return slog.New(announcing{h, announce}), announce
}

// attributes returns the attributes of the first line of the log.
func (b build) attributes(file string) []any {
	args := []any{"version", b.Version}
	if b.Revision != "" {
		args = append(args, "revision", b.Revision)
	}
	args = append(args, "go", b.Go)
	if file != "" {
		args = append(args, "file", file)
	}
	return args
}

// announcing is a handler that calls announce before it writes a line.
type announcing struct {
	slog.Handler
	announce func()
}

// Handle writes a line.
func (h announcing) Handle(ctx context.Context, r slog.Record) error {
	h.announce()
	return h.Handler.Handle(ctx, r)
}

// WithAttrs returns a handler with the attributes.
func (h announcing) WithAttrs(attrs []slog.Attr) slog.Handler {
	return announcing{h.Handler.WithAttrs(attrs), h.announce}
}

// WithGroup returns a handler with the group.
func (h announcing) WithGroup(name string) slog.Handler {
	return announcing{h.Handler.WithGroup(name), h.announce}
}

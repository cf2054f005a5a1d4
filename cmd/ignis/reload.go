package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/ignis-go/ignis/internal/app"
	"github.com/ignis-go/ignis/internal/configfile"
)

// watchInterval is the time between two reads of the configuration file.
const watchInterval = 2 * time.Second

// reloader applies changes of the configuration file to a running server.
type reloader struct {
	running *effective // what the server runs with
	app     *app.App
	level   *slog.LevelVar
	log     *slog.Logger

	seen    string // text of the file that was last applied or refused
	pending string // different text that was read once
}

// run reloads the configuration on SIGHUP and when the file changes, until ctx is done. A
// change is applied when two reads in a row return the same text, so that a file that is
// still being written is not used. What the path's symbolic links point to does not
// matter, only the text.
func (r *reloader) run(ctx context.Context, hangups <-chan os.Signal) {
	r.seen = r.running.text
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			r.reload(ctx, "SIGHUP")
		case <-ticker.C:
			if r.changed() {
				r.reload(ctx, "the file has changed")
			}
		}
	}
}

// changed reports whether the file has a new text, which is complete.
func (r *reloader) changed() bool {
	if r.running.file == "" {
		return false
	}
	read, err := configfile.Read(r.running.file)
	text := string(read)
	switch {
	case err != nil || text == r.seen: // a missing file is probably being replaced
		r.pending = r.seen
		return false
	case text != r.pending:
		r.pending = text
		return false
	}
	return true
}

// reload reads the configuration, and the files that it names, again. If there are
// errors, the server continues with the previous configuration.
func (r *reloader) reload(ctx context.Context, why string) {
	fresh, err := r.running.loader.load()
	if fresh != nil {
		r.seen = fresh.text
	}
	r.pending = r.seen
	if err != nil {
		r.refuse(fresh, err)
		return
	}
	fixed, changed := fresh.keepFixed(r.running)
	cfg, err := fresh.appConfig(r.log)
	if err == nil {
		err = r.app.Reload(ctx, cfg)
	}
	if err != nil {
		r.refuse(fresh, err)
		return
	}
	r.level.Set(fresh.level())
	r.running = fresh
	for _, k := range fixed {
		r.log.Warn("this setting cannot change while the server runs; restart the server to apply it", "key", k.Path)
	}
	r.log.Info("configuration reloaded", "reason", why, "file", fresh.file, "changed", paths(changed))
}

// refuse logs why a configuration cannot be used.
func (r *reloader) refuse(e *effective, err error) {
	const message = "could not reload the configuration; the previous one stays in effect"
	var problems configfile.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			r.log.Error(message, "problem", oneLine(p.Error()))
		}
		return
	}
	text := err.Error()
	if e != nil {
		text = e.explain(text)
	}
	r.log.Error(message, "problem", oneLine(text))
}

func paths(keys []*configfile.Key) string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.Path
	}
	return strings.Join(names, " ")
}

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
	"github.com/ignis-go/ignis/internal/filewatch"
	"github.com/ignis-go/ignis/internal/logarea"
)

// watchInterval is the time between two reads of the configuration file.
const watchInterval = 2 * time.Second

// reloader applies changes of the configuration file to a running server.
type reloader struct {
	running *effective // what the server runs with
	app     *app.App
	levels  *logarea.Levels
	base    *slog.Logger // of the server
	log     *slog.Logger
	manager *manager
}

// run reloads the configuration on SIGHUP and when the file has changed, until ctx is done.
func (r *reloader) run(ctx context.Context, hangups <-chan os.Signal) {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	loader := r.running.loader
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			r.manager.reload(func() {
				fresh, err := loader.load()
				r.reload(ctx, "SIGHUP", fresh, err)
			})
		case <-ticker.C:
			if loader.files == nil {
				continue
			}
			if c, change := loader.files.Poll(); change == filewatch.Changed {
				fresh, err := loader.decode(c)
				r.reload(ctx, "the file has changed", fresh, err)
			}
		}
	}
}

// reload applies the settings that were loaded, and reads the files that they name again. If
// there are errors, the server continues with the previous configuration.
func (r *reloader) reload(ctx context.Context, why string, fresh *effective, err error) {
	if err != nil {
		r.refuse(fresh, err)
		return
	}
	fixed, changed := fresh.keepFixed(r.running)
	cfg, err := fresh.appConfig(r.base)
	if err == nil {
		err = r.app.Reload(ctx, cfg)
	}
	if err != nil {
		r.refuse(fresh, err)
		return
	}
	r.levels.Set(fresh.logLevels())
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

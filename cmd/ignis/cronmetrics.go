package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"syscall"

	"github.com/ignis-go/ignis/internal/logarea"
	"github.com/ignis-go/ignis/internal/observe"
	"github.com/ignis-go/ignis/promignis"
)

// cronAreas are the areas of the log of ignis cron run.
var cronAreas = []string{logarea.Program, logarea.Cron, logarea.Redis, logarea.HTTP}

// cronLevels are the levels of areas of the log of ignis cron run.
type cronLevels struct{ byArea map[string]slog.Level }

// UnmarshalText parses comma-separated pairs such as redis=debug.
func (l *cronLevels) UnmarshalText(text []byte) (err error) {
	l.byArea, err = parseLevels(string(text), cronAreas)
	return err
}

// cronMetrics are the flags of ignis cron run for metrics.
type cronMetrics struct {
	MetricsListen metricsAddress `group:"Metrics" placeholder:"ADDRESS" help:"Address, as host:port, that serves metrics of the jobs for Prometheus at /metrics, and /healthz, over plain HTTP and without authentication (none). See docs/metrics.md."`
}

// serve starts to serve the metrics that recorder has counted, and returns a function that ends
// it.
func (f *cronMetrics) serve(ctx context.Context, recorder *promignis.Recorder, log *slog.Logger) (closeServer func(), err error) {
	if f.MetricsListen == "" {
		return func() {}, nil
	}
	b := thisBuild()
	log = logarea.With(log, logarea.HTTP)
	s, err := observe.Start(ctx, observe.Config{
		Address: string(f.MetricsListen),
		Handlers: map[string]http.Handler{
			"/metrics": promignis.Handler(promignis.Config{Recorder: recorder, Version: b.Version, Revision: b.Revision, Logger: log}),
			"/healthz": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"status":"alive"}`+"\n") // fails only if the peer has gone
			}),
		},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	})
	if err != nil {
		hint := ""
		if errors.Is(err, syscall.EADDRINUSE) {
			hint = "is another program listening there? Each process needs an address of its own"
		}
		return nil, &exitError{exitFailed, &explained{err, "--metrics-listen: " + err.Error()}, hint}
	}
	log.Info("serving metrics", "url", s.URL())
	return s.Close, nil
}

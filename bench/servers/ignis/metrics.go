//go:build metrics

package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/httpapi"
	"github.com/ignis-go/ignis/promignis"
	"github.com/ignis-go/ignis/redisbus"
)

// metrics returns the hooks that record metrics, those of the HTTP API, and a function that scrapes
// them until ctx is done, as often as Prometheus usually does.
func metrics() (ignis.Hooks, func(httpapi.RequestInfo), func(ctx context.Context, srv *ignis.Server, bus *redisbus.Bus)) {
	recorder := promignis.NewRecorder()
	onRequest := func(i httpapi.RequestInfo) { recorder.APIRequest(i.Operation, i.Status, i.Duration, i.Messages) }
	return recorder.Hooks(), onRequest, func(ctx context.Context, srv *ignis.Server, bus *redisbus.Bus) {
		h := promignis.Handler(promignis.Config{Recorder: recorder, Server: srv, Bus: bus})
		tick := time.NewTicker(15 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/metrics", nil))
			case <-ctx.Done():
				return
			}
		}
	}
}

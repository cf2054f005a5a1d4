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
// them until ctx is done, as often as Prometheus usually does. If they are off, nothing is recorded.
func metrics(on bool) (ignis.Hooks, func(httpapi.RequestInfo), func(ctx context.Context, srv *ignis.Server, bus *redisbus.Bus)) {
	if !on {
		return ignis.Hooks{}, nil, func(context.Context, *ignis.Server, *redisbus.Bus) {}
	}
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

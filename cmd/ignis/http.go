package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/loglimit"
	"github.com/ignis-go/ignis/redisbus"
)

const (
	healthPath = "/healthz"
	readyPath  = "/readyz"
)

// maxHeader is how many bytes a request's line and header may have. Each short field
// takes many times its length in memory.
const maxHeader = 8 << 10

// newHTTPServer bounds what a peer may send and how long it may take to, before
// it is a client with the library's own limits.
func newHTTPServer(h http.Handler, limit *loglimit.Limiter) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       15 * time.Second,
		MaxHeaderBytes:    maxHeader - 4<<10, // to which net/http adds its buffer
		ErrorLog:          log.New(httpLog{limit}, "", 0),
	}
}

// closeHTTP ends what is left of plain HTTP; WebSocket connections are the
// library's and gone by now.
func closeHTTP(hs *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if hs.Shutdown(ctx) != nil {
		_ = hs.Close()
	}
}

// newEndpoints routes by exact path. Nothing else is served. relays says that clients
// can reach each other without Redis.
func newEndpoints(path string, srv *ignis.Server, relays bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case path:
			srv.ServeHTTP(w, r)
		case healthPath:
			answer(w, r, http.StatusOK, probe{Status: "alive"})
		case readyPath:
			p := readiness(srv.Health(), relays)
			answer(w, r, p.code(), p)
		default:
			http.NotFound(w, r)
		}
	})
}

// probe is the answer to a probe.
type probe struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
	Note   string `json:"note,omitempty"`
}

func (p probe) code() int {
	if p.Reason != "" {
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

// readiness says why traffic should go elsewhere, in words that tell outsiders
// nothing of the network behind; the log has the details.
func readiness(h ignis.Health, relays bool) probe {
	switch {
	case !h.Ready:
		return probe{Status: "unavailable", Reason: "the server is starting or shutting down"}
	case errors.Is(h.Bus, redisbus.ErrPartial):
		// Every server sees it: if all were unavailable, nothing would be left.
		return probe{Status: "ready", Note: "a part of the Redis Cluster is cut off; messages of instances connected there may be missing"}
	case h.Bus != nil && relays:
		return probe{Status: "unavailable", Reason: "Redis does not carry messages at the moment; clients of this server still reach each other"}
	case h.Bus != nil:
		return probe{Status: "unavailable", Reason: "Redis does not carry messages at the moment; clients stay connected and get none until it does"}
	}
	return probe{Status: "ready"}
}

func answer(w http.ResponseWriter, r *http.Request, code int, p probe) {
	if !onlyGet(w, r) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(p) // a peer that has gone wants no answer
}

// onlyGet refuses methods that would change something, where nothing changes.
func onlyGet(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, "Only GET and HEAD are allowed here.", http.StatusMethodNotAllowed)
	return false
}

// httpLog takes what net/http has to say. What it says of this process, such as that it
// has no descriptor left, is an error, and what it says of its peers is for debugging.
type httpLog struct{ limit *loglimit.Limiter }

func (h httpLog) Write(line []byte) (int, error) {
	text, stack, _ := strings.Cut(strings.TrimSpace(string(line)), "\n")
	level := slog.LevelDebug
	if strings.Contains(text, "Accept error") || strings.Contains(text, "panic serving") {
		level = slog.LevelError
	}
	text, _, _ = strings.Cut(text, "; retrying in ") // which differs each time
	args := []any{"error", text}
	if stack != "" {
		args = append(args, "stack", stack)
	}
	h.limit.Log(level, "HTTP server", args...)
	return len(line), nil
}

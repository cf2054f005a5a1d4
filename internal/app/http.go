package app

import (
	"context"
	"log"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/ignis-go/ignis/internal/loglimit"
)

// maxHeader is the maximum size in bytes of a request line and header. It is low because
// each short field takes many times its length in memory.
const maxHeader = 8 << 10

// handler routes requests by their exact path.
func (a *App) handler() http.Handler {
	h := a.clientAddress(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case a.cfg.Path:
			a.server.ServeHTTP(w, r)
		case scriptPath:
			a.script.ServeHTTP(w, r)
		default:
			if len(a.cfg.API.Listen) == 0 && a.api.serves(r) {
				a.api.ServeHTTP(w, r)
				return
			}
			a.serveProbe(w, r)
		}
	}))
	if a.dev != nil {
		return a.dev.guard(h)
	}
	return h
}

// clientAddress returns a handler that passes requests on to next with the address that trusted
// proxies report.
func (a *App) clientAddress(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.dev == nil {
			// Everything that counts, limits or logs clients uses this field.
			r.RemoteAddr = a.policy.Load().proxies.RemoteAddr(r)
		}
		next.ServeHTTP(w, r)
	})
}

// newHTTPServer returns a server that limits what a peer may send, and how long it may
// take, before it becomes a client. From then on the limits of the library apply.
func newHTTPServer(h http.Handler, limit *loglimit.Limiter) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       15 * time.Second,
		MaxHeaderBytes:    maxHeader - 4<<10, // net/http adds the size of its buffer
		ErrorLog:          newErrorLog(limit),
	}
}

// newErrorLog returns the log of an HTTP server.
func newErrorLog(limit *loglimit.Limiter) *log.Logger { return log.New(httpLog{limit}, "", 0) }

// closeHTTP closes the connections that are not WebSockets; the Ignis server has already
// closed the others. Requests in progress have a second to complete.
func closeHTTP(servers ...*http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, hs := range servers {
		if hs.Shutdown(ctx) != nil {
			_ = hs.Close()
		}
	}
}

// httpLog receives the log lines of net/http. A line about this process, for example that
// it has run out of descriptors, is an error. A line about a peer is for debugging.
type httpLog struct{ limit *loglimit.Limiter }

func (h httpLog) Write(line []byte) (int, error) {
	text, stack, _ := strings.Cut(strings.TrimSpace(string(line)), "\n")
	level := slog.LevelDebug
	if strings.Contains(text, "Accept error") || strings.Contains(text, "panic serving") {
		level = slog.LevelError
	}
	text, _, _ = strings.Cut(text, "; retrying in ") // the delay differs each time
	args := []any{"error", text}
	if stack != "" {
		args = append(args, "stack", stack)
	}
	h.limit.Log(level, "HTTP server", args...)
	return len(line), nil
}

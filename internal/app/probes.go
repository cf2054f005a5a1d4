package app

import (
	"encoding/json"
	"net/http"
)

const (
	healthPath  = "/healthz"
	readyPath   = "/readyz"
	startupPath = "/startupz"
)

func isProbe(path string) bool {
	return path == healthPath || path == readyPath || path == startupPath
}

// serveProbe answers a probe, and 404 for any other path.
func (a *App) serveProbe(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case healthPath:
		answer(w, r, health{Status: "alive"}, http.StatusOK)
	case readyPath:
		h := a.health()
		answer(w, r, h, h.code())
	case startupPath:
		if a.started() {
			answer(w, r, health{Status: "started"}, http.StatusOK)
			return
		}
		answer(w, r, a.health(), http.StatusServiceUnavailable)
	default:
		http.NotFound(w, r)
	}
}

func answer(w http.ResponseWriter, r *http.Request, h health, code int) {
	if !onlyGet(w, r) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(h) // fails only if the peer has gone
}

// onlyGet reports whether the method of the request is GET or HEAD. If not, it answers the
// request.
func onlyGet(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, "Only GET and HEAD are allowed here.", http.StatusMethodNotAllowed)
	return false
}

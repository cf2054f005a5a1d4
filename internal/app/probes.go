package app

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/redisbus"
)

const (
	healthPath = "/healthz"
	readyPath  = "/readyz"
)

// probe is the body of the response to a probe.
type probe struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"` // empty if the probe succeeds
	Note   string `json:"note,omitempty"`
}

func (p probe) code() int {
	if p.Reason != "" {
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

// readiness returns whether the server can take traffic and, if not, why. The text reveals
// nothing about the network behind the server; the log has the details. relays says
// whether clients can reach each other without Redis.
func readiness(h ignis.Health, relays bool) probe {
	switch {
	case h.Draining:
		return probe{Status: "draining", Reason: "the server is draining: it shuts down soon, and clients should connect to another one"}
	case !h.Ready:
		return probe{Status: "unavailable", Reason: "the server is starting or shutting down"}
	case errors.Is(h.Bus, redisbus.ErrPartial):
		// All servers see this. If they were all unavailable, none would be left.
		return probe{Status: "ready", Note: "part of the Redis Cluster is unreachable; messages from instances connected to that part may be missing"}
	case h.Bus != nil && relays:
		return probe{Status: "unavailable", Reason: "messages cannot be exchanged over Redis at the moment; clients of this server still reach each other"}
	case h.Bus != nil:
		return probe{Status: "unavailable", Reason: "messages cannot be exchanged over Redis at the moment; clients stay connected but receive nothing until they can"}
	}
	return probe{Status: "ready"}
}

func answer(w http.ResponseWriter, r *http.Request, p probe) {
	if !onlyGet(w, r) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.code())
	_ = json.NewEncoder(w).Encode(p) // fails only if the peer has gone
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

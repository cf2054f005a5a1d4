package observe

import (
	"net/http"
	"net/http/pprof"
	"strconv"

	"github.com/ignis-go/ignis/internal/listen"
)

// maxProfile is the maximum duration of a profile or trace in seconds.
const maxProfile = 60

// mountProfiles serves package net/http/pprof. Importing that package also registers its
// handlers with http.DefaultServeMux, which this program does not serve.
func mountProfiles(mux *http.ServeMux) {
	for path, h := range map[string]http.HandlerFunc{
		"GET /debug/pprof/":        pprof.Index,
		"GET /debug/pprof/cmdline": pprof.Cmdline,
		"GET /debug/pprof/profile": pprof.Profile,
		"GET /debug/pprof/symbol":  pprof.Symbol,
		"GET /debug/pprof/trace":   pprof.Trace,
	} {
		mux.Handle(path, guarded(h))
	}
}

// guarded returns h for requests that name this machine and ask for a profile that is not too
// long. A web site could resolve its own name to this machine (DNS rebinding), and make a
// browser on it fetch profiles.
func guarded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !listen.IsLoopbackHost(r.Host) {
			http.Error(w, "Profiles are served only to requests for localhost and loopback addresses.", http.StatusForbidden)
			return
		}
		if text := r.FormValue("seconds"); text != "" {
			// Written so that NaN is refused, too.
			if seconds, err := strconv.ParseFloat(text, 64); err != nil || !(seconds >= 0 && seconds <= maxProfile) {
				http.Error(w, "The parameter seconds must be a number from 0 to "+strconv.Itoa(maxProfile)+".", http.StatusBadRequest)
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}

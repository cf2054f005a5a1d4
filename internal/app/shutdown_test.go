package app

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/logtest"
	"github.com/ignis-go/ignis/internal/redistest"
)

// The log says how many requests for a connection were refused during the shutdown, if any.
func TestRefusedDuringShutdown(t *testing.T) {
	t.Parallel()
	for want, requests := range map[string]int{
		`level=INFO msg="clients were refused during the shutdown" area=program requests=3`: 3,
		"": 0,
	} {
		var log logtest.Log
		c := development()
		c.Server.Logger, c.Server.ShutdownTimeout = log.Logger(), time.Minute
		r := run(t, c)
		release, err := r.app.server.Hold()
		if err != nil {
			t.Fatal(err)
		}
		r.stop()
		redistest.Wait(t, "the shutdown", func() bool { return log.Has("server is shutting down") })
		for range requests {
			w := httptest.NewRecorder()
			r.app.handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/ws", http.NoBody))
			if w.Code != http.StatusServiceUnavailable {
				t.Errorf("status %d", w.Code)
			}
		}
		release()
		if <-r.done; r.err != nil {
			t.Errorf("Run returned %v", r.err)
		}
		if (requests > 0) != log.Has("were refused during the shutdown") || !log.Has(want) {
			t.Errorf("the log is\n%s", log.String())
		}
	}
}

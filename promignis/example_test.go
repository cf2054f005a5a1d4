package promignis_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/cron"
	"github.com/ignis-go/ignis/promignis"
)

func Example() {
	recorder := promignis.NewRecorder()
	srv, err := ignis.New(ignis.Config{
		Authenticate: func(_ context.Context, c ignis.Credentials) (ignis.Identity, error) {
			return ignis.Identity{UserID: c.Token}, nil // a real application verifies the token
		},
		Hooks: recorder.Hooks(),
	})
	if err != nil {
		log.Fatal(err)
	}
	cleanUp, err := cron.New(recorder.Job(cron.Config{
		Name: "clean-up", Pattern: "0 3 * * *",
		Do: func(context.Context, cron.Run) error { return nil },
	}))
	if err != nil {
		log.Fatal(err)
	}
	// Run srv and cleanUp, and mount the handler at /metrics of an http.Server that only
	// Prometheus reaches.
	_ = cleanUp
	metrics := promignis.Handler(promignis.Config{Recorder: recorder, Server: srv})

	w := httptest.NewRecorder()
	metrics.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "ignis_clients{") || strings.HasPrefix(line, "ignis_cron_running{") {
			fmt.Print(line)
		}
	}
	// Output:
	// ignis_clients{protocol="0",state="unauthenticated"} 0
	// ignis_clients{protocol="1",state="authenticated"} 0
	// ignis_clients{protocol="2",state="authenticated"} 0
	// ignis_cron_running{job_name="clean-up"} 0
}

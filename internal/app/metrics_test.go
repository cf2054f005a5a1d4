package app

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/logtest"
)

// The error for an address that cannot be used names the setting.
func TestMetricsAddressInUse(t *testing.T) {
	c := development()
	c.Metrics.Listen = run(t, development()).addr
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	err = a.Run(t.Context())
	var e *Error
	if !errors.As(err, &e) || e.Usage || !strings.HasPrefix(err.Error(), "--metrics-listen: ") || !strings.Contains(e.Hint, "another program") {
		t.Errorf("got %#v", err)
	}
}

// The metrics include the keys of tokens and the requests to the API.
func TestMetricsOfProduction(t *testing.T) {
	c, key := withAPI(t)
	c.JWTSecretFile, c.JWTSecret = filepath.Join(t.TempDir(), "secret"), nil
	write(t, c.JWTSecretFile, strings.Repeat("s", 32))
	c.Metrics = Metrics{Listen: "127.0.0.1:0", Version: "1.2.3", Revision: "abc"}
	r := run(t, c)
	ask(t, r.addr, key, "POST", "/api/v1/publish", notice)
	w := httptest.NewRecorder()
	r.app.metrics().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, metricsPath, http.NoBody))
	for _, text := range []string{
		`ignis_token_keys{`, `ignis_api_requests_total{operation="publish",status="200"} 1`, `ignis_api_messages_total 1`, `version="1.2.3"`, `revision="abc"`,
		"ignis_ready 1\n",
	} {
		if !strings.Contains(w.Body.String(), text) {
			t.Errorf("the metrics do not contain %s:\n%s", text, w.Body)
		}
	}
}

// A server in development mode has metrics, too.
func TestMetricsOfDevelopment(t *testing.T) {
	var log logtest.Log
	c := development()
	c.Metrics.Listen = "127.0.0.1:0"
	c.Server.Logger = log.Logger()
	run(t, c)
	_, url, _ := strings.Cut(log.String(), `msg="serving metrics and probes" area=program url=`)
	url, _, _ = strings.Cut(url, " ")
	if code, body := get(t, url+"/metrics"); code != http.StatusOK || !strings.Contains(body, "\nignis_ready 1\n") || !strings.Contains(body, "\nignis_connections_total 0\n") {
		t.Errorf("%d %s", code, body)
	}
	if code, body := get(t, url+"/readyz"); code != http.StatusOK || body != `{"status":"ready","checks":[{"name":"server","status":"ok"}]}`+"\n" {
		t.Errorf("%d %s", code, body)
	}
}

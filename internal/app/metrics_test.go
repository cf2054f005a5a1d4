package app

import (
	"errors"
	"net/http"
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

package flood

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// post sends a question to an endpoint, and returns the status and the body of the answer.
func post(t *testing.T, e *Endpoint, within time.Duration, question string) (int, string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL+"/hook", strings.NewReader(question))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, strings.TrimSpace(string(body)), err
}

// An endpoint answers like an application that allows everything, until it is broken.
func TestEndpoint(t *testing.T) {
	e, err := NewEndpoint()
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	defer http.DefaultClient.CloseIdleConnections()
	const join = `{"type":"join","data":{"rooms":["a","b"]}}`
	for _, row := range []struct {
		fault    Fault
		question string
		status   int
		body     string
	}{
		{None, `{"type":"authenticate","data":{}}`, 200, `{"user":"someone"}`},
		{None, join, 200, `{"rooms":["a","b"]}`},
		{Fails, join, 500, "The application has failed."},
		{Talks, join, 200, "<!doctype html><title>Welcome</title>"},
		{None, join, 200, `{"rooms":["a","b"]}`},
	} {
		e.Break(row.fault)
		if status, body, err := post(t, e, time.Minute, row.question); status != row.status || body != row.body || err != nil {
			t.Errorf("%v: %d %s, %v", row.fault, status, body, err)
		}
	}
	e.Break(Hangs)
	if _, _, err := post(t, e, 20*time.Millisecond, join); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an endpoint that hangs: %v", err)
	}
}

// The names of all kinds differ, because one flag selects them.
func TestNames(t *testing.T) {
	seen := make(map[string]bool)
	for _, k := range append(Kinds(), Attacks()...) {
		if seen[k.Name] || (k.Attack != nil) != seen["handshakes"] {
			t.Errorf("kind %s", k.Name)
		}
		seen[k.Name] = true
	}
}

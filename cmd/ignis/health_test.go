package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
)

// ignis health says whether a server is ready, over TCP and over a Unix socket.
func TestHealthCommand(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	p, address := serve(t, nil, "--dev", "--listen", "unix:"+path, "--drain-delay", "1h")
	dial(t, address, nil)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "http://"+address+"/readyz", http.StatusFound)
		}
	}))
	t.Cleanup(other.Close)
	check := func(code int, said string, args ...string) {
		t.Helper()
		h := start(t, nil, append([]string{"health"}, args...)...)
		if got := h.wait(); got != code || !strings.Contains(h.lines.text()+h.errors.text(), said) {
			t.Errorf("%q: exit code %d, %s%s", args, got, h.lines.text(), h.errors.text())
		}
	}
	check(0, `{"status":"ready"`, "http://"+address)
	check(0, `{"status":"ready"`, "http://"+address+"/readyz")
	check(0, `{"status":"alive"}`, "http://"+address+"/healthz")
	check(0, `{"status":"ready"`, "unix:"+path)
	check(1, "404 Not Found", "http://"+address+"/nothing")
	check(1, "not as a probe", other.URL)
	check(1, "302 Found", other.URL+"/moved")
	check(1, "connection refused", "http://127.0.0.1:1/readyz")
	check(1, "no such file", "unix:"+path+"x")
	check(2, "is not the URL of a probe", "ws://"+address)
	check(2, "is not the URL of a probe", "127.0.0.1:8080")

	p.signal(syscall.SIGTERM)
	draining(t, address)
	check(1, `{"status":"draining"`, "http://"+address)
	check(0, `{"status":"alive"}`, "http://"+address+"/healthz")
}

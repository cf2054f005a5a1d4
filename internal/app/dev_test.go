package app

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/docsite"
	"github.com/ignis-go/ignis/internal/logtest"
	"github.com/ignis-go/ignis/wire"
)

// visit returns the answer of a server in development mode to a request for host.
func visit(t *testing.T, a *App, method, host, path string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://"+host+path, http.NoBody)
	w := httptest.NewRecorder()
	a.handler().ServeHTTP(w, r)
	return w
}

// The page and its files have the right types and a strict policy. Nothing else is served
// below their folder.
func TestDevelopmentPage(t *testing.T) {
	c := development()
	c.Path = "/my-endpoint"
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/": "text/html; charset=utf-8", "/dev/app.js": "text/javascript; charset=utf-8", "/dev/rooms.js": "text/javascript; charset=utf-8",
		"/dev/style.css": "text/css; charset=utf-8", "/dev/icon.svg": "image/svg+xml",
	} {
		w := visit(t, a, http.MethodGet, "localhost", path)
		h := w.Header()
		if w.Code != http.StatusOK || h.Get("Content-Type") != want || w.Body.Len() == 0 {
			t.Errorf("%s: %d, %v", path, w.Code, h)
		}
		if !strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self';") || h.Get("X-Content-Type-Options") != "nosniff" ||
			h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %v", path, h)
		}
		if has := strings.Contains(w.Body.String(), c.Path); has != (path == "/") {
			t.Errorf("%s: the endpoint is in it: %v", path, has)
		}
	}
	for _, path := range []string{"/dev/", "/dev/index.html", "/dev/missing.js", "/dev//app.js", "/dev/./app.js", "/dev/x/../app.js", "/dev", "/app.js"} {
		if w := visit(t, a, http.MethodGet, "localhost", path); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// The documentation is part of the development mode, and only of that.
func TestDevelopmentDocs(t *testing.T) {
	a, err := New(development())
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]struct {
		code int
		text string
	}{
		"/docs/": {200, "<h1"}, "/docs/tokens.html": {200, "Tokens"}, "/docs/search.json": {200, "tokens.html"}, "/docs/llms.txt": {200, "tokens.md"},
		"/docs/missing": {404, "Page not found"}, "/docs/tokens.html/": {404, ""}, "/docsx": {404, ""},
	} {
		w := visit(t, a, http.MethodGet, "localhost", path)
		if w.Code != want.code || !strings.Contains(w.Body.String(), want.text) {
			t.Errorf("%s: %d %.200s", path, w.Code, w.Body)
		}
		if policy := w.Header().Get("Content-Security-Policy"); w.Code == http.StatusOK && !strings.HasPrefix(policy, "default-src 'none'; script-src 'self';") {
			t.Errorf("%s: %q", path, policy)
		}
	}
	if w := visit(t, a, http.MethodGet, "localhost", "/docs"); w.Code != http.StatusFound || w.Header().Get("Location") != "/docs/" {
		t.Errorf("/docs: %d %v", w.Code, w.Header())
	}
	if w := visit(t, a, http.MethodGet, "localhost", "/"); !strings.Contains(w.Body.String(), `href="/docs/"`) {
		t.Error("the page has no link to the documentation")
	}
	a, err = New(production())
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/docs", "/docs/", "/docs/tokens.html"} {
		if w := visit(t, a, http.MethodGet, "localhost", path); w.Code != http.StatusNotFound {
			t.Errorf("in production, %s: %d", path, w.Code)
		}
	}
}

// A documentation that cannot be rendered is an error of the server.
func TestDevelopmentDocsBroken(t *testing.T) {
	var log logtest.Log
	c := development()
	c.Server.Logger = log.Logger()
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	a.dev.docs = func() (*docsite.Site, error) { return nil, io.ErrUnexpectedEOF }
	if w := visit(t, a, http.MethodGet, "localhost", "/docs/"); w.Code != http.StatusInternalServerError || !log.Has("documentation not rendered") {
		t.Errorf("%d, logged %s", w.Code, &log)
	}
}

// Requests for other hosts, which a web site can cause, and requests that are not for reading are
// refused.
func TestDevelopmentRefuses(t *testing.T) {
	var log logtest.Log
	c := development()
	c.Server.Logger = log.Logger()
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{
		"localhost": 200, "localhost:8080": 200, "127.0.0.1": 200, "[::1]:8080": 200,
		"evil.example": 403, "evil.example:8080": 403, "127.0.0.1.evil.example": 403, "10.0.0.1": 403,
	} {
		for _, path := range []string{"/", "/dev/app.js", "/docs/", "/healthz"} {
			if w := visit(t, a, http.MethodGet, host, path); w.Code != want || want == 403 && !strings.Contains(w.Body.String(), "loopback") {
				t.Errorf("%s%s: %d %.100s", host, path, w.Code, w.Body)
			}
		}
	}
	if !log.Has("request refused: development mode") {
		t.Errorf("logged %s", &log)
	}
	for _, path := range []string{"/", "/dev/app.js", "/docs/", "/healthz"} {
		w := visit(t, a, http.MethodPost, "localhost", path)
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" || !strings.HasPrefix(w.Body.String(), "Only GET and HEAD") {
			t.Errorf("POST %s: %d %v %s", path, w.Code, w.Header(), w.Body)
		}
		if w := visit(t, a, http.MethodHead, "localhost", path); w.Code != http.StatusOK {
			t.Errorf("HEAD %s: %d", path, w.Code)
		}
	}
}

// Only pages from this machine may connect.
func TestDevelopmentOrigins(t *testing.T) {
	a, err := New(development())
	if err != nil {
		t.Fatal(err)
	}
	for origin, want := range map[string]bool{
		"http://localhost:3000": true, "https://127.0.0.1": true, "http://[::1]:1": true,
		"https://evil.example": false, "http://localhost.evil.example": false, "file://localhost": false, "null": false, "http://%": false,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/ws", http.NoBody)
		r.Header.Set("Origin", origin)
		if _, err := a.dev.accept(r); (err == nil) != want {
			t.Errorf("%s: %v", origin, err)
		}
	}
}

// Clients are the users that they name, may join every room, and send to those that they are in.
func TestDevelopmentClients(t *testing.T) {
	var log logtest.Log
	c := development()
	c.Server.Logger = log.Logger()
	r := run(t, c)
	dial := func(credentials any) *client.Conn {
		t.Helper()
		c, err := client.Dial(t.Context(), "ws://"+r.addr+"/ws", client.Config{Credentials: credentials})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	for _, row := range []struct {
		credentials any
		user        string
	}{
		{nil, ""},
		{map[string]any{"userId": "ann", "token": "t"}, "ann"},
		{map[string]any{"token": "t"}, "t"},
		{map[string]any{"userId": "", "token": "t"}, "t"},
		{map[string]any{"userId": 42, "token": "t"}, "t"},
		{[]int{1}, ""},
	} {
		if c := dial(row.credentials); c.UserID() != row.user {
			t.Errorf("%v connected as %q", row.credentials, c.UserID())
		}
	}
	ann, bob := dial(map[string]string{"userId": "ann"}), dial(nil)
	if _, err := bob.Join(t.Context(), "lobby"); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		data map[string]string
		code wire.ErrorCode
		log  string
	}{
		{map[string]string{"text": "to nobody"}, wire.CodeInvalid, "it names no room"},
		{map[string]string{"room": "lobby"}, wire.CodeForbidden, "its sender is not in the room"},
	} {
		_, err := ann.Request(t.Context(), "say", row.data)
		var refused *client.Error
		if !errors.As(err, &refused) || refused.Code != row.code || refused.Message == "" || !log.Has(row.log) {
			t.Errorf("%v: %v", row.data, err)
		}
	}
	if _, err := ann.Join(t.Context(), "lobby"); err != nil {
		t.Fatal(err)
	}
	if err := ann.SendMessage(t.Context(), wire.Message{Event: "say", Room: "lobby", Data: []byte(`{"n":1}`)}); err != nil {
		t.Fatal(err)
	}
	// The first message that bob receives is the one that was relayed.
	if m, err := bob.Receive(t.Context()); err != nil || m.Event != "say" || !strings.Contains(string(m.Data), `"userId":"ann"`) {
		t.Errorf("received %+v, %v", m, err)
	}
}

// brokenWriter is a response to a peer that has gone.
type brokenWriter struct{ *httptest.ResponseRecorder }

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// A peer that goes away while the page is sent is of no interest, except for debugging.
func TestDevelopmentPageNotSent(t *testing.T) {
	var log logtest.Log
	c := development()
	c.Server.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/dev/app.js"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost"+path, http.NoBody)
		a.handler().ServeHTTP(brokenWriter{httptest.NewRecorder()}, r)
		if lines := log.Take(); len(lines) != 1 || !strings.Contains(lines[0], "level=DEBUG") || !strings.Contains(lines[0], "not sent") {
			t.Errorf("%s: logged %q", path, lines)
		}
	}
}

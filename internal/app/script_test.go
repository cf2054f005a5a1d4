package app

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// The client for browsers is offered by every server, not only in development mode.
func TestClientScript(t *testing.T) {
	s := newScript()
	ask := func(url string, fields ...string) *http.Response {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		for i := 0; i < len(fields); i += 2 {
			r.Header.Set(fields[i], fields[i+1])
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w.Result()
	}

	plain := ask("/ignis.js")
	text, _ := io.ReadAll(plain.Body)
	if !bytes.Equal(text, clientScript) || !strings.Contains(string(text), "Ignis=") {
		t.Errorf("the text has %d bytes", len(text))
	}
	if got := plain.Header.Get("Content-Type"); got != "text/javascript; charset=utf-8" {
		t.Errorf("the type is %s", got)
	}
	if got := plain.Header.Get("Cache-Control"); !strings.HasPrefix(got, "public, max-age=") {
		t.Errorf("Cache-Control is %s", got)
	}
	zipped := ask("/ignis.js", "Accept-Encoding", "br, gzip;q=0.5")
	z, err := gzip.NewReader(zipped.Body)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(z); err != nil || !bytes.Equal(text, clientScript) {
		t.Errorf("unzipped, the text has %d bytes; %v", len(text), err)
	}
	for _, encoding := range []string{"", "br", "gzip;q=0", "gzip; q=0.0", "x-gzip", "*"} {
		if got := ask("/ignis.js", "Accept-Encoding", encoding).Header.Get("Content-Encoding"); got != "" {
			t.Errorf("to Accept-Encoding %q, it is sent with %s", encoding, got)
		}
	}

	tag := plain.Header.Get("ETag")
	if tag == "" || tag == zipped.Header.Get("ETag") {
		t.Errorf("both encodings have the ETag %s", tag)
	}
	if again := ask("/ignis.js", "If-None-Match", tag); again.StatusCode != http.StatusNotModified {
		t.Errorf("to a client that has it: %d", again.StatusCode)
	}
	if got := ask("/ignis.js?v=" + s.version).Header.Get("Cache-Control"); !strings.Contains(got, "immutable") {
		t.Errorf("with its version, Cache-Control is %s", got)
	}
	if got := ask("/ignis.js?v=other").Header.Get("Cache-Control"); strings.Contains(got, "immutable") {
		t.Errorf("with another version, Cache-Control is %s", got)
	}
}

func TestClientScriptInProduction(t *testing.T) {
	r := run(t, production())
	if code, text := get(t, "http://"+r.addr+"/ignis.js"); code != http.StatusOK || text != string(clientScript) {
		t.Errorf("answered %d with %d bytes", code, len(text))
	}
	r.stop()
	<-r.done
}

// The policy of the page contains nothing that a request chooses, except a host and a port.
func TestPolicyNamesOnlyHosts(t *testing.T) {
	for host, want := range map[string]string{
		"127.0.0.1:8080":          "connect-src 'self' ws://127.0.0.1:8080 wss://127.0.0.1:8080;",
		"localhost":               "connect-src 'self' ws://localhost wss://localhost;",
		"[::1]:8080":              "connect-src 'self';", // policies cannot name it
		"[::1%25x;script-src *]":  "connect-src 'self';",
		"localhost:1;script-src*": "connect-src 'self';",
	} {
		if got := policyFor(host); !strings.Contains(got, want) || strings.Contains(got, "*") {
			t.Errorf("%s: %s", host, got)
		}
	}
}

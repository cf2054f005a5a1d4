package acmetest

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A server obtains its first certificate with the challenge tls-alpn-01, which needs no other port,
// and a WebSocket client that trusts the authority connects. A restart uses the same certificate.
func TestFirstCertificate(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, 90*24*time.Hour)
	a.names.add(domain)
	s := a.start(t, options{})
	s.awaitLog("TLS certificate obtained", "names="+domain, "challenge=tls-alpn-01")
	s.connect(a.roots, domain)
	first, err := s.handshake(a.roots, domain)
	if err != nil {
		t.Fatal(err)
	}
	s.stop()

	again := a.start(t, options{cache: s.cache})
	again.connect(a.roots, domain)
	second, err := again.handshake(a.roots, domain)
	if err != nil {
		t.Fatal(err)
	}
	if !first.Equal(second) || a.orders.Load() != 1 {
		t.Errorf("%d orders, and the certificates are the same: %t", a.orders.Load(), first.Equal(second))
	}
	if files := s.files(); files != "account+key lock "+domain {
		t.Errorf("the cache contains %s", files)
	}
	if key := readFile(t, s.cached("account+key")); !strings.Contains(key, "EC PRIVATE KEY") {
		t.Error("the key of the account is not stored")
	}
}

// If port 443 does not lead to the server, the challenge http-01 is used on port 80.
func TestHTTPChallenge(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, 90*24*time.Hour)
	a.names.add(domain, "www.ignis.test")
	s := a.start(t, options{domains: []string{domain, "www.ignis.test"}, http: true, tlsPort: freePort(t).text})
	s.awaitLog("TLS certificate obtained", "names="+domain, "challenge=http-01")
	s.awaitLog("TLS certificate obtained", "names=www.ignis.test", "challenge=http-01")
	s.connect(a.roots, domain)
	s.connect(a.roots, "www.ignis.test")
	if n := a.orders.Load(); n != 3 {
		t.Errorf("%d orders, but the second domain needs only one", n)
	}
	if files := s.files(); files != "account+key lock rt.ignis.test www.ignis.test" {
		t.Errorf("the cache contains %s", files)
	}
	testRedirect(t, s)
}

func testRedirect(t *testing.T, s *server) {
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, test := range []struct {
		host, path string
		status     int
		location   string
	}{
		{domain, "/ws?a=b", http.StatusPermanentRedirect, "https://" + domain + "/ws?a=b"},
		{"RT.ignis.test:80", "//evil.example/%2e%2e", http.StatusPermanentRedirect, "https://" + domain + "//evil.example/%2e%2e"},
		{"evil.example", "/", http.StatusMisdirectedRequest, ""},
		{"evil.example", "/.well-known/acme-challenge/x", http.StatusMisdirectedRequest, ""},
		{domain, "/.well-known/acme-challenge/unknown", http.StatusNotFound, ""},
		{domain, "/.well-known/acme-challenge/..%2Faccount+key", http.StatusNotFound, ""},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.http+test.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = test.host
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != test.status || resp.Header.Get("Location") != test.location || !resp.Close {
			t.Errorf("%s%s: %d to %q, %s", test.host, test.path, resp.StatusCode, resp.Header.Get("Location"), body)
		}
	}
}

// Two servers behind the same address share the folder. One of them orders, and the authority may
// connect to the other.
func TestSharedFolder(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, 90*24*time.Hour)
	a.offline.Store(true) // the first server cannot order
	first := a.start(t, options{})
	first.awaitLog("could not obtain a TLS certificate")
	a.offline.Store(false)
	a.names.add(domain)
	forgetFailure(t, first)
	second := a.start(t, options{cache: first.cache, tlsPort: freePort(t).text})
	second.awaitLog("TLS certificate obtained", "challenge=tls-alpn-01")
	second.connect(a.roots, domain)
	if n := a.orders.Load(); n != 1 {
		t.Errorf("%d orders", n)
	}
}

package jwtauth

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"
)

// A JWKS server that wants to do harm achieves an error.
func TestHostileServer(t *testing.T) {
	good := newSigner(t, "1", "ES256")
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		_, _ = fmt.Fprint(w, jwks(good.jwk()))
	}))
	defer other.Close()
	flood := func(w http.ResponseWriter, text string) {
		for {
			if _, err := fmt.Fprint(w, text); err != nil {
				return
			}
		}
	}
	many := jwks(strings.TrimSuffix(strings.Repeat(good.jwk()+",", 101), ","))
	for name, test := range map[string]struct {
		serve  func(w http.ResponseWriter, r *http.Request)
		reason string
	}{
		"endless": {func(w http.ResponseWriter, _ *http.Request) { flood(w, strings.Repeat(" ", 1<<10)) }, "more than 262144 bytes"},
		"endless keys": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprint(w, `{"keys":[`)
			flood(w, good.jwk()+",")
		}, "more than 262144 bytes"},
		"a huge length": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000000000000")
			w.WriteHeader(http.StatusOK)
		}, "has 1000000000000 bytes"},
		"a huge header": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 1<<20))
		}, "exceed"},
		"many keys":     {text(many), "it has 101 keys, more than 100"},
		"deep":          {text(`{"keys":` + strings.Repeat("[", 100_000)), "not a JSON object"},
		"garbage":       {text("\x00\xff\x1b[2J" + strings.Repeat("x", 1000)), "expected PEM"},
		"HTML":          {text("<html>"), "expected PEM"},
		"nothing":       {text(""), "it is empty"},
		"no keys":       {text(`{"keys":[]}`), "none of its 0 keys"},
		"RSA 512":       {text(jwks(good.jwk("kty", `"RSA"`, "n", `"`+strings.Repeat("_", 85)+"w"+`"`, "e", `"AQAB"`))), "too short"},
		"RSA of 64 KiB": {text(jwks(good.jwk("kty", `"RSA"`, "n", `"`+strings.Repeat("_", 80_000)+`"`, "e", `"AQAB"`))), "its modulus has 60000 bytes"},
		"exponent 2^64": {text(jwks(newSigner(t, "", "RS256").jwk("e", `"AQAAAAAAAAAD"`))), "exponent has 9 bytes"},
		"exponent 1":    {text(jwks(newSigner(t, "", "RS256").jwk("e", `"AQ"`))), "exponent is not"},
		"not found":     {http.NotFound, "answered 404 instead of 200"},
		"an error":      {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, jwks(good.jwk()), 500) }, "answered 500 instead of 200"},
		"created": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(201)
			_, _ = fmt.Fprint(w, jwks(good.jwk()))
		}, "answered 201 instead of 200"},
		"compressed": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte{0x1f, 0x8b, 8, 0})
		}, "expected PEM"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) }, "redirect (302), which is not followed"},
		"to itself": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusPermanentRedirect)
		}, "redirect (308)"},
		"to a file": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusTemporaryRedirect)
		}, "redirect (307)"},
		"hang up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			_, _ = fmt.Fprint(w, "{")
		}, "EOF"},
		"secrets":       {text(jwks(newSigner(t, "1", "HS256").jwk())), "a secret cannot come from a server"},
		"a private key": {text(jwks(good.jwk("d", `"AA"`))), "it is a private key"},
		"control chars": {func(w http.ResponseWriter, _ *http.Request) { hijack(w, "HTTP/1.1 \x1b[2J\r\n\r\n") }, "malformed"},
		"an echo":       {func(w http.ResponseWriter, r *http.Request) { hijack(w, "GET "+r.URL.String()+" HTTP/1.1\r\n\r\n") }, "malformed"},
		"not HTTP":      {func(w http.ResponseWriter, _ *http.Request) { hijack(w, strings.Repeat("x", 100_000)) }, ""},
		"endless 100s": {func(w http.ResponseWriter, _ *http.Request) {
			hijack(w, strings.Repeat("HTTP/1.1 103 x\r\nA: b\r\n\r\n", 50_000))
		}, ""},
		"endless header": {func(w http.ResponseWriter, _ *http.Request) {
			hijack(w, "HTTP/1.1 200 OK\r\n"+strings.Repeat("A: b\r\n", 50_000))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(test.serve))
			defer srv.Close()
			v := verifierFor(t, Config{JWKS: []JWKS{{URL: srv.URL + "/jwks?key=s3cr3t", Timeout: 20 * time.Second}}})
			err := v.Reload(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.reason) {
				t.Fatalf("got %v, want %q", err, test.reason)
			}
			if text := err.Error(); len(text) > 700 || strings.ContainsFunc(text, unicode.IsControl) || strings.Contains(text, "s3cr3t") {
				t.Errorf("the error is %q", text)
			}
			if accepts(t, v, good) || v.Status()[0].Failures != 1 {
				t.Errorf("got %+v", v.Status()[0])
			}
		})
	}
	if elsewhere.Load() > 0 {
		t.Error("a redirect was followed")
	}
}

func text(s string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, s) }
}

// hijack writes text instead of a response, and closes the connection.
func hijack(w http.ResponseWriter, text string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	_, _ = conn.Write([]byte(text))
	_ = conn.Close()
}

// A server that never ends its answer, wherever it stops, is given up.
func TestSlowServer(t *testing.T) {
	for name, begin := range map[string]string{
		"nothing": "", "half a header": "HTTP/1.1 200 OK\r\nA: ", "no body": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
		"half a body": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			release := make(chan struct{})
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					return
				}
				_, _ = conn.Write([]byte(begin))
				<-release
				_ = conn.Close()
			}))
			defer srv.Close()
			defer close(release)
			v := verifierFor(t, Config{JWKS: []JWKS{{URL: srv.URL, Timeout: 50 * time.Millisecond}}})
			if err := v.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "did not answer completely within 50ms") {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("TLS handshake", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0") // nothing accepts
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		v := verifierFor(t, Config{JWKS: []JWKS{{URL: "https://" + l.Addr().String(), Timeout: 50 * time.Millisecond}}})
		if err := v.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "did not answer") {
			t.Errorf("got %v", err)
		}
	})
}

func TestTLS(t *testing.T) {
	s := newSigner(t, "1", "ES256")
	srv := httptest.NewTLSServer(http.HandlerFunc(text(jwks(s.jwk()))))
	srv.Config.ErrorLog = nil
	defer srv.Close()
	v := verifierFor(t, Config{JWKS: []JWKS{{URL: srv.URL}}})
	if err := v.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") || accepts(t, v, s) {
		t.Errorf("an unknown certificate: %v", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	v = verifierFor(t, Config{JWKS: []JWKS{{URL: srv.URL, TLS: &tls.Config{RootCAs: roots}}}})
	if err := v.Reload(t.Context()); err != nil || !accepts(t, v, s) {
		t.Errorf("a known certificate: %v", err)
	}
}

func TestURLs(t *testing.T) {
	for url, reason := range map[string]string{
		"https://issuer.example/jwks?x=1": "", "https://[2001:db8::1]:8443/": "",
		"http://localhost:8080/jwks": "", "http://127.0.0.1/": "", "http://[::1]:1/": "", "http://127.9.9.9/": "",
		"":                             "expected https://HOST/PATH",
		"issuer.example/jwks":          "expected https://HOST/PATH",
		"https://":                     "expected https://HOST/PATH",
		"https://:443/":                "expected https://HOST/PATH",
		"https://a b/":                 "expected https://HOST/PATH",
		"http://issuer.example/jwks":   "must be https",
		"http://localhost.example/":    "must be https",
		"http://10.0.0.1/":             "must be https",
		"http://0.0.0.0/":              "must be https",
		"http://127.0.0.1.example/":    "must be https",
		"file:///etc/jwks":             "expected https://HOST/PATH",
		"ftp://issuer.example/":        "must be https",
		"https://me:pw@issuer/":        "must not contain credentials",
		"https://issuer/?key=s3cr3t\n": "expected https://HOST/PATH",
	} {
		_, err := New(Config{JWKS: []JWKS{{URL: url}}})
		if (err == nil) != (reason == "") || err != nil && !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: %v, want %q", url, err, reason)
		}
		if err != nil && (strings.Contains(err.Error(), "pw") || strings.Contains(err.Error(), "s3cr3t")) {
			t.Errorf("%q: the error contains credentials: %v", url, err)
		}
	}
	// The name localhost must lead to a loopback address.
	for address, ok := range map[string]bool{
		"127.0.0.1:80": true, "[::1]:80": true, "[::ffff:127.0.0.1]:80": true, "10.0.0.1:80": false, "[2001:db8::1]:80": false, "x": false,
	} {
		if err := onlyLoopback("tcp", address, nil); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, j := range []JWKS{{Refresh: -1}, {MinRefresh: -1}, {Timeout: -1}, {MaxSize: -1}, {MaxKeys: -1}, {Algorithms: []string{"x"}}} {
		j.URL = "https://issuer.example/"
		if _, err := New(Config{JWKS: []JWKS{j}}); err == nil || !strings.Contains(err.Error(), "https://issuer.example/") {
			t.Errorf("%+v: %v", j, err)
		}
	}
}

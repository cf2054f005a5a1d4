package acmecert

import (
	"bufio"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/acme"

	"github.com/ignis-go/ignis/internal/certtest"
)

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Config)
		want   string // part of the error; empty: none
	}{
		{"valid", func(*Config) {}, ""},
		{"upper case", func(c *Config) { c.Domains = []string{"RT.Example.com"} }, ""},
		{"international", func(c *Config) { c.Domains = []string{"xn--bcher-kva.example"} }, ""},
		{"none", func(c *Config) { c.Domains = nil }, "no domain"},
		{"too many", func(c *Config) { c.Domains = make([]string, MaxDomains+1) }, "at most 100"},
		{"twice", func(c *Config) { c.Domains = []string{"a.example", "A.example"} }, "twice"},
		{"wildcard", func(c *Config) { c.Domains = []string{"*.example.com"} }, "wildcard"},
		{"address", func(c *Config) { c.Domains = []string{"192.0.2.1"} }, "is an address"},
		{"label", func(c *Config) { c.Domains = []string{"localhost"} }, "full domain name"},
		{"letters", func(c *Config) { c.Domains = []string{"bücher.example"} }, "xn--"},
		{"path", func(c *Config) { c.Domains = []string{"../a.example"} }, "xn--"},
		{"hyphen", func(c *Config) { c.Domains = []string{"-a.example"} }, "xn--"},
		{"port", func(c *Config) { c.Domains = []string{"a.example:443"} }, "xn--"},
		{"email", func(c *Config) { c.Email = "Ops <ops@example.com>" }, "email address"},
		{"plain directory", func(c *Config) { c.Directory = "http://ca.example/" }, "https://"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, _ := config(t, nil)
			test.change(&c)
			err := c.Check()
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Keys are in a folder to which only this user can write, and which only it can read.
func TestFolder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no modes")
	}
	c, _ := config(t, nil)
	m := open(t, c)
	if _, err := m.store.newAccountKey(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{c.Cache: 0o700, m.store.folder: 0o700, m.store.path(accountFile): 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	for _, folder := range []string{c.Cache, m.store.folder} {
		for _, mode := range []os.FileMode{0o720, 0o702} {
			if err := os.Chmod(folder, mode); err != nil {
				t.Fatal(err)
			}
			if _, err := New(c); !errors.Is(err, ErrWritable) {
				t.Errorf("%s with the mode %o: %v", folder, mode, err)
			}
		}
		if err := os.Chmod(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := New(c); err != nil {
			t.Errorf("%s with the mode 755: %v", folder, err)
		}
	}
	certtest.WriteFile(t, filepath.Join(t.TempDir(), "file"), nil)
	c.Cache = filepath.Join(t.TempDir(), "file")
	certtest.WriteFile(t, c.Cache, nil)
	if _, err := New(c); err == nil {
		t.Error("a file is accepted as the folder")
	}
}

// New changes nothing, because ignis doctor calls it.
func TestNewLeavesNothing(t *testing.T) {
	c, _ := config(t, nil)
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.CheckFolder(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(filepath.Dir(c.Cache)); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func hello(name string, protocols ...string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{ServerName: name, SupportedProtos: protocols}
}

func TestHandshake(t *testing.T) {
	c, _ := config(t, nil)
	c.Domains = []string{domainName, "other.example.com"}
	m := open(t, c)
	ca := certtest.NewAuthority(t, "ca")
	pair := put(t, m, ca, domainName, domainName, 30*24*time.Hour)
	m.refresh(m.list[0])
	for _, name := range []string{domainName, "RT.Example.com", domainName + ".", ""} {
		got, err := m.certificate(hello(name))
		if err != nil || !pair.Is(parsed(got)) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"example.com", "x." + domainName, "127.0.0.1"} {
		_, err := m.certificate(hello(name))
		if _, unknown := errors.AsType[*unknownName](err); !unknown {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := m.certificate(hello("other.example.com")); err == nil || !strings.Contains(err.Error(), "no certificate for other.example.com yet") {
		t.Errorf("without a certificate: %v", err)
	}
	if _, err := m.certificate(hello(domainName, acme.ALPNProto)); err == nil || !strings.Contains(err.Error(), "no challenge") {
		t.Errorf("without a challenge: %v", err)
	}
	answer := put(t, m, ca, domainName+tokenSuffix, domainName, time.Hour) // by another process
	if got, err := m.certificate(hello(domainName, acme.ALPNProto)); err != nil || !answer.Is(parsed(got)) {
		t.Errorf("the challenge: %v", err)
	}
	if s := m.Stats(); s.Domains != 2 || s.Missing != 1 || s.Failing != 0 || s.Expires.IsZero() {
		t.Errorf("%+v", s)
	}
}

// A stored certificate that cannot be used is reported, and does not replace one that can.
func TestStoredCertificate(t *testing.T) {
	c, book := config(t, nil)
	m := open(t, c)
	ca := certtest.NewAuthority(t, "ca")
	good := put(t, m, ca, domainName, domainName, 30*24*time.Hour)
	m.refresh(m.list[0])
	put(t, m, ca, domainName, "other.example.com", time.Hour)
	m.refresh(m.list[0])
	certtest.WriteFile(t, m.store.path(domainName), []byte("not PEM"))
	m.refresh(m.list[0])
	m.refresh(m.list[0]) // is not reported again
	if n := book.Count("a stored certificate cannot be used"); n != 2 {
		t.Errorf("logged %d times: %s", n, book)
	}
	if got, err := m.certificate(hello(domainName)); err != nil || !good.Is(parsed(got)) {
		t.Errorf("the previous certificate is not in use: %v", err)
	}
	next := put(t, m, ca, domainName, domainName, 60*24*time.Hour) // by another process
	m.refresh(m.list[0])
	if got, err := m.certificate(hello(domainName)); err != nil || !next.Is(parsed(got)) {
		t.Errorf("the new certificate is not in use: %v", err)
	}
}

// If a new certificate could not be stored, the previous one, which the store still has, is not used
// again. It would be due for renewal again and again.
func TestUnstoredCertificate(t *testing.T) {
	c, _ := config(t, nil)
	m := open(t, c)
	ca := certtest.NewAuthority(t, "ca")
	next := put(t, m, ca, domainName, domainName, 60*24*time.Hour)
	m.refresh(m.list[0])
	put(t, m, ca, domainName, domainName, 30*24*time.Hour)
	m.refresh(m.list[0])
	if got, err := m.certificate(hello(domainName)); err != nil || !next.Is(parsed(got)) {
		t.Errorf("the certificate in the store is in use: %v", err)
	}
}

func TestPlainHTTP(t *testing.T) {
	c, _ := config(t, nil)
	m := open(t, c)
	certtest.WriteFile(t, m.store.path("token_1"+httpSuffix), []byte("token_1.thumbprint")) // by another process
	certtest.WriteFile(t, filepath.Join(c.Cache, "x"+httpSuffix), []byte("secret"))         // outside the folder of the authority
	for _, test := range []struct {
		request, host string
		status        int
		want          string // location or body
	}{
		{"GET /ws?a=b", domainName, http.StatusPermanentRedirect, "https://rt.example.com/ws?a=b"},
		{"POST /api", domainName + ":8080", http.StatusPermanentRedirect, "https://rt.example.com/api"},
		{"GET http://RT.example.com./x", "ignored.example", http.StatusPermanentRedirect, "https://rt.example.com/x"},
		{"GET //evil.example/", domainName, http.StatusPermanentRedirect, "https://rt.example.com//evil.example/"},
		{"GET /%0d%0aX:%20y", domainName, http.StatusPermanentRedirect, "https://rt.example.com/%0d%0aX:%20y"},
		{"GET x:@evil.example", domainName, http.StatusBadRequest, "no path"},
		{"GET x:.evil.example", domainName, http.StatusBadRequest, "no path"},
		{"OPTIONS *", domainName, http.StatusBadRequest, "no path"},
		{"GET http://evil.example/", domainName, http.StatusMisdirectedRequest, "does not serve"},
		{"GET /", "evil.example", http.StatusMisdirectedRequest, "does not serve"},
		{"GET /", "127.0.0.1", http.StatusMisdirectedRequest, "does not serve"},
		{"GET /.well-known/acme-challenge/token_1", domainName, http.StatusOK, "token_1.thumbprint"},
		{"GET /.well-known/acme-challenge/token_2", domainName, http.StatusNotFound, "not found"},
		{"GET /.well-known/acme-challenge/../x", domainName, http.StatusNotFound, "not found"},
		{"GET /.well-known/acme-challenge/%2e%2e/token_1", domainName, http.StatusNotFound, "not found"},
		{"GET /.well-known/acme-challenge/", domainName, http.StatusNotFound, "not found"},
		{"GET /.well-known/acme-challenge/token_1", "evil.example", http.StatusMisdirectedRequest, "does not serve"},
	} {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(test.request + " HTTP/1.1\r\nHost: " + test.host + "\r\n\r\n")))
		if err != nil {
			t.Fatalf("%s: %v", test.request, err)
		}
		w := httptest.NewRecorder()
		m.HTTPHandler().ServeHTTP(w, r)
		if got := w.Header().Get("Location") + w.Body.String(); w.Code != test.status || !strings.Contains(got, test.want) || w.Header().Get("Connection") != "close" {
			t.Errorf("%s at %s: %d %q", test.request, test.host, w.Code, got)
		}
		if location := w.Header().Get("Location"); location != "" && !strings.HasPrefix(location, "https://rt.example.com/") {
			t.Errorf("%s at %s redirects to %s", test.request, test.host, location)
		}
	}
}

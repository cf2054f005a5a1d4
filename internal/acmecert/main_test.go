package acmecert

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ignis-go/ignis/internal/certtest"
	"github.com/ignis-go/ignis/internal/logtest"
)

// TestMain fails a run that leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const domainName = "rt.example.com"

// refusing is an authority that accepts accounts and refuses orders.
type refusing struct {
	url, caFile string
	requests    atomic.Int64
	order       http.HandlerFunc // answers orders
}

// newRefusing starts an authority. The module acmetest has tests with one that issues certificates.
func newRefusing(t *testing.T, order http.HandlerFunc) *refusing {
	t.Helper()
	a := &refusing{order: order}
	s := httptest.NewUnstartedServer(a)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	a.url = s.URL
	a.caFile = filepath.Join(t.TempDir(), "ca.pem")
	certtest.WriteFile(t, a.caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	return a
}

func (a *refusing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.requests.Add(1)
	w.Header().Set("Replay-Nonce", fmt.Sprint(a.requests.Load()))
	switch r.URL.Path {
	case "/directory":
		_ = json.NewEncoder(w).Encode(map[string]string{"newNonce": a.url + "/nonce", "newAccount": a.url + "/account", "newOrder": a.url + "/order"})
	case "/account":
		w.Header().Set("Location", a.url+"/account/1")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"status":"valid"}`)
	case "/order":
		a.order(w, r)
	}
}

// problem returns a handler that answers with a problem.
func problem(status int, kind, retryAfter string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"type":"urn:ietf:params:acme:error:%s","detail":"no luck"}`, kind)
	}
}

// config returns a configuration for an authority, or without one if it is nil.
func config(t *testing.T, a *refusing) (Config, *logtest.Log) {
	t.Helper()
	book := &logtest.Log{}
	c := Config{Domains: []string{domainName}, Cache: filepath.Join(t.TempDir(), "acme"), Logger: book.Logger(), Directory: "https://127.0.0.1:1/directory"}
	if a != nil {
		c.Directory, c.CAFile = a.url+"/directory", a.caFile
	}
	return c, book
}

// open returns a manager with a folder.
func open(t *testing.T, c Config) *Manager {
	t.Helper()
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Open(); err != nil {
		t.Fatal(err)
	}
	return m
}

// put stores a certificate that is valid for this long and has been for a year.
func put(t *testing.T, m *Manager, ca *certtest.Authority, file, name string, valid time.Duration) certtest.Pair {
	t.Helper()
	pair := ca.Issue(t, certtest.Options{Name: name, Expires: time.Now().Add(valid)})
	certtest.WriteFile(t, m.store.path(file), append(pair.Key, pair.Cert...))
	return pair
}

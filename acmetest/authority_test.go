package acmetest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"

	"github.com/ignis-go/ignis/internal/certtest"
)

// authority is a Pebble.
type authority struct {
	url    string // of the directory
	caFile string // verifies the server of Pebble
	roots  *x509.CertPool

	tlsPort, httpPort string // where it verifies domains

	offline atomic.Bool // closes all connections
	orders  atomic.Int64
	names   *names
}

// newAuthority starts a Pebble whose certificates are valid for this long.
func newAuthority(t *testing.T, validity time.Duration) *authority {
	t.Helper()
	a := &authority{names: serveDNS(t)}
	tlsPort, httpPort := freePort(t), freePort(t)
	a.tlsPort, a.httpPort = tlsPort.text, httpPort.text

	out := log.New(logWriter(t), "pebble ", 0)
	store := db.NewMemoryStore()
	issuer := ca.New(out, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "test", ValidityPeriod: uint64(validity / time.Second)}})
	verifier := va.New(out, httpPort.number, tlsPort.number, false, a.names.address, store)
	front := wfe.New(out, store, verifier, issuer, []string{"pebble.letsencrypt.org"}, true, false, 1, 1)
	a.roots = x509.NewCertPool()
	a.roots.AddCert(issuer.GetRootCert(0).Cert)

	handler := front.Handler()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.offline.Load() {
			panic(http.ErrAbortHandler) // closes the connection without an answer
		}
		if r.URL.Path == "/order-plz" {
			w = &orderCounter{w, a}
		}
		handler.ServeHTTP(w, r)
	}))
	own := certtest.NewAuthority(t, "server of Pebble")
	s.TLS = &tls.Config{Certificates: []tls.Certificate{own.Issue(t, certtest.Options{Name: "localhost"}).Certificate(t)}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	a.url = s.URL + wfe.DirectoryPath
	a.caFile = filepath.Join(t.TempDir(), "authority.pem")
	certtest.WriteFile(t, a.caFile, own.PEM)
	return a
}

// orderCounter counts the orders that are accepted. Pebble rejects some requests only because of
// their nonce, to test clients, and these are repeated.
type orderCounter struct {
	http.ResponseWriter
	a *authority
}

func (c *orderCounter) WriteHeader(status int) {
	if status == http.StatusCreated {
		c.a.orders.Add(1)
	}
	c.ResponseWriter.WriteHeader(status)
}

// logWriter returns a writer for the log of the test, which ignores what comes afterwards.
func logWriter(t *testing.T) io.Writer {
	w := &testLog{t: t}
	t.Cleanup(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.t = nil
	})
	return w
}

type testLog struct {
	mu sync.Mutex
	t  *testing.T
}

func (w *testLog) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t != nil && testing.Verbose() {
		w.t.Log(string(bytes.TrimSpace(line)))
	}
	return len(line), nil
}

type port struct {
	number int
	text   string
}

// freePort returns a port on which nothing listens.
func freePort(t *testing.T) port {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, text, _ := net.SplitHostPort(l.Addr().String())
	return port{l.Addr().(*net.TCPAddr).Port, text}
}

// names is a DNS server.
type names struct {
	address string
	mu      sync.Mutex
	known   map[string]bool
}

// serveDNS starts a DNS server that knows no names yet.
func serveDNS(t *testing.T) *names {
	t.Helper()
	n := &names{known: make(map[string]bool)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.address = l.Addr().String()
	s := &dns.Server{Listener: l, Handler: dns.HandlerFunc(n.answer)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.ActivateAndServe() // ends at the end of the test
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return n
}

// add makes names resolve to 127.0.0.1.
func (n *names) add(list ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, name := range list {
		n.known[dns.Fqdn(name)] = true
	}
}

func (n *names) answer(w dns.ResponseWriter, q *dns.Msg) {
	reply := new(dns.Msg)
	reply.SetReply(q)
	n.mu.Lock()
	known := n.known[q.Question[0].Name]
	n.mu.Unlock()
	switch {
	case !known:
		reply.Rcode = dns.RcodeNameError
	case q.Question[0].Qtype == dns.TypeA:
		reply.Answer = append(reply.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1)})
	}
	_ = w.WriteMsg(reply) // Pebble asks again
}

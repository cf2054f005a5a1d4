package acmetest

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/certtest"
)

// forgetFailure deletes what a server remembers about failures, as an operator may do.
func forgetFailure(t *testing.T, s *server) {
	t.Helper()
	if err := os.Remove(s.cached(domain + "+failed")); err != nil {
		t.Fatal(err)
	}
}

// A failure is logged with its cause and what to do, counted, and remembered over a restart, so that
// a server that is started again and again does not order each time.
func TestFailureIsRemembered(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, 90*24*time.Hour)
	s := a.start(t, options{})
	line := s.awaitLog("level=ERROR", "could not obtain a TLS certificate; clients cannot connect to this name", "names="+domain)
	if !containsAll(line, []string{"Could not resolve", "let the name point to this server", "next="}) {
		t.Errorf("logged %s", line)
	}
	if _, err := s.handshake(a.roots, domain); err == nil {
		t.Error("the handshake succeeded")
	}
	s.awaitLog("TLS handshake failed", "there is no certificate for "+domain+", because ordering it failed", "Could not resolve")
	if ready := s.get("/readyz"); !containsAll(ready, []string{`"status":"degraded"`, "no certificate has been obtained yet"}) {
		t.Errorf("/readyz says %s", ready)
	}
	if m := s.metric("ignis_acme_"); !containsAll(m, []string{`ignis_acme_orders_total{outcome="failed"} 1`, `ignis_acme_domains{state="missing"} 1`}) {
		t.Errorf("the metrics are\n%s", m)
	}
	s.stop()

	a.names.add(domain)
	again := a.start(t, options{cache: s.cache})
	again.awaitLog("earlier orders of a TLS certificate failed, so the next one has to wait", "Could not resolve", "let the name point to this server", "+failed")
	orders := a.orders.Load()
	again.stop()
	if orders != 1 {
		t.Errorf("%d orders", orders)
	}

	forgetFailure(t, again)
	last := a.start(t, options{cache: s.cache})
	last.awaitLog("TLS certificate obtained")
	if strings.Contains(last.files(), "failed") {
		t.Errorf("the cache contains %s", last.files())
	}
}

// Handshakes never cause orders, whatever name they have.
func TestUnknownNames(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, 90*24*time.Hour)
	a.names.add(domain, "other.ignis.test")
	s := a.start(t, options{})
	s.awaitLog("TLS certificate obtained")
	for _, name := range []string{"other.ignis.test", "x." + domain, "ignis.test", "localhost"} {
		if _, err := s.handshake(a.roots, name); err == nil {
			t.Errorf("the handshake for %s succeeded", name)
		}
	}
	s.awaitLog("TLS handshake failed", "which is not one of the domains for certificates")
	if _, err := s.handshake(a.roots, "RT.ignis.test"); err != nil {
		t.Errorf("in another case: %v", err)
	}
	if n := a.orders.Load(); n != 1 {
		t.Errorf("%d orders", n)
	}
	if m := s.metric("ignis_tls_"); !strings.Contains(m, "ignis_tls_certificate_expiry_timestamp_seconds 1.") && !strings.Contains(m, "e+09") {
		t.Errorf("the metrics are\n%s", m)
	}
}

// Without the authority, a server starts with the certificate that it has. When the authority is
// back, the certificate is renewed.
func TestAuthorityUnreachable(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, 90*24*time.Hour)
	a.names.add(domain)
	s := a.start(t, options{})
	s.awaitLog("TLS certificate obtained")
	s.stop()

	// A certificate that is valid for a day more is due for renewal.
	ca := certtest.NewAuthority(t, "previous")
	pair := ca.Issue(t, certtest.Options{Name: domain, Expires: time.Now().Add(24 * time.Hour)})
	certtest.WriteFile(t, s.cached(domain), append(pair.Key, pair.Cert...))
	a.offline.Store(true)
	down := a.start(t, options{cache: s.cache})
	down.connect(ca.Pool(), domain)
	line := down.awaitLog("level=ERROR", "could not renew a TLS certificate; the previous one stays in use", "expires=")
	if !containsAll(line, []string{"check that this machine can reach 127.0.0.1:"}) {
		t.Errorf("logged %s", line)
	}
	down.connect(ca.Pool(), domain)
	if ready := down.get("/readyz"); !containsAll(ready, []string{`"status":"degraded"`, "a certificate could not be renewed; the previous one stays in use"}) {
		t.Errorf("/readyz says %s", ready)
	}
	down.stop()

	a.offline.Store(false)
	expire(t, down)
	back := a.start(t, options{cache: s.cache})
	back.awaitLog("TLS certificate obtained")
	back.connect(a.roots, domain)
	if ready := back.get("/readyz"); !strings.Contains(ready, `"status":"ready"`) {
		t.Errorf("/readyz says %s", ready)
	}
}

// expire makes the delay after a failure end.
func expire(t *testing.T, s *server) {
	t.Helper()
	file := s.cached(domain + "+failed")
	var remembered map[string]any
	if err := json.Unmarshal([]byte(readFile(t, file)), &remembered); err != nil {
		t.Fatal(err)
	}
	remembered["next"] = time.Now().Add(-time.Second)
	text, err := json.Marshal(remembered)
	if err != nil {
		t.Fatal(err)
	}
	certtest.WriteFile(t, file, text)
}

// If the clock of the machine is wrong, a new certificate may seem to be due for renewal already. It is
// used, but the next one is ordered only after a delay.
func TestCertificateAlreadyDue(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, time.Second) // ends in the second in which it is issued
	a.names.add(domain)
	s := a.start(t, options{})
	s.awaitLog("already due for renewal", "set the clock of this machine", "next=")
	if n := a.orders.Load(); n != 1 {
		t.Errorf("%d orders", n)
	}
}

// A certificate is renewed before it expires.
func TestRenewal(t *testing.T) {
	t.Parallel()
	a := newAuthority(t, 12*time.Second)
	a.names.add(domain)
	s := a.start(t, options{})
	s.awaitLog("TLS certificate obtained")
	first, err := s.handshake(a.roots, domain)
	if err != nil {
		t.Fatal(err)
	}
	for renewed := false; !renewed; {
		cert, err := s.handshake(a.roots, domain)
		if err != nil {
			t.Fatal(err)
		}
		renewed = !cert.Equal(first)
		if !renewed {
			<-time.After(100 * time.Millisecond)
		}
	}
	if n := a.orders.Load(); n < 2 {
		t.Errorf("%d orders", n)
	}
}

package acmecert

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
)

// Manager obtains the certificates of its domains, renews them, and answers handshakes with them.
// Create it with [New]. Its methods are safe for concurrent use.
type Manager struct {
	cfg     Config
	times   times
	log     *slog.Logger
	store   *store
	roots   *x509.CertPool // for the server of the authority; nil for those of the system
	answers *answers
	list    []*domain
	byName  map[string]*domain
	issued  atomic.Uint64
	failed  atomic.Uint64

	preferred string // the challenge that worked last; used by Run
}

// domain is a name with its certificate.
type domain struct {
	name    string
	current atomic.Pointer[held] // nil: there is no certificate yet

	refused string // text of the stored certificate that was reported as unusable; used by Run

	mu      sync.Mutex
	failure failure
	unsaved bool // failure could not be written to the store
}

// held is a certificate in use.
type held struct {
	cert    *tls.Certificate
	text    string    // of the file
	expires time.Time // when the first certificate of the chain expires
	renew   time.Time
}

// New validates the configuration, checks the folder, and loads what it contains. It changes
// nothing and sends no requests.
func New(cfg Config) (*Manager, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	m := &Manager{cfg: cfg, times: defaultTimes, log: cfg.Logger, byName: make(map[string]*domain)}
	var err error
	if m.roots, err = readRoots(cfg.CAFile); err != nil {
		return nil, err
	}
	if m.store, err = newStore(cfg.Cache, cfg.directory()); err != nil {
		return nil, err
	}
	m.answers = newAnswers(m.store)
	for _, text := range cfg.Domains {
		name, _ := ParseDomain(text) // Check has accepted it
		d := &domain{name: name}
		m.list, m.byName[name] = append(m.list, d), d
		m.refresh(d)
	}
	return m, nil
}

// Open creates the folder if it is missing. It must be called before Run.
func (m *Manager) Open() error { return m.store.create() }

// TLSConfig returns the configuration of connections.
func (m *Manager) TLSConfig() *tls.Config {
	return &tls.Config{
		GetCertificate: m.certificate,
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1", acme.ALPNProto}, // WebSocket connections begin with HTTP/1.1
	}
}

// HTTPHandler returns the handler for plain HTTP on port 80. It answers challenges, and redirects
// all other requests to https.
func (m *Manager) HTTPHandler() http.Handler { return http.HandlerFunc(m.serveHTTP) }

// unknownName is the error of a handshake for a name that is not configured.
type unknownName struct{ name string }

func (e *unknownName) Error() string {
	return fmt.Sprintf("the client asks for %.100q, which is not one of the domains for certificates", e.name)
}

// LogCause makes handshakes for different names count as the same in the log.
func (e *unknownName) LogCause() string { return "unknown name" }

// certificate returns the certificate for a handshake. It never waits for the authority.
func (m *Manager) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := canonical(hello.ServerName)
	d := m.byName[name]
	switch {
	case name == "":
		// Probes of load balancers often name no host, and do not verify the certificate.
		d = m.list[0]
	case d == nil:
		return nil, &unknownName{name}
	}
	if slices.Equal(hello.SupportedProtos, []string{acme.ALPNProto}) {
		if cert := m.answers.certificate(d.name); cert != nil {
			return cert, nil
		}
		return nil, fmt.Errorf("there is no challenge for %s at the moment", d.name)
	}
	if h := d.current.Load(); h != nil {
		return h.cert, nil
	}
	if f := d.lastFailure(); f.Count > 0 {
		return nil, fmt.Errorf("there is no certificate for %s, because ordering it failed: %s", d.name, f.Error)
	}
	return nil, fmt.Errorf("there is no certificate for %s yet", d.name)
}

// canonical returns a host name as in Config.Domains.
func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// Stats contains counters since the start, and the current state.
type Stats struct {
	// Domains is the number of domains, Missing that of domains without a certificate, and Failing
	// that of the others whose latest order failed.
	Domains, Missing, Failing int
	// Issued counts the certificates that this process has ordered, and Failed the orders that
	// failed.
	Issued, Failed uint64
	// Expires is when the first of the certificates in use expires. It is zero if there is none.
	Expires time.Time
}

// Stats returns the counters and the state.
func (m *Manager) Stats() Stats {
	s := Stats{Domains: len(m.list), Issued: m.issued.Load(), Failed: m.failed.Load(), Expires: m.Expires()}
	for _, d := range m.list {
		switch {
		case d.current.Load() == nil:
			s.Missing++
		case d.lastFailure().Count > 0:
			s.Failing++
		}
	}
	return s
}

// Expires returns when the first of the certificates in use expires, or the zero time if there is
// none.
func (m *Manager) Expires() (first time.Time) {
	for _, d := range m.list {
		if h := d.current.Load(); h != nil && (first.IsZero() || h.expires.Before(first)) {
			first = h.expires
		}
	}
	return first
}

func (d *domain) lastFailure() failure {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failure
}

// setFailure replaces what is remembered. saved says whether the store has it.
func (d *domain) setFailure(f failure, saved bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failure, d.unsaved = f, !saved
}

// refresh uses what the store contains, which other processes may have replaced.
func (m *Manager) refresh(d *domain) {
	text, err := m.store.read(d.name)
	if err == nil && string(text) != d.refused {
		err = m.use(d, text)
	}
	if err != nil && !isMissing(err) {
		d.refused = string(text)
		m.log.Warn("a stored certificate cannot be used", "names", d.name, "error", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.unsaved {
		d.failure = m.store.failure(d.name)
	}
}

// use makes a certificate that of its domain, unless that has one which is valid for as long. If a
// new certificate could not be stored, the store still has the previous one.
func (m *Manager) use(d *domain, text []byte) error {
	old := d.current.Load()
	if old != nil && old.text == string(text) {
		return nil
	}
	h, err := hold(d.name, text)
	if err != nil {
		return err
	}
	message := "TLS certificate loaded"
	if old != nil {
		if !h.expires.After(old.expires) {
			return nil
		}
		message = "TLS certificate reloaded"
	}
	d.current.Store(h)
	m.log.Info(message, "names", d.name, "expires", h.expires)
	return nil
}

// hold returns the certificate in a text with its key, or an error if it is not one for the domain.
func hold(name string, text []byte) (*held, error) {
	cert, err := tls.X509KeyPair(text, text)
	if err != nil {
		return nil, err
	}
	leaf := cert.Leaf
	if err := leaf.VerifyHostname(name); err != nil {
		return nil, err
	}
	h := &held{cert: &cert, text: string(text), expires: leaf.NotAfter, renew: renewal(leaf)}
	for i, der := range cert.Certificate[1:] {
		issuer, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of the chain: %w", i+2, err)
		}
		if issuer.NotAfter.Before(h.expires) {
			h.expires = issuer.NotAfter
		}
	}
	return h, nil
}

// renewal returns when to renew a certificate: when a third of its lifetime is left, and up to a
// thirtieth later, so that servers that were set up together do not order together.
func renewal(leaf *x509.Certificate) time.Time {
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	return leaf.NotAfter.Add(-life / 3).Add(time.Duration(rand.Int64N(int64(life)/30 + 1)))
}

// wait returns the time until the domain needs a new certificate and may order it. It is not
// positive if that is now.
func (d *domain) wait(now time.Time) time.Duration {
	var at time.Time
	if h := d.current.Load(); h != nil {
		at = h.renew
	}
	if next := d.lastFailure().Next; next.After(at) {
		at = next
	}
	return at.Sub(now)
}

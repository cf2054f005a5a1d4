package acmecert

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"

	"golang.org/x/crypto/acme"
)

// answers are the answers to the challenges of orders in progress. They are stored as well, so
// that the authority may connect to any of the processes that share the store.
type answers struct {
	store *store

	mu   sync.Mutex
	tls  map[string]*tls.Certificate // by domain
	http map[string]string           // by token
}

func newAnswers(s *store) *answers {
	return &answers{store: s, tls: make(map[string]*tls.Certificate), http: make(map[string]string)}
}

// prepare makes the answer to a challenge available, until remove is called.
func (a *answers) prepare(client *acme.Client, name string, c *acme.Challenge) (remove func(), err error) {
	if c.Type == challengeHTTP {
		return a.prepareHTTP(client, c.Token)
	}
	cert, err := client.TLSALPN01ChallengeCert(c.Token, name)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(cert.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		return nil, err
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
	if err := a.store.write(name+tokenSuffix, encode(key, cert.Certificate)); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tls[name] = &cert
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.tls, name)
		_ = a.store.remove(name + tokenSuffix)
	}, nil
}

func (a *answers) prepareHTTP(client *acme.Client, token string) (remove func(), err error) {
	if !validToken.MatchString(token) {
		return nil, errBadToken
	}
	text, err := client.HTTP01ChallengeResponse(token)
	if err != nil {
		return nil, err
	}
	if err := a.store.write(token+httpSuffix, []byte(text)); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.http[token] = text
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.http, token)
		_ = a.store.remove(token + httpSuffix)
	}, nil
}

// certificate returns the answer to the challenge tls-alpn-01 for a domain, or nil.
func (a *answers) certificate(name string) *tls.Certificate {
	a.mu.Lock()
	cert := a.tls[name]
	a.mu.Unlock()
	if cert != nil {
		return cert
	}
	text, err := a.store.read(name + tokenSuffix) // of another process
	if err != nil {
		return nil
	}
	pair, err := tls.X509KeyPair(text, text)
	if err != nil {
		return nil
	}
	return &pair
}

// errBadToken says that the token of a challenge has characters that it must not have.
var errBadToken = errors.New("the authority sent an invalid token")

// validToken matches the tokens of challenges (RFC 8555, section 8.1). They become names of files.
var validToken = regexp.MustCompile(`^[A-Za-z0-9_-]{1,200}$`)

// text returns the answer to the challenge http-01 with this token.
func (a *answers) text(token string) (string, bool) {
	if !validToken.MatchString(token) {
		return "", false
	}
	a.mu.Lock()
	text, ok := a.http[token]
	a.mu.Unlock()
	if ok {
		return text, true
	}
	stored, err := a.store.read(token + httpSuffix) // of another process
	return string(stored), err == nil
}

const challengePath = "/.well-known/acme-challenge/"

// serveHTTP answers challenges and redirects other requests. It reads no bodies.
func (m *Manager) serveHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	name := r.Host
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	d := m.byName[canonical(name)]
	path := r.URL.EscapedPath()
	token, isChallenge := strings.CutPrefix(path, challengePath)
	switch {
	case d == nil:
		// A redirect to any host would help phishing.
		http.Error(w, "This server does not serve that host.", http.StatusMisdirectedRequest)
	case isChallenge:
		text, ok := m.answers.text(token)
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = io.WriteString(w, text)
	case !strings.HasPrefix(path, "/"):
		// With "GET x:@evil.example HTTP/1.1", the rest could become part of the host.
		http.Error(w, "The request names no path.", http.StatusBadRequest)
	default:
		target := "https://" + d.name + path
		if r.URL.RawQuery != "" {
			target += "?" + r.URL.RawQuery
		}
		w.Header().Set("Location", target)
		w.WriteHeader(http.StatusPermanentRedirect)
	}
}

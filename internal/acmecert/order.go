package acmecert

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"golang.org/x/crypto/acme"
)

// The challenges that a server can answer.
const (
	challengeTLS  = "tls-alpn-01" // RFC 8737
	challengeHTTP = "http-01"     // RFC 8555
)

// challenges returns the challenges to try, beginning with the one that worked last.
func (m *Manager) challenges() []string {
	list := []string{challengeTLS}
	if m.cfg.HTTP {
		list = append(list, challengeHTTP)
	}
	if m.preferred == challengeHTTP {
		slices.Reverse(list)
	}
	return list
}

// errNotOffered says that the authority does not offer a challenge for a domain.
var errNotOffered = errors.New("the authority does not offer this challenge")

// challengeError is the error of a challenge.
type challengeError struct {
	challenge string
	err       error
}

func (e *challengeError) Error() string { return e.challenge + ": " + e.err.Error() }
func (e *challengeError) Unwrap() error { return e.err }

// order obtains a certificate. It returns the key and the chain in PEM, and the challenge that
// proved the control over the domain. The caller holds the lock of the store.
func (m *Manager) order(ctx context.Context, name string) (text []byte, challenge string, err error) {
	limited, cancel := context.WithTimeoutCause(ctx, m.times.attempt, fmt.Errorf("the order was not complete after %v", m.times.attempt))
	defer cancel()
	client, closeClient, err := m.client()
	if err != nil {
		return nil, "", err
	}
	defer closeClient()
	text, challenge, err = m.orderWith(limited, client, name)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", context.Cause(limited), err)
	}
	return text, challenge, err
}

func (m *Manager) orderWith(ctx context.Context, client *acme.Client, name string) ([]byte, string, error) {
	account := &acme.Account{}
	if m.cfg.Email != "" {
		account.Contact = []string{"mailto:" + m.cfg.Email}
	}
	if _, err := client.Register(ctx, account, acme.AcceptTOS); err != nil && !errors.Is(err, acme.ErrAccountAlreadyExists) {
		return nil, "", fmt.Errorf("register with the authority: %w", err)
	}
	var errs []error
	for _, challenge := range m.challenges() {
		text, err := m.orderBy(ctx, client, name, challenge)
		if err == nil {
			m.preferred = challenge
			return text, challenge, nil
		}
		errs = append(errs, &challengeError{challenge, err})
		if _, refused := errors.AsType[*acme.AuthorizationError](err); !refused && !errors.Is(err, errNotOffered) {
			break // another challenge would not change that
		}
	}
	if len(errs) == 2 {
		return nil, "", fmt.Errorf("%w; %w", errs[0], errs[1])
	}
	return nil, "", errs[0]
}

// orderBy obtains a certificate with one kind of challenge.
func (m *Manager) orderBy(ctx context.Context, client *acme.Client, name, challenge string) ([]byte, error) {
	order, err := client.AuthorizeOrder(ctx, acme.DomainIDs(name))
	if err != nil {
		return nil, err
	}
	for _, url := range order.AuthzURLs {
		if err := m.authorize(ctx, client, url, name, challenge); err != nil {
			return nil, err
		}
	}
	if order, err = client.WaitOrder(ctx, order.URI); err != nil {
		return nil, err
	}
	key, keyText, err := newKey()
	if err != nil {
		return nil, err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{name}}, key)
	if err != nil {
		return nil, err
	}
	chain, _, err := client.CreateCertFromOrder(ctx, order, csr, true)
	if err != nil {
		return nil, err
	}
	return encode(keyText, chain), nil
}

// authorize proves the control over a domain, unless the authority still remembers a proof.
func (m *Manager) authorize(ctx context.Context, client *acme.Client, url, name, challenge string) error {
	z, err := client.GetAuthorization(ctx, url)
	if err != nil || z.Status == acme.StatusValid {
		return err
	}
	i := slices.IndexFunc(z.Challenges, func(c *acme.Challenge) bool { return c.Type == challenge })
	if i < 0 {
		return errNotOffered
	}
	remove, err := m.answers.prepare(client, name, z.Challenges[i])
	if err != nil {
		return err
	}
	defer remove()
	if _, err := client.Accept(ctx, z.Challenges[i]); err != nil {
		return err
	}
	_, err = client.WaitAuthorization(ctx, url)
	return err
}

// client returns a client with the key of the account. A new one for each order notices if the
// authority has deleted the account. The caller closes it.
func (m *Manager) client() (client *acme.Client, closeClient func(), err error) {
	key, err := m.store.accountKey()
	if err != nil {
		return nil, nil, fmt.Errorf("key of the account: %w", err)
	}
	client, closeClient = m.newClient()
	client.Key = key
	return client, closeClient, nil
}

// backoff returns how long to wait before a request is sent again, or 0 not to. A rate limit is
// not waited for: the order fails, and the next one comes later.
func backoff(n int, _ *http.Request, resp *http.Response) time.Duration {
	const tries = 4
	switch {
	case n > tries || resp.StatusCode == http.StatusTooManyRequests:
		return 0
	case resp.StatusCode == http.StatusBadRequest: // the nonce was no longer valid
		return 100 * time.Millisecond
	}
	return time.Second << (n - 1)
}

// newKey returns a new private key, and its text in PEM.
func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

// readRoots returns the certificates in a file, or nil if there is no file.
func readRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, &CAFileError{err}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, &CAFileError{fmt.Errorf("%s contains no certificate in PEM format", file)}
	}
	return pool, nil
}

// CAFileError reports that Config.CAFile cannot be used.
type CAFileError struct{ Err error }

func (e *CAFileError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *CAFileError) Unwrap() error { return e.Err }

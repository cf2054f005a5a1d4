package acmecert

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/acme"
)

// State is what is known about a domain.
type State struct {
	// Domain is the name.
	Domain string
	// Chain is the certificate in use, followed by the intermediate ones. It is nil if there is
	// none.
	Chain []*x509.Certificate
	// Failure is the error of the latest order, or empty if it succeeded or there was none.
	Failure string
	// Advice says what to do about the failure. It may be empty.
	Advice string
	// Next is when the next order is possible after a failure.
	Next time.Time
}

// States returns what is known about each domain, in the order of Config.Domains.
func (m *Manager) States() (list []State) {
	for _, d := range m.list {
		f := d.lastFailure()
		s := State{Domain: d.name, Failure: f.Error, Advice: f.Advice, Next: f.Next}
		if h := d.current.Load(); h != nil {
			s.Chain = parsed(h.cert)
		}
		list = append(list, s)
	}
	return list
}

// parsed returns the certificates of a chain, which hold has parsed before.
func parsed(cert *tls.Certificate) (chain []*x509.Certificate) {
	for _, der := range cert.Certificate {
		if c, err := x509.ParseCertificate(der); err == nil {
			chain = append(chain, c)
		}
	}
	return chain
}

// Discover asks the authority for its directory, which has no effect there.
func (m *Manager) Discover(ctx context.Context) (acme.Directory, error) {
	client, closeClient := m.newClient()
	defer closeClient()
	return client.Discover(ctx)
}

// CheckFolder returns an error unless this process can write to the folder, or create it. It
// leaves nothing behind.
func (m *Manager) CheckFolder() error {
	folder := m.store.folder
	for {
		info, err := os.Stat(folder)
		if err == nil && !info.IsDir() {
			return fmt.Errorf("%s is not a folder", folder)
		}
		if err == nil {
			break
		}
		parent := filepath.Dir(folder)
		if !errors.Is(err, fs.ErrNotExist) || parent == folder {
			return err
		}
		folder = parent
	}
	f, err := os.CreateTemp(folder, ".ignis-doctor-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// newClient returns a client without a key, which the caller closes.
func (m *Manager) newClient() (client *acme.Client, closeClient func()) {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
		TLSClientConfig:     &tls.Config{RootCAs: m.roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: m.times.request,
	}
	return &acme.Client{
		DirectoryURL: m.cfg.directory(), UserAgent: m.cfg.Software, RetryBackoff: backoff,
		HTTPClient: &http.Client{Transport: transport, Timeout: m.times.request},
	}, transport.CloseIdleConnections
}

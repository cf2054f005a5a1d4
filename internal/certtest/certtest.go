// Package certtest makes authorities and certificates for tests.
//
//	ca := certtest.NewAuthority(t, "test")
//	pair := ca.Issue(t, certtest.Options{Name: "localhost"})
//	cert, key := pair.Write(t, t.TempDir())
//
// Only tests import this package.
package certtest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority signs certificates.
type Authority struct {
	Cert *x509.Certificate
	PEM  []byte // of Cert
	key  *ecdsa.PrivateKey
}

// NewAuthority returns an authority whose certificate it has signed itself.
func NewAuthority(t testing.TB, name string) *Authority {
	t.Helper()
	return newAuthority(t, name, nil)
}

// Intermediate returns an authority whose certificate a has signed.
func (a *Authority) Intermediate(t testing.TB, name string) *Authority {
	t.Helper()
	return newAuthority(t, name, a)
}

func newAuthority(t testing.TB, name string, signer *Authority) *Authority {
	t.Helper()
	a := &Authority{key: newKey(t)}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, SerialNumber: serial(t), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
	}
	parent, key := template, a.key
	if signer != nil {
		parent, key = signer.Cert, signer.key
	}
	a.Cert = sign(t, template, parent, &a.key.PublicKey, key)
	a.PEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Cert.Raw})
	return a
}

// Pool returns a pool with the authority.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Cert)
	return pool
}

// Options describe a certificate.
type Options struct {
	Name    string       // the common name, and unless Client is set the name of a host beside localhost, 127.0.0.1 and ::1
	Client  bool         // for a client
	Expires time.Time    // zero: in 90 days
	Chain   []*Authority // sent along
}

// Pair is a certificate and its key, both in PEM.
type Pair struct{ Cert, Key []byte }

// Issue returns a certificate.
func (a *Authority) Issue(t testing.TB, o Options) Pair {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: o.Name}, SerialNumber: serial(t), KeyUsage: x509.KeyUsageDigitalSignature,
		NotBefore: time.Now().AddDate(-1, 0, 0), NotAfter: o.Expires,
	}
	if o.Expires.IsZero() {
		template.NotAfter = time.Now().AddDate(0, 0, 90)
	}
	if o.Client {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	} else {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		template.DNSNames = []string{o.Name, "localhost"}
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	}
	cert := sign(t, template, a.Cert, &key.PublicKey, a.key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
	for _, between := range o.Chain {
		text = append(text, between.PEM...)
	}
	return Pair{text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})}
}

// Write writes the pair to tls.crt and tls.key in a folder, and returns their names.
func (p Pair) Write(t testing.TB, folder string) (cert, key string) {
	t.Helper()
	cert, key = filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	WriteFile(t, cert, p.Cert)
	WriteFile(t, key, p.Key)
	return cert, key
}

// WriteFile writes a file that only this user can read.
func WriteFile(t testing.TB, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Certificate returns the pair for crypto/tls.
func (p Pair) Certificate(t testing.TB) tls.Certificate {
	t.Helper()
	c, err := tls.X509KeyPair(p.Cert, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Is reports whether got, the certificates that a peer sent, begin with that of the pair.
func (p Pair) Is(got []*x509.Certificate) bool {
	block, _ := pem.Decode(p.Cert)
	return len(got) > 0 && bytes.Equal(got[0].Raw, block.Bytes)
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func serial(t testing.TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		t.Fatal(err)
	}
	return n.Add(n, big.NewInt(1))
}

func sign(t testing.TB, template, parent *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

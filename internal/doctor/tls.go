package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/ignis-go/ignis/internal/filewatch"
	"github.com/ignis-go/ignis/internal/listen"
)

// tlsChecks examines the certificate of the server.
type tlsChecks struct {
	c     *Config
	chain []*x509.Certificate // in the order of the file
}

func (c *Config) tlsGroup() group {
	if len(c.App.ACME.Domains) > 0 {
		return c.acmeGroup()
	}
	if c.App.Listen.TLS.CertFile == "" {
		return group{name: "tls", checks: []check{{name: "tls.files", run: func(context.Context) []Finding {
			return []Finding{skip("the server does not use TLS")}
		}}}}
	}
	t := &tlsChecks{c: c}
	return group{name: "tls", checks: []check{
		{name: "tls.files", run: t.checkFiles, required: true},
		{name: "tls.chain", run: t.checkChain},
		{name: "tls.names", run: t.checkNames},
		{name: "tls.expiry", run: t.checkExpiry},
	}}
}

func (t *tlsChecks) checkFiles(context.Context) []Finding {
	files := t.c.App.Listen.TLS
	cert, err := filewatch.ReadFile(files.CertFile, listen.MaxFile)
	if err != nil {
		return []Finding{fail("name a file that this user can read in --tls-cert", "certificate: %v", err)}
	}
	key, err := filewatch.ReadFile(files.KeyFile, listen.MaxFile)
	if err != nil {
		return []Finding{fail("name a file that this user can read in --tls-key", "private key: %v", err)}
	}
	if _, err := tls.X509KeyPair(cert.Text, key.Text); err != nil {
		return []Finding{fail("use the key with which the certificate was requested", "%s and %s: %v", files.CertFile, files.KeyFile, err)}
	}
	if t.chain, err = parseChain(cert.Text); err != nil {
		return []Finding{fail("write the certificate and its intermediate certificates to the file, in PEM format", "%s: %v", files.CertFile, err)}
	}
	list := []Finding{ok("%s: certificates: %d; the key belongs to the first one", files.CertFile, len(t.chain))}
	if key.Public() {
		list = append(list, warn("chmod o-r "+files.KeyFile, "every user of this machine can read the private key"))
	}
	return list
}

func parseChain(text []byte) (chain []*x509.Certificate, err error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return chain, nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(chain)+1, err)
		}
		chain = append(chain, cert)
	}
}

func (t *tlsChecks) checkChain(context.Context) (list []Finding) {
	for i, cert := range t.chain[:len(t.chain)-1] {
		if err := cert.CheckSignatureFrom(t.chain[i+1]); err != nil {
			list = append(list, fail("put the certificate of the server first, then that of its issuer, and so on",
				"certificate %d (%s) is not signed by the next one (%s); some clients require the order", i+1, cert.Subject, t.chain[i+1].Subject))
		}
	}
	between := x509.NewCertPool()
	for _, cert := range t.chain[1:] {
		between.AddCert(cert)
	}
	leaf := t.chain[0]
	_, err := leaf.Verify(x509.VerifyOptions{Roots: t.c.Roots, Intermediates: between})
	var (
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
	)
	switch last := t.chain[len(t.chain)-1]; {
	case err == nil:
		return append(list, ok("the chain leads to an authority that this system trusts"))
	case leaf.CheckSignatureFrom(leaf) == nil || leaf.Issuer.String() == leaf.Subject.String():
		return append(list, warn("use a certificate of an authority that clients trust", "the certificate is signed by itself; browsers refuse it"))
	case errors.As(err, &unknown) && last.CheckSignatureFrom(last) != nil:
		return append(list, fail("append the intermediate certificates of the issuer to the file; authorities provide them as fullchain or bundle",
			"the chain ends with a certificate of %q, which this system does not trust: an intermediate certificate is missing, or the authority is private", last.Issuer))
	case errors.As(err, &unknown):
		return append(list, warn("if clients are to trust it, install the authority on their systems", "the chain ends at %q, which this system does not trust", last.Subject))
	}
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return append(list, skip("a certificate is not valid at this time (see tls.expiry), so it is not known whether clients trust it"))
	}
	return append(list, fail("request a new certificate", "clients refuse the certificate: %v", err))
}

func (t *tlsChecks) checkNames(context.Context) []Finding {
	names := append([]string(nil), t.chain[0].DNSNames...)
	for _, ip := range t.chain[0].IPAddresses {
		names = append(names, ip.String())
	}
	text := "the certificate is valid for " + strings.Join(names, ", ")
	if len(names) == 0 {
		return []Finding{fail("request a certificate with the names of the server as alternative names", "the certificate has no names of hosts (%s); clients ignore the common name", t.chain[0].Subject)}
	}
	u, err := url.Parse(t.c.PublicURL)
	if err != nil || u.Hostname() == "" {
		return []Finding{ok("%s; --public-url compares that with the address of clients", text)}
	}
	if t.c.proxied() {
		return []Finding{ok("%s; a proxy may have another one for clients", text)}
	}
	if err := t.chain[0].VerifyHostname(u.Hostname()); err != nil {
		return []Finding{fail("request a certificate for "+u.Hostname(), "%s, but not for %s, the host of the public URL", text, u.Hostname())}
	}
	return []Finding{ok("%s, which includes the host of the public URL", text)}
}

func (t *tlsChecks) checkExpiry(context.Context) []Finding {
	return []Finding{judgeExpiry(t.chain, time.Now())}
}

// The remaining validity below which a certificate should have been renewed, and below
// which someone has to act now.
const (
	expiresSoon = 14 * 24 * time.Hour
	expiresNow  = 2 * 24 * time.Hour
)

// judgeExpiry judges the certificate of the chain that expires first.
func judgeExpiry(chain []*x509.Certificate, now time.Time) Finding {
	first := chain[0]
	for _, cert := range chain {
		if now.Before(cert.NotBefore) {
			return fail("set the clock of this machine, or wait", "the certificate of %s is valid from %s, which is in the future", subject(cert), cert.NotBefore.UTC().Format(time.RFC3339))
		}
		if cert.NotAfter.Before(first.NotAfter) {
			first = cert
		}
	}
	const advice = "renew the certificate, and find out why that does not happen by itself; the server reads its files again when they change"
	left := first.NotAfter.Sub(now)
	text := fmt.Sprintf("the certificate of %s expires at %s", subject(first), first.NotAfter.UTC().Format(time.RFC3339))
	switch {
	case left <= 0:
		return fail(advice, "the certificate of %s expired at %s", subject(first), first.NotAfter.UTC().Format(time.RFC3339))
	case left < expiresNow:
		return fail(advice, "%s, in %d hours", text, int(left/time.Hour))
	case left < expiresSoon:
		return warn(advice, "%s, in %d days", text, int(left/(24*time.Hour)))
	}
	return ok("%s, in %d days", text, int(left/(24*time.Hour)))
}

// subject returns a name for a certificate.
func subject(cert *x509.Certificate) string {
	if len(cert.DNSNames) > 0 {
		return cert.DNSNames[0]
	}
	return cert.Subject.String()
}

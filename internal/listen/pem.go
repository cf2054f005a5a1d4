package listen

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/ignis-go/ignis/internal/filewatch"
)

// MaxFile is the maximum size of a file with keys or certificates in bytes.
const MaxFile = 1 << 20

// watched returns the files to watch, in the order of fileKinds.
func (t TLS) watched() *filewatch.Files {
	names := []string{t.CertFile, t.KeyFile}
	if t.ClientCAFile != "" {
		names = append(names, t.ClientCAFile)
	}
	return filewatch.New(MaxFile, names...)
}

var fileKinds = [...]File{FileCert, FileKey, FileClientCA}

// contents holds the contents of the files.
type contents struct{ cert, key, clientCA []byte }

// contentsOf returns the contents, or a FileError if a file could not be read.
func contentsOf(c filewatch.Contents) (got contents, err error) {
	if c.Err != nil {
		hint := ""
		if errors.Is(c.Err, fs.ErrPermission) {
			hint = "let the user of this process read the file"
		}
		return got, &FileError{fileKinds[len(c.Files)], c.Err, hint}
	}
	got.cert, got.key = c.Files[0].Text, c.Files[1].Text
	if len(c.Files) > 2 {
		got.clientCA = c.Files[2].Text
	}
	return got, nil
}

// parse validates contents and returns the configuration of connections.
func (t TLS) parse(got contents) (*material, error) {
	pair, err := parsePair(t, got)
	if err != nil {
		return nil, err
	}
	m := &material{config: &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"http/1.1"}, // WebSocket connections begin with HTTP/1.1
	}}
	m.names = names(pair.Leaf)
	for i, der := range pair.Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, &FileError{FileCert, fmt.Errorf("%s: certificate %d: %w", t.CertFile, i+1, err), ""}
		}
		if m.expires.IsZero() || cert.NotAfter.Before(m.expires) {
			m.expires = cert.NotAfter
		}
	}
	if t.ClientCAFile == "" {
		return m, nil
	}
	if m.config.ClientCAs, err = ParseAuthorities(got.clientCA); err != nil {
		return nil, &FileError{FileClientCA, fmt.Errorf("%s: %w", t.ClientCAFile, err), ""}
	}
	m.config.ClientAuth = tls.RequireAndVerifyClientCert
	if t.ClientAuth == ClientCertOptional {
		m.config.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return m, nil
}

// parsePair parses the certificate and the key. It checks them separately first, so that an
// error names the right file.
func parsePair(t TLS, got contents) (tls.Certificate, error) {
	if err := checkCertificate(got.cert); err != nil {
		hint := ""
		if bytes.Contains(got.cert, []byte("PRIVATE KEY-----")) {
			hint = "the file contains a private key; are the two files swapped?"
		}
		return tls.Certificate{}, &FileError{FileCert, fmt.Errorf("%s: %w", t.CertFile, err), hint}
	}
	pair, err := tls.X509KeyPair(got.cert, got.key)
	if err == nil {
		return pair, nil
	}
	hint := ""
	switch {
	case bytes.Contains(got.key, []byte("ENCRYPTED")):
		err = errors.New("the private key has a passphrase")
		hint = "remove it with openssl pkey -in FILE -out NEW"
	case strings.Contains(err.Error(), "does not match"):
		err = fmt.Errorf("the private key does not belong to the certificate in %s", t.CertFile)
		hint = "use the key that the certificate was requested with"
	case !bytes.Contains(got.key, []byte("PRIVATE KEY-----")):
		err = errors.New("it contains no private key in PEM format")
	}
	return tls.Certificate{}, &FileError{FileKey, fmt.Errorf("%s: %w", t.KeyFile, err), hint}
}

// checkCertificate returns an error unless the first certificate in the text is valid.
func checkCertificate(text []byte) error {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return errors.New("it contains no certificate in PEM format")
		}
		if block.Type == "CERTIFICATE" {
			_, err := x509.ParseCertificate(block.Bytes)
			return err
		}
	}
}

// ParseAuthorities parses the certificates of authorities in PEM. It rejects all other blocks,
// because the peers of an authority that was silently skipped could not connect.
func ParseAuthorities(text []byte) (*x509.CertPool, error) {
	pool, n := x509.NewCertPool(), 0
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		n++
		cert, err := x509.ParseCertificate(block.Bytes)
		if block.Type != "CERTIFICATE" || err != nil {
			return nil, fmt.Errorf("block %d (%s) is not a certificate", n, block.Type)
		}
		pool.AddCert(cert)
	}
	if n == 0 {
		return nil, errors.New("it contains no certificate in PEM format")
	}
	return pool, nil
}

// names returns the names that a certificate is valid for, for the log.
func names(c *x509.Certificate) string {
	all := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return c.Subject.String()
	}
	const most = 8
	if len(all) > most {
		all = append(all[:most], "...")
	}
	return strings.Join(all, ",")
}

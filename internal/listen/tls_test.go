package listen

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/certtest"
	"github.com/ignis-go/ignis/internal/logtest"
)

// serveTLS opens a listener that sends "hello" and the name in the client's certificate
// to each client.
func serveTLS(t *testing.T, files TLS) (*Listeners, *logtest.Log) {
	t.Helper()
	l, book := open(t, Config{Addresses: []Address{address("127.0.0.1:0", secure)}, TLS: files})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			nc, err := l.All()[0].Accept()
			if err != nil {
				return
			}
			greeting := "hello"
			if certs := nc.(*tls.Conn).ConnectionState().PeerCertificates; len(certs) > 0 {
				greeting += " " + certs[0].Subject.CommonName
			}
			_, _ = io.WriteString(nc, greeting)
			_ = nc.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l, book
}

// greeting connects with cfg and returns what the server says.
func greeting(l *Listeners, cfg *tls.Config) (string, tls.ConnectionState, error) {
	nc, err := tls.Dial("tcp", l.All()[0].Addr().String(), cfg)
	if err != nil {
		return "", tls.ConnectionState{}, err
	}
	defer nc.Close()
	text, err := io.ReadAll(nc)
	return string(text), nc.ConnectionState(), err
}

func TestTLSVersions(t *testing.T) {
	ca := certtest.NewAuthority(t, "test")
	cert, key := ca.Issue(t, certtest.Options{Name: "example.com"}).Write(t, t.TempDir())
	l, book := serveTLS(t, TLS{CertFile: cert, KeyFile: key})
	for version, ok := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		cfg := &tls.Config{RootCAs: ca.Pool(), ServerName: "example.com", MinVersion: tls.VersionTLS10, MaxVersion: version, NextProtos: []string{"h2", "http/1.1"}}
		text, state, err := greeting(l, cfg)
		if (err == nil && text == "hello") != ok {
			t.Errorf("%s: %q, %v", tls.VersionName(version), text, err)
		}
		if ok && state.NegotiatedProtocol != "http/1.1" {
			t.Errorf("%s: the protocol is %q", tls.VersionName(version), state.NegotiatedProtocol)
		}
	}
	l.Close()
	if s := l.Stats(); s.Handshakes != 2 || s.HandshakesFailed != 2 || book.Count("TLS handshake failed") != 2 {
		t.Errorf("%+v, and logged %s", s, book)
	}
	if d := time.Until(l.Stats().CertificateExpires); d < 89*24*time.Hour || d > 90*24*time.Hour {
		t.Errorf("it expires in %v", d)
	}
}

// A plain HTTP request gets an answer that says to use TLS.
func TestPlainRequest(t *testing.T) {
	ca := certtest.NewAuthority(t, "test")
	cert, key := ca.Issue(t, certtest.Options{Name: "example.com"}).Write(t, t.TempDir())
	l, _ := serveTLS(t, TLS{CertFile: cert, KeyFile: key})
	nc, err := net.Dial("tcp", l.All()[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_, _ = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: x\r\nCookie: "+strings.Repeat("x", 4000)+"\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if text, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), "wss://") {
		t.Errorf("answered %s: %s", response.Status, text)
	}
}

// The log says so if a peer that is not trusted sends a PROXY header.
func TestUntrustedHeaderBeforeTLS(t *testing.T) {
	ca := certtest.NewAuthority(t, "test")
	cert, key := ca.Issue(t, certtest.Options{Name: "example.com"}).Write(t, t.TempDir())
	l, book := serveTLS(t, TLS{CertFile: cert, KeyFile: key})
	for _, head := range []string{"PROXY TCP4 203.0.113.9 192.0.2.1 77 80\r\n", v2(0x21, 0x11, addresses4...)} {
		nc, err := net.Dial("tcp", l.All()[0].Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(nc, head)
		_, _ = io.ReadAll(nc)
		_ = nc.Close()
	}
	l.Close()
	if l.Stats().HandshakesFailed != 2 || book.Count("it began with a PROXY header") != 1 {
		t.Errorf("%+v, and logged %s", l.Stats(), book)
	}
}

func TestClientCertificates(t *testing.T) {
	ca, clients, others := certtest.NewAuthority(t, "test"), certtest.NewAuthority(t, "clients"), certtest.NewAuthority(t, "others")
	dir := t.TempDir()
	cert, key := ca.Issue(t, certtest.Options{Name: "example.com"}).Write(t, dir)
	certtest.WriteFile(t, dir+"/clients", clients.PEM)
	ann := clients.Issue(t, certtest.Options{Name: "ann", Client: true}).Certificate(t)
	late := clients.Issue(t, certtest.Options{Name: "ann", Client: true, Expires: time.Now().Add(-time.Minute)}).Certificate(t)
	server := clients.Issue(t, certtest.Options{Name: "ann"}).Certificate(t)
	stranger := others.Issue(t, certtest.Options{Name: "ann", Client: true}).Certificate(t)
	for auth, without := range map[ClientAuth]string{ClientCertRequired: "", ClientCertOptional: "hello"} {
		l, _ := serveTLS(t, TLS{CertFile: cert, KeyFile: key, ClientCAFile: dir + "/clients", ClientAuth: auth})
		for name, test := range map[string]struct {
			certs []tls.Certificate
			want  string // "": refused
		}{
			"none": {nil, without}, "ann's": {[]tls.Certificate{ann}, "hello ann"}, "an expired one": {[]tls.Certificate{late}, ""},
			"a server's": {[]tls.Certificate{server}, ""}, "that of another authority": {[]tls.Certificate{stranger}, ""},
		} {
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				cfg := &tls.Config{RootCAs: ca.Pool(), ServerName: "example.com", MaxVersion: version}
				cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					if len(test.certs) == 0 {
						return new(tls.Certificate), nil
					}
					return &test.certs[0], nil
				}
				if got, _, err := greeting(l, cfg); got != test.want || (err == nil) != (test.want != "") {
					t.Errorf("auth %d, %s, %s: %q, %v", auth, name, tls.VersionName(version), got, err)
				}
			}
		}
	}
}

// A client certificate is checked with the current authorities even if the client resumes an
// earlier TLS session.
func TestResumptionAfterChangeOfAuthority(t *testing.T) {
	ca, clients, others := certtest.NewAuthority(t, "test"), certtest.NewAuthority(t, "clients"), certtest.NewAuthority(t, "others")
	dir := t.TempDir()
	cert, key := ca.Issue(t, certtest.Options{Name: "example.com"}).Write(t, dir)
	certtest.WriteFile(t, dir+"/clients", clients.PEM)
	l, _ := serveTLS(t, TLS{CertFile: cert, KeyFile: key, ClientCAFile: dir + "/clients"})
	cfg := &tls.Config{
		RootCAs: ca.Pool(), ServerName: "example.com", ClientSessionCache: tls.NewLRUClientSessionCache(4),
		Certificates: []tls.Certificate{clients.Issue(t, certtest.Options{Name: "ann", Client: true}).Certificate(t)},
	}
	for i := range 2 {
		if got, state, err := greeting(l, cfg); got != "hello ann" || state.DidResume != (i == 1) {
			t.Errorf("connection %d: %q, %v, resumed: %v", i, got, err, state.DidResume)
		}
	}
	certtest.WriteFile(t, dir+"/clients", others.PEM)
	if err := l.Reload(); err != nil {
		t.Fatal(err)
	}
	if got, _, err := greeting(l, cfg); err == nil {
		t.Errorf("after the change: %q", got)
	}
}

// The error for a file that cannot be used names the file, and has a hint.
func TestFileErrors(t *testing.T) {
	ca := certtest.NewAuthority(t, "test")
	pair, other := ca.Issue(t, certtest.Options{Name: "a"}), ca.Issue(t, certtest.Options{Name: "b"})
	const sealed = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"
	for name, test := range map[string]struct {
		cert, key, ca string // "": missing
		file          File
		want, hint    string
	}{
		"no certificate":        {"", string(pair.Key), "-", FileCert, "no such file", ""},
		"no key":                {string(pair.Cert), "", "-", FileKey, "no such file", ""},
		"no authority":          {string(pair.Cert), string(pair.Key), "", FileClientCA, "no such file", ""},
		"another pair's key":    {string(pair.Cert), string(other.Key), "-", FileKey, "does not belong to the certificate", "requested with"},
		"swapped":               {string(pair.Key), string(pair.Cert), "-", FileCert, "no certificate in PEM", "swapped"},
		"a passphrase":          {string(pair.Cert), sealed, "-", FileKey, "has a passphrase", "openssl pkey"},
		"two certificates":      {string(pair.Cert), string(pair.Cert), "-", FileKey, "no private key in PEM", ""},
		"text":                  {"x", "y", "-", FileCert, "no certificate in PEM", ""},
		"half a certificate":    {string(pair.Cert[:100]), string(pair.Key), "-", FileCert, "no certificate in PEM", ""},
		"broken certificate":    {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", string(pair.Key), "-", FileCert, "malformed", ""},
		"broken intermediate":   {string(pair.Cert) + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", string(pair.Key), "-", FileCert, "certificate 2", ""},
		"an empty authority":    {string(pair.Cert), string(pair.Key), "x", FileClientCA, "no certificate in PEM", ""},
		"a key as an authority": {string(pair.Cert), string(pair.Key), string(ca.PEM) + string(pair.Key), FileClientCA, "block 2 (PRIVATE KEY) is not a certificate", ""},
		"a large file":          {strings.Repeat("x", MaxFile+1), "y", "-", FileCert, "larger than", ""},
	} {
		dir := t.TempDir()
		files := TLS{CertFile: dir + "/cert", KeyFile: dir + "/key", ClientCAFile: dir + "/ca"}
		for file, text := range map[string]string{files.CertFile: test.cert, files.KeyFile: test.key, files.ClientCAFile: test.ca} {
			if text == "-" {
				text = string(ca.PEM)
			}
			if text != "" {
				certtest.WriteFile(t, file, []byte(text))
			}
		}
		c, _ := logged(Config{Addresses: []Address{address("127.0.0.1:0", secure)}, TLS: files})
		c.TLS.CertFile, c.TLS.KeyFile, c.TLS.ClientCAFile = files.CertFile, files.KeyFile, files.ClientCAFile
		_, err := New(c)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		e, ok := errors.AsType[*FileError](err)
		if !ok || e.File != test.file || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), dir) ||
			!strings.Contains(e.Hint, test.hint) || (test.hint == "") != (e.Hint == "") {
			t.Errorf("%s: %#v", name, err)
		}
		if strings.Contains(err.Error(), "PRIVATE KEY-----") {
			t.Errorf("%s: the key is in the error", name)
		}
	}
}

// CertificateExpires is the earliest expiry of the certificates that are sent. If one has
// expired, the log warns.
func TestExpiry(t *testing.T) {
	ca := certtest.NewAuthority(t, "test")
	between := ca.Intermediate(t, "between")
	at := time.Now().Add(-time.Minute).Truncate(time.Second)
	cert, key := between.Issue(t, certtest.Options{Name: "example.com", Expires: at, Chain: []*certtest.Authority{between}}).Write(t, t.TempDir())
	l, book := serveTLS(t, TLS{CertFile: cert, KeyFile: key})
	if got := l.Stats().CertificateExpires; !got.Equal(at) || book.Count("the TLS certificate has expired") != 1 || book.Count("example.com") == 0 {
		t.Errorf("it expires at %v, and logged %s", got, book)
	}
	cfg := &tls.Config{RootCAs: ca.Pool(), ServerName: "example.com"}
	if _, _, err := greeting(l, cfg); !errors.As(err, new(x509.CertificateInvalidError)) && !errors.As(err, new(*tls.CertificateVerificationError)) {
		t.Errorf("the client got %v", err)
	}
}

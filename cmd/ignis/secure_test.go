package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/certtest"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/wire"
)

// serveOn starts a server and returns it with the URLs that it prints. The arguments must
// contain n addresses to listen on.
func serveOn(t *testing.T, n int, settings []string, args ...string) (p *process, urls []string) {
	t.Helper()
	p = start(t, settings, append([]string{"serve"}, args...)...)
	for range n {
		line := p.line()
		url, ok := strings.CutPrefix(line, "listening on ")
		if !ok {
			t.Fatalf("the server printed %q", line)
		}
		url, _, _ = strings.Cut(url, " ")
		urls = append(urls, url)
	}
	return p, urls
}

// serveTLS starts a server with TLS, and returns it with its host:port.
func serveTLS(t *testing.T, cert, key string, settings []string, args ...string) (p *process, address string) {
	t.Helper()
	p, urls := serveOn(t, 1, settings, append([]string{"--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key}, args...)...)
	address, ok := strings.CutPrefix(urls[0], "https://")
	if !ok {
		t.Fatalf("the server listens on %q", urls[0])
	}
	return p, address
}

// tlsPair returns an authority and the files of a certificate for localhost.
func tlsPair(t *testing.T) (ca *certtest.Authority, cert, key string) {
	t.Helper()
	ca = certtest.NewAuthority(t, "test")
	cert, key = ca.Issue(t, certtest.Options{Name: "example.com"}).Write(t, t.TempDir())
	return ca, cert, key
}

// dialTLS connects a client that trusts an authority.
func dialTLS(t *testing.T, address string, trusted *x509.CertPool, change ...func(*client.Config)) (*client.Conn, error) {
	t.Helper()
	cfg := client.Config{TLSConfig: &tls.Config{RootCAs: trusted}}
	for _, f := range change {
		f(&cfg)
	}
	c, err := client.Dial(withTimeout(t), "wss://"+address+"/ws", cfg)
	if err == nil {
		t.Cleanup(func() { _ = c.Close() })
	}
	return c, err
}

// converse makes a send messages to a room, and checks that a and b receive them in order.
func converse(t *testing.T, a, b *client.Conn) {
	t.Helper()
	for _, c := range []*client.Conn{a, b} {
		if _, err := c.Join(withTimeout(t), "lobby"); err != nil {
			t.Fatal(err)
		}
	}
	for i, size := range []int{1, 60_000, 1, 1} {
		text := fmt.Sprintf("%d%s", i, strings.Repeat("x", size))
		if err := a.Send(withTimeout(t), "say", map[string]string{"room": "lobby", "text": text}); err != nil {
			t.Fatal(err)
		}
		for _, c := range []*client.Conn{a, b} {
			m := receive(t, c)
			var data struct{ Text string }
			if err := m.Decode(&data); err != nil || m.Event != "say" || data.Text != text {
				t.Fatalf("message %d: received %s of %d bytes, %v", i, m.Event, len(m.Data), err)
			}
		}
	}
}

// Clients can do the same with TLS as without.
func TestServeTLS(t *testing.T) {
	t.Parallel()
	ca, cert, key := tlsPair(t)
	for name, args := range map[string][]string{
		"default": nil, "compressed": {"--compress"}, "encrypted": {"--encryption", "required"}, "plain": {"--plain-io"},
	} {
		t.Run(name, func(t *testing.T) {
			p, address := serveTLS(t, cert, key, nil, append([]string{"--dev"}, args...)...)
			encrypt := func(c *client.Config) { c.Encrypt = name == "encrypted" }
			a, err := dialTLS(t, address, ca.Pool(), encrypt)
			if err != nil {
				t.Fatal(err)
			}
			b, err := dialTLS(t, address, ca.Pool(), encrypt)
			if err != nil {
				t.Fatal(err)
			}
			converse(t, a, b)
			if code, body := getTLS(t, "https://"+address+"/readyz", ca); code != http.StatusOK || !strings.Contains(body, "ready") {
				t.Errorf("/readyz: %d %s", code, body)
			}
			if code, _, body := get(t, "http://"+address+"/readyz"); code != http.StatusBadRequest || !strings.Contains(body, "https://") {
				t.Errorf("with plain HTTP: %d %s", code, body)
			}
			p.signal(syscall.SIGTERM)
			var closed *client.CloseError
			_, err = a.Receive(withTimeout(t))
			for err == nil { // it is warned
				_, err = a.Receive(withTimeout(t))
			}
			if !errors.As(err, &closed) || closed.Code != wire.CloseGoingAway {
				t.Errorf("at the end the client got %v", err)
			}
			if code := p.wait(); code != 0 || strings.Contains(p.errors.text(), "ERROR") {
				t.Errorf("exit code %d, and logged %s", code, p.errors.text())
			}
		})
	}
}

// getTLS sends a GET request over TLS.
func getTLS(t *testing.T, url string, ca *certtest.Authority) (code int, body string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: ca.Pool()}}
	defer transport.CloseIdleConnections()
	code, _, body = getWith(t, transport, url)
	return code, body
}

// A client stays connected while the certificate is replaced, which is done like in Kubernetes.
func TestCertificateIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(dir, name+"_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, name+"_tmp"), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	mount := func(name string) *certtest.Authority {
		t.Helper()
		ca := certtest.NewAuthority(t, name)
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		ca.Issue(t, certtest.Options{Name: "example.com"}).Write(t, filepath.Join(dir, name))
		link(name, "..data")
		return ca
	}
	first := mount("..first")
	link("..data/tls.crt", "tls.crt")
	link("..data/tls.key", "tls.key")
	p, address := serveTLS(t, dir+"/tls.crt", dir+"/tls.key", nil, "--dev", "--log-level", "info")
	a, err := dialTLS(t, address, first.Pool())
	if err != nil {
		t.Fatal(err)
	}
	second := mount("..second")
	if err := os.RemoveAll(filepath.Join(dir, "..first")); err != nil {
		t.Fatal(err)
	}
	p.logged("TLS certificate reloaded")
	if _, err := dialTLS(t, address, first.Pool()); err == nil {
		t.Error("new connections get the old certificate")
	}
	b, err := dialTLS(t, address, second.Pool())
	if err != nil {
		t.Fatal(err)
	}
	converse(t, a, b)
}

func TestClientCertificates(t *testing.T) {
	t.Parallel()
	ca, cert, key := tlsPair(t)
	clients := certtest.NewAuthority(t, "clients")
	file := filepath.Join(t.TempDir(), "clients.crt")
	certtest.WriteFile(t, file, clients.PEM)
	with := func(from *certtest.Authority) func(*client.Config) {
		return func(c *client.Config) {
			cert := from.Issue(t, certtest.Options{Name: "ann", Client: true}).Certificate(t)
			// With Certificates, it would not be sent to a server that does not accept it.
			c.TLSConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
		}
	}
	for _, optional := range []bool{false, true} {
		args := []string{"--dev", "--tls-client-ca", file}
		if optional {
			args = append(args, "--tls-client-auth", "optional")
		}
		_, address := serveTLS(t, cert, key, nil, args...)
		if _, err := dialTLS(t, address, ca.Pool(), with(clients)); err != nil {
			t.Error(err)
		}
		if _, err := dialTLS(t, address, ca.Pool()); (err == nil) != optional {
			t.Errorf("optional %v: without a certificate: %v", optional, err)
		}
		if _, err := dialTLS(t, address, ca.Pool(), with(ca)); err == nil {
			t.Errorf("optional %v: a certificate of another authority is accepted", optional)
		}
	}
}

// A client that does not trust the server's certificate is told how to.
func TestListenUntrusted(t *testing.T) {
	t.Parallel()
	_, cert, key := tlsPair(t)
	server := start(t, []string{"IGNIS_JWT_SECRET=" + testKey}, "serve", "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key)
	server.line()
	code, _, errors := ignisRun(t, nil, "listen", "wss://127.0.0.1:"+portOf(server)+"/ws", "--token", "x")
	if code != exitLost || !strings.Contains(errors, "name its certificate in SSL_CERT_FILE") {
		t.Errorf("exit code %d, %s", code, errors)
	}
}

// Errors in the flags for TLS and listening have a hint.
func TestTLSErrors(t *testing.T) {
	t.Parallel()
	_, cert, key := tlsPair(t)
	_, _, other := tlsPair(t)
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"--tls-cert", cert}, "set --tls-key"},
		{[]string{"--tls-key", key}, "set --tls-cert"},
		{[]string{"--tls-client-ca", cert}, "set --tls-cert and --tls-key"},
		{[]string{"--tls-client-auth", "optional"}, "set --tls-client-ca"},
		{[]string{"--tls-cert", cert, "--tls-key", other}, "does not belong to the certificate"},
		{[]string{"--tls-cert", key, "--tls-key", cert}, "are the two files swapped?"},
		{[]string{"--tls-cert", cert + "x", "--tls-key", key}, "--tls-cert: open " + cert + "x"},
		{[]string{"--tls-cert", cert, "--tls-key", key, "--tls-client-ca", key}, "--tls-client-ca: "},
		{[]string{"--tls-cert", cert, "--tls-key", key, "--listen", "unix:x"}, "add a host:port to --listen"},
		{[]string{"--proxy-protocol"}, "set --trusted-proxies"},
		{[]string{"--listen", "unix:"}, "expected a path"},
		{[]string{"--listen", "unix:x", "--unix-mode", "x"}, "octal file mode"},
	} {
		p := start(t, []string{"IGNIS_JWT_SECRET=" + testKey}, append([]string{"serve"}, row.args...)...)
		if code := p.wait(); code != exitUsage || !strings.Contains(p.errors.text(), row.want) {
			t.Errorf("%q: exit code %d, %s", row.args, code, p.errors.text())
		}
	}
}

// Peers that do not complete their handshake or their request are closed in favor of clients,
// and are logged.
func TestSilentPeers(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	ca, cert, key := tlsPair(t)
	for _, row := range []struct{ scheme, send, want string }{
		{"wss", "", "closed before its TLS handshake or PROXY header was complete"},
		{"wss", "\x16\x03\x01\x02\x00\x01", "closed before its TLS handshake or PROXY header was complete"},
		{"ws", "", "closed before its request was complete"},
		{"ws", "GET /ws HTTP/1.1\r\nHost: ", "closed before its request was complete"},
	} {
		args := []string{"--dev", "--listen", "127.0.0.1:0", "--max-handshakes", "20"}
		if row.scheme == "wss" {
			args = append(args, "--tls-cert", cert, "--tls-key", key)
		}
		p, urls := serveOn(t, 1, nil, args...)
		_, address, _ := strings.Cut(urls[0], "://")
		for range 60 {
			nc, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			_, _ = io.WriteString(nc, row.send)
		}
		redistest.Wait(t, "silent peers to be closed", func() bool {
			c, err := client.Dial(withTimeout(t), row.scheme+"://"+address+"/ws", client.Config{TLSConfig: &tls.Config{RootCAs: ca.Pool()}})
			if err != nil {
				t.Fatal(err)
			}
			_ = c.Close()
			return strings.Contains(p.errors.text(), row.want)
		})
	}
}

// dialVia is a NetDial that connects to another address.
func dialVia(network, address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}
}

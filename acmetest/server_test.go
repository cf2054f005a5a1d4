package acmetest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/certtest"
	"github.com/ignis-go/ignis/internal/childproc"
)

// patience is the maximum time for each wait. Only failing tests wait this long.
const patience = 40 * time.Second

const domain = "rt.ignis.test"

const secret = "a secret of at least thirty-two bytes"

// server is a running ignis serve.
type server struct {
	t       *testing.T
	cmd     *childproc.Cmd
	tls     string // address for TLS
	http    string // address for plain HTTP, or ""
	metrics string // address for metrics
	cache   string
	done    chan struct{}

	mu    sync.Mutex
	lines []string
	news  chan struct{} // closed when there are more lines
}

// options describe a server.
type options struct {
	domains []string // default: domain
	cache   string   // default: a new folder
	http    bool     // with --acme-http
	tlsPort string   // default: the one where the authority verifies
}

// start starts a server that obtains certificates from the authority.
func (a *authority) start(t *testing.T, o options) *server {
	t.Helper()
	s := &server{t: t, cache: o.cache, done: make(chan struct{}), news: make(chan struct{})}
	if s.cache == "" {
		s.cache = filepath.Join(t.TempDir(), "acme")
	}
	if o.domains == nil {
		o.domains = []string{domain}
	}
	if o.tlsPort == "" {
		o.tlsPort = a.tlsPort
	}
	s.tls, s.metrics = "127.0.0.1:"+o.tlsPort, "127.0.0.1:"+freePort(t).text
	dir := t.TempDir()
	certtest.WriteFile(t, dir+"/secret", []byte(secret))
	certtest.WriteFile(t, dir+"/ignis.yaml", fmt.Appendf(nil, "tls:\n  acme:\n    directory_url: %s\n    ca_file: %s\n", a.url, a.caFile))
	args := []string{
		"serve", "--config", dir + "/ignis.yaml", "--listen", s.tls, "--acme", strings.Join(o.domains, ","), "--acme-cache", s.cache,
		"--acme-email", "ops@ignis.test", "--jwt-secret-file", dir + "/secret", "--metrics-listen", s.metrics,
	}
	if o.http {
		s.http = "127.0.0.1:" + a.httpPort
		args = append(args, "--acme-http", s.http)
	}
	s.cmd = childproc.Command(program, args...)
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go s.read(stderr)
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("log of the server:\n%s", s.log())
		}
	})
	s.awaitLog("server is ready")
	return s
}

func (s *server) read(r io.Reader) {
	defer close(s.done)
	for lines := bufio.NewScanner(r); lines.Scan(); {
		s.mu.Lock()
		s.lines = append(s.lines, lines.Text())
		close(s.news)
		s.news = make(chan struct{})
		s.mu.Unlock()
	}
	_ = s.cmd.Wait() // the log says why it failed
}

// stop ends the server and waits for it.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGINT) // it may have ended
	select {
	case <-s.done:
	case <-time.After(patience):
		_ = s.cmd.Process.Kill()
		<-s.done
		s.t.Error("the server did not stop")
	}
}

func (s *server) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}

// awaitLog waits until a line of the log contains all texts, and returns it.
func (s *server) awaitLog(texts ...string) string {
	s.t.Helper()
	deadline := time.After(patience)
	for next := 0; ; {
		s.mu.Lock()
		lines, news := s.lines[next:], s.news
		next = len(s.lines)
		s.mu.Unlock()
		for _, line := range lines {
			if containsAll(line, texts) {
				return line
			}
		}
		select {
		case <-news:
		case <-s.done:
			s.t.Fatalf("the server ended without logging %q:\n%s", texts, s.log())
		case <-deadline:
			s.t.Fatalf("the server did not log %q:\n%s", texts, s.log())
		}
	}
}

func containsAll(line string, texts []string) bool {
	for _, text := range texts {
		if !strings.Contains(line, text) {
			return false
		}
	}
	return true
}

// handshake connects with TLS and returns the certificate of the server.
func (s *server) handshake(roots *x509.CertPool, name string) (*x509.Certificate, error) {
	nc, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", s.tls, &tls.Config{RootCAs: roots, ServerName: name})
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	return nc.ConnectionState().PeerCertificates[0], nil
}

// connect connects a WebSocket client that trusts roots, and authenticates it.
func (s *server) connect(roots *x509.CertPool, name string) {
	s.t.Helper()
	c, err := client.Dial(s.t.Context(), "wss://"+name+"/ws", client.Config{
		Credentials: map[string]string{"type": "Bearer", "token": token("ann")},
		TLSConfig:   &tls.Config{RootCAs: roots},
		NetDial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, s.tls)
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	c.Close()
}

// token returns a token for a user.
func token(user string) string {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256"}`)) + "." + encode(fmt.Appendf(nil, `{"sub":%q,"exp":%d}`, user, time.Now().Add(time.Hour).Unix()))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}

// metric returns the lines of a metric.
func (s *server) metric(name string) string {
	s.t.Helper()
	var lines []string
	for line := range strings.Lines(s.get("/metrics")) {
		if strings.HasPrefix(line, name) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return strings.Join(lines, "\n")
}

// get returns the body of a response on the address for metrics and probes.
func (s *server) get(path string) string {
	s.t.Helper()
	resp, err := http.Get("http://" + s.metrics + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(bytes.TrimSpace(body))
}

// files returns the names in the cache, without the folder of the authority.
func (s *server) files() string {
	s.t.Helper()
	var list []string
	found, err := filepath.Glob(s.cache + "/*/*")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range found {
		list = append(list, filepath.Base(name))
	}
	return strings.Join(list, " ")
}

// cached returns the name of a file in the cache of the server.
func (s *server) cached(name string) string {
	s.t.Helper()
	found, err := filepath.Glob(filepath.Join(s.cache, "*", name))
	if err != nil || len(found) != 1 {
		s.t.Fatalf("the cache contains %q for %s", found, name)
	}
	return found[0]
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

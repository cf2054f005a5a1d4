package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/certtest"
	"github.com/ignis-go/ignis/internal/childproc"
	"github.com/ignis-go/ignis/internal/doctest"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/internal/testprog"
	"github.com/ignis-go/ignis/wire"
)

// The tests in this file load the configurations in docs/proxies.md into nginx, HAProxy and
// Caddy.

// program returns the path of nginx or haproxy.
func program(t *testing.T, name string) string {
	t.Helper()
	if path, err := exec.LookPath("/usr/sbin/" + name); err == nil { // not in the PATH of every user
		return path
	}
	return testprog.Require(t, "TEST_REQUIRE_PROXIES", name, "this test loads a documented configuration into it")
}

// documented returns the n-th code block of a language in docs/proxies.md.
func documented(t *testing.T, language string, n int) string {
	t.Helper()
	blocks := doctest.Blocks(doctest.Read(t, "docs/proxies.md"), language)
	if n >= len(blocks) {
		t.Fatalf("docs/proxies.md has %d blocks of %s", len(blocks), language)
	}
	return blocks[n].Text
}

// replaced returns text with pairs of texts replaced, each of which must be in it.
func replaced(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("docs/proxies.md does not contain %q", pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

// front is a proxy in front of servers.
type front struct {
	t       *testing.T
	ca      *certtest.Authority
	address string // its host:port
	process *process
}

// startFront starts a proxy that listens on a free port. configure writes its configuration
// to a folder and returns the command.
func startFront(t *testing.T, ca *certtest.Authority, configure func(dir, address string) *childproc.Cmd) *front {
	t.Helper()
	for range 10 {
		// Nothing else uses this range: it is below that for outgoing connections, and that of
		// package redistest.
		address := "127.0.0.1:" + strconv.Itoa(3000+rand.IntN(7000))
		p := startCommand(t, nil, configure(t.TempDir(), address))
		up := false
		redistest.Wait(t, "a proxy to listen", func() bool {
			nc, err := net.Dial("tcp", address)
			if up = err == nil; up {
				_ = nc.Close()
			}
			select {
			case <-p.ended:
				up = false
				return true
			default:
				return up
			}
		})
		if up {
			if text := p.errors.text(); strings.Contains(strings.ToLower(text), "[warn") {
				t.Errorf("the proxy warns: %s", text)
			}
			return &front{t, ca, address, p}
		}
		if text := p.errors.text(); !strings.Contains(text, "in use") && !strings.Contains(text, "cannot bind socket") {
			t.Fatalf("the proxy ended: %s", text)
		}
	}
	t.Fatal("found no free port")
	return nil
}

// dial connects through the proxy from a loopback address.
func (f *front) dial(from string) *client.Conn {
	f.t.Helper()
	c, err := f.tryDial(from)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// tryDial is like dial, but may fail. The client pretends to have another address, and to be on a
// page of the site.
func (f *front) tryDial(from string) (*client.Conn, error) {
	c, err := client.Dial(withTimeout(f.t), "wss://"+f.address+"/ws", client.Config{
		Credentials: map[string]string{"token": sign(f.t, testKey, map[string]any{"sub": "ann", "exp": inAnHour()})},
		TLSConfig:   &tls.Config{RootCAs: f.ca.Pool()},
		NetDial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
			return d.DialContext(ctx, network, f.address)
		},
		HTTPHeader: http.Header{
			"X-Forwarded-For": {"198.51.100.6"}, "Forwarded": {"for=198.51.100.6"}, "Origin": {"https://" + f.address},
		},
	})
	if err == nil {
		f.t.Cleanup(func() { _ = c.Close() })
	}
	return c, err
}

// check connects a client through the proxy for each server, and stops the servers.
func (f *front) check(servers ...*process) {
	f.t.Helper()
	clients := make(map[string]*client.Conn)
	for i := range servers {
		from := fmt.Sprintf("127.0.0.%d", 20+i)
		clients[from] = f.dial(from)
	}
	var log string
	redistest.Wait(f.t, "all clients to be logged", func() bool {
		log = ""
		for _, p := range servers {
			log += p.errors.text()
		}
		return strings.Count(log, "client connected") >= len(servers)
	})
	for from := range clients {
		if !regexp.MustCompile(`client connected.* remote=` + regexp.QuoteMeta(from) + `\D`).MatchString(log) {
			f.t.Errorf("the client from %s is not in the log: %s", from, log)
		}
	}
	if strings.Contains(log, "198.51.100.6") || strings.Contains(log, "WARN") {
		f.t.Errorf("logged %s", log)
	}
	for _, p := range servers {
		p.signal(syscall.SIGTERM)
	}
	for from, c := range clients {
		var closed *client.CloseError
		_, err := c.Receive(withTimeout(f.t))
		for err == nil { // it is warned
			_, err = c.Receive(withTimeout(f.t))
		}
		if !errors.As(err, &closed) || closed.Code != wire.CloseGoingAway {
			f.t.Errorf("at the end the client from %s got %v", from, err)
		}
	}
	for _, p := range servers {
		if code := p.wait(); code != 0 {
			f.t.Errorf("exit code %d", code)
		}
	}
}

// file writes a file into a folder and returns its name.
func file(t *testing.T, dir, name, text string) string {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestNginx(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	program(t, "nginx")
	ca, cert, key := tlsPair(t)
	socket := socketPath(t)
	server, _ := serveOn(t, 1, nil, "--listen", "unix:"+socket, "--trusted-proxies", "unix", "--jwt-secret-file", secretFile(t), "--log-level", "debug")
	f := nginx(t, ca, cert, key, documented(t, "nginx", 0), "/run/ignis/ignis.sock", socket)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool()}, DisableKeepAlives: true}
	if code, _, _ := getWith(t, transport, "https://"+f.address+"/readyz"); code != http.StatusNotFound {
		t.Errorf("/readyz answers %d, which docs/proxies.md says is 404", code)
	}
	f.check(server)
}

// nginx distributes clients to several servers.
func TestNginxSeveralServers(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	program(t, "nginx")
	ca, cert, key := tlsPair(t)
	var servers []*process
	var addresses []string
	for range 3 {
		p, address := serve(t, nil, behindProxy(t)...)
		servers, addresses = append(servers, p), append(addresses, address)
	}
	f := nginxForThree(t, ca, cert, key, addresses)
	for i := range servers {
		f.dial(fmt.Sprintf("127.0.0.%d", 30+i))
	}
	for _, p := range servers {
		p.logged("client connected") // because nginx prefers the server with the fewest connections
	}
	f.check(servers...)
}

// nginxForThree starts nginx with the documented configuration for three servers.
func nginxForThree(t *testing.T, ca *certtest.Authority, cert, key string, addresses []string) *front {
	t.Helper()
	pairs := []string{oneServer(t), documented(t, "nginx", 1)}
	for i, address := range addresses {
		pairs = append(pairs, fmt.Sprintf("10.0.0.1%d:8080", 1+i), address)
	}
	return nginx(t, ca, cert, key, documented(t, "nginx", 0), pairs...)
}

// oneServer returns the documented upstream of nginx with one server.
func oneServer(t *testing.T) string {
	t.Helper()
	_, upstream, _ := strings.Cut(documented(t, "nginx", 0), "    upstream ignis {")
	upstream, _, _ = strings.Cut(upstream, "\n    }\n")
	return "    upstream ignis {" + upstream + "\n    }\n"
}

// nginx starts nginx with a documented configuration.
func nginx(t *testing.T, ca *certtest.Authority, cert, key, text string, pairs ...string) *front {
	t.Helper()
	path := program(t, "nginx")
	return startFront(t, ca, func(dir, address string) *childproc.Cmd {
		name := nginxConfiguration(t, dir, address, cert, key, text, pairs...)
		return childproc.Command(path, "-e", "stderr", "-p", dir, "-c", name, "-g", "daemon off; master_process off; pid "+dir+"/pid;")
	})
}

// nginxConfiguration writes a documented configuration of nginx and returns its file.
func nginxConfiguration(t *testing.T, dir, address, cert, key, text string, pairs ...string) string {
	t.Helper()
	return file(t, dir, "nginx.conf", replaced(t, text, append(pairs,
		"listen 443 ", "listen "+address+" ", "/etc/nginx/tls.crt", cert, "/etc/nginx/tls.key", key,
		// The rest makes it run beside others, without root, and with few descriptors.
		"worker_rlimit_nofile 65536;", "", "worker_connections 32768;", "worker_connections 512;",
		"http {", "http {\naccess_log off;\nclient_body_temp_path "+dir+"/body;\nproxy_temp_path "+dir+"/proxy;\n"+
			"fastcgi_temp_path "+dir+"/fastcgi;\nuwsgi_temp_path "+dir+"/uwsgi;\nscgi_temp_path "+dir+"/scgi;\n")...))
}

// haproxy starts HAProxy with a documented configuration, for two servers.
func haproxy(t *testing.T, n int, ca *certtest.Authority, port string, servers [2]string, pairs ...string) *front {
	t.Helper()
	path := program(t, "haproxy")
	return startFront(t, ca, func(dir, address string) *childproc.Cmd {
		text := replaced(t, documented(t, "haproxy", n), append(pairs,
			"bind :443", "bind "+address,
			"10.0.0.11:"+port, servers[0], "10.0.0.12:"+port, servers[1],
			"maxconn 30000", "maxconn 256")...)
		return childproc.Command(path, "-db", "-f", file(t, dir, "haproxy.cfg", text))
	})
}

// behindProxy returns the flags of a server that trusts a proxy on this machine.
func behindProxy(t *testing.T) []string {
	t.Helper()
	return []string{"--trusted-proxies", "127.0.0.1", "--jwt-secret-file", secretFile(t), "--log-level", "debug"}
}

// twoBehind starts two servers that trust a proxy.
func twoBehind(t *testing.T, start func(args ...string) (*process, string)) (servers []*process, addresses [2]string) {
	t.Helper()
	for i := range addresses {
		p, address := start(behindProxy(t)...)
		servers, addresses[i] = append(servers, p), address
	}
	return servers, addresses
}

// proxyPEM writes the certificate and the key of example.com to one file, as HAProxy wants them.
func proxyPEM(t *testing.T) (ca *certtest.Authority, name string) {
	t.Helper()
	ca = certtest.NewAuthority(t, "test")
	pair := ca.Issue(t, certtest.Options{Name: "example.com"})
	return ca, file(t, t.TempDir(), "example.pem", string(pair.Cert)+string(pair.Key))
}

func TestHAProxy(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	program(t, "haproxy")
	ca, pem := proxyPEM(t)
	servers, addresses := twoBehind(t, func(args ...string) (*process, string) { return serve(t, nil, args...) })
	haproxy(t, 0, ca, "8080", addresses, "/etc/haproxy/example.pem", pem).check(servers...)
}

func TestHAProxyWithoutTLS(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	program(t, "haproxy")
	ca, cert, key := tlsPair(t)
	servers, addresses := twoBehind(t, func(args ...string) (*process, string) {
		return serveTLS(t, cert, key, nil, append(args, "--proxy-protocol")...)
	})
	haproxy(t, 1, ca, "8443", addresses).check(servers...)
}

func TestCaddy(t *testing.T) {
	longtest.Mark(t)
	t.Parallel()
	program(t, "caddy")
	ca, cert, key := tlsPair(t)
	servers, addresses := twoBehind(t, func(args ...string) (*process, string) { return serve(t, nil, args...) })
	caddy(t, ca, cert, key, addresses).check(servers...)
}

// caddy starts Caddy with the documented configuration, for two servers.
func caddy(t *testing.T, ca *certtest.Authority, cert, key string, addresses [2]string) *front {
	t.Helper()
	path := program(t, "caddy")
	return startFront(t, ca, func(dir, address string) *childproc.Cmd {
		text := replaced(t, documented(t, "caddy", 0),
			"rt.example.com {", "https://"+address+" {", "/etc/caddy/tls.crt", cert, "/etc/caddy/tls.key", key,
			"10.0.0.11:8080", addresses[0], "10.0.0.12:8080", addresses[1])
		// The rest makes it run beside others: without an API, and without a redirect from port 80.
		text = "{\n\tadmin off\n\tauto_https off\n}\n" + text
		cmd := childproc.Command(path, "run", "--adapter", "caddyfile", "--config", file(t, dir, "Caddyfile", text))
		cmd.Env = append(cmd.Env, "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
		return cmd
	})
}

package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/ignis-go/ignis/client"
)

// dialFrom is a NetDial from a loopback address that sends a text first, as a proxy does.
func dialFrom(t *testing.T, from, text string) func(context.Context, string, string) (net.Conn, error) {
	t.Helper()
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		nc, err := d.DialContext(ctx, network, address)
		if err == nil {
			_, err = io.WriteString(nc, text)
		}
		return nc, err
	}
}

const (
	trustedProxy = "127.0.0.2" // in the tests of the PROXY protocol
	otherPeer    = "127.0.0.3"
	// The header of version 2 for 203.0.113.12:77.
	proxyV2 = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x0c\xc0\x00\x02\x01\x00\x4d\x00\x50"
	// A header of version 2 that names no client.
	proxyLocal = "\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
)

// A trusted proxy reports the address of a client with the PROXY protocol, with or without
// TLS. Reports from others are not believed.
func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	ca, cert, key := tlsPair(t)
	for _, scheme := range []string{"ws", "wss"} {
		t.Run(scheme, func(t *testing.T) {
			args := []string{
				"--listen", "127.0.0.1:0", "--proxy-protocol", "--trusted-proxies", trustedProxy + ",203.0.113.99",
				"--log-level", "debug", "--jwt-secret-file", secretFile(t),
			}
			if scheme == "wss" {
				args = append(args, "--tls-cert", cert, "--tls-key", key)
			}
			p, urls := serveOn(t, 1, nil, args...)
			_, address, _ := strings.Cut(urls[0], "://")
			connect := func(from, text string, change ...func(*client.Config)) error {
				cfg := client.Config{
					NetDial: dialFrom(t, from, text), TLSConfig: &tls.Config{RootCAs: ca.Pool()}, HTTPHeader: http.Header{},
					Credentials: map[string]string{"token": sign(t, testKey, map[string]any{"sub": "ann", "exp": inAnHour()})},
				}
				for _, f := range change {
					f(&cfg)
				}
				c, err := client.Dial(withTimeout(t), scheme+"://"+address+"/ws", cfg)
				if err == nil {
					t.Cleanup(func() { _ = c.Close() })
				}
				return err
			}
			forwarded := func(c *client.Config) { c.HTTPHeader.Set("X-Forwarded-For", "198.51.100.6") }
			for _, row := range []struct {
				from, text string
				change     func(*client.Config)
				message    string
				want       string // "": the connection is refused
			}{
				{trustedProxy, "PROXY TCP4 203.0.113.11 192.0.2.1 77 80\r\n", nil, "client connected", "remote=203.0.113.11:77"},
				{trustedProxy, proxyV2, nil, "client connected", "remote=203.0.113.12:77"},
				{trustedProxy, "PROXY TCP6 2001:db8::9 2001:db8::1 77 80\r\n", nil, "client connected", "remote=[2001:db8::9]:77"},
				{trustedProxy, proxyLocal, forwarded, "client connected", "remote=127.0.0.2:"},
				{trustedProxy, "PROXY TCP4 203.0.113.13 192.0.2.1 77 80\r\n", forwarded, "client connected", "remote=203.0.113.13:77"},
				{trustedProxy, "PROXY TCP4 203.0.113.99 192.0.2.1 77 80\r\n", forwarded, "client connected", "remote=198.51.100.6"},
				{trustedProxy, "PROXY TCP4 203.0.113.14 192.0.2.1 77 80\r\n", func(c *client.Config) { c.Credentials = nil }, "client rejected", "remote=203.0.113.14:77"},
				{trustedProxy, "PROXY TCP4 203.0.113.15 192.0.2.1 77 80\r\n", func(c *client.Config) { c.HTTPHeader.Set("Origin", "https://evil.example") }, "connection refused", "remote=203.0.113.15:77"},
				{otherPeer, "", nil, "client connected", "remote=127.0.0.3:"},
				{otherPeer, "", forwarded, "client connected", "remote=127.0.0.3:"},
				{otherPeer, "PROXY TCP4 198.51.100.7 192.0.2.1 77 80\r\n", nil, "", ""},
				{otherPeer, proxyV2, nil, "", ""},
				{trustedProxy, "", nil, "a trusted proxy did not send a PROXY header", "remote=127.0.0.2:"},
			} {
				change := row.change
				if change == nil {
					change = func(*client.Config) {}
				}
				err := connect(row.from, row.text, change)
				if (err == nil) != (row.message == "client connected") {
					t.Errorf("%s, %q: %v", row.from, row.text, err)
				}
				if row.message == "" {
					continue
				}
				if line := p.logged(row.message); !strings.Contains(line, row.want) {
					t.Errorf("%s, %q: logged %s, want %s", row.from, row.text, line, row.want)
				}
			}
			p.signal(syscall.SIGTERM)
			p.wait()
			if text := p.errors.text(); strings.Contains(text, "198.51.100.7") || strings.Count(text, "203.0.113.12") != 1 {
				t.Errorf("the server believed others: %s", text)
			}
		})
	}
}

// A proxy on a Unix socket reports the address in a header of the request.
func TestForwardedOnSocket(t *testing.T) {
	t.Parallel()
	for _, trusted := range []bool{true, false} {
		path := socketPath(t)
		args := []string{"--listen", "unix:" + path, "--log-level", "debug", "--jwt-secret-file", secretFile(t)}
		want := "remote=@"
		if trusted {
			args, want = append(args, "--trusted-proxies", "unix"), "remote=203.0.113.9"
		}
		p, _ := serveOn(t, 1, nil, args...)
		dialUnix(t, path, func(c *client.Config) {
			c.HTTPHeader = http.Header{"X-Forwarded-For": {"203.0.113.9"}}
			c.Credentials = map[string]string{"token": sign(t, testKey, map[string]any{"sub": "ann", "exp": inAnHour()})}
		})
		if line := p.logged("client connected"); !strings.Contains(line, want) {
			t.Errorf("trusted %v: logged %s", trusted, line)
		}
		if warned := strings.Contains(p.errors.text(), "have no address"); warned == trusted {
			t.Errorf("trusted %v: logged %s", trusted, p.errors.text())
		}
	}
}

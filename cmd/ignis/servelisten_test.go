package main

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ignis-go/ignis/internal/doctest"
	"github.com/ignis-go/ignis/internal/listen"
)

// The hint for --listen depends on the error.
func TestListenErrors(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for address, want := range map[string]string{
		l.Addr().String():   "is another server running there?",
		"no..such.name:80":  "check that the host name resolves",
		"[fe80::1]:8080":    "", // a link-local address without a zone
		"192.0.2.1:8080":    "this machine does not have that address; use one of its addresses, or :8080 for all",
		"[2001:db8::1]:443": "this machine does not have that address",
	} {
		if strings.HasPrefix(address, "[") && !hasIPv6() {
			continue
		}
		p := start(t, []string{"IGNIS_JWT_SECRET=" + strings.Repeat("s", 32)}, "serve", "--listen", address)
		if code := p.wait(); code != exitFailed {
			t.Errorf("%s: exit code %d", address, code)
		}
		_, text, _ := strings.Cut(p.errors.text(), "error: --listen: ")
		_, hint, _ := strings.Cut(text, "\nhint: ")
		if text == "" || !strings.HasPrefix(hint, want) || (hint == "") != (want == "") {
			t.Errorf("%s: got %s", address, p.errors.text())
		}
	}
}

func hasIPv6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err == nil {
		_ = l.Close()
	}
	return err == nil
}

// The flags set the configuration of the listeners, and docs/limits.md states their defaults.
func TestListenFlags(t *testing.T) {
	c := parseServe(t, "--listen", "127.0.0.1:1,unix:/a", "--listen", ":2", "--unix-mode", "600",
		"--tls-cert", "c", "--tls-key", "k", "--tls-client-ca", "a", "--tls-client-auth", "optional",
		"--proxy-protocol", "--max-handshakes", "7", "--handshake-timeout", "2s")
	tcp := func(name string) listen.Address {
		return listen.Address{Network: listen.TCP, Name: name, Mode: 0o600, TLS: true, ProxyProtocol: true}
	}
	want := listen.Config{
		Addresses:     []listen.Address{tcp("127.0.0.1:1"), {Network: listen.Unix, Name: "/a", Mode: 0o600, ProxyProtocol: true}, tcp(":2")},
		TLS:           listen.TLS{CertFile: "c", KeyFile: "k", ClientCAFile: "a", ClientAuth: listen.ClientCertOptional},
		MaxHandshakes: 7, HandshakeTimeout: 2 * time.Second,
	}
	if d := cmp.Diff(want, c.listenFlags.config()); d != "" {
		t.Error(d)
	}
	limits := doctest.Read(t, "docs/limits.md")
	byDefault := parseServe(t).listenFlags.config()
	for _, row := range []string{
		fmt.Sprintf("(`--handshake-timeout`) | %.0f s |", byDefault.HandshakeTimeout.Seconds()),
		fmt.Sprintf("PROXY header is not complete (`--max-handshakes`) | %d |", byDefault.MaxHandshakes),
		fmt.Sprintf("including idle ones (`--max-handshakes`) | %d |", byDefault.MaxHandshakes),
	} {
		if !strings.Contains(limits, row) {
			t.Errorf("docs/limits.md does not contain %s", row)
		}
	}
	if byDefault.MaxHandshakes != listen.DefaultMaxHandshakes {
		t.Errorf("the default is %d", byDefault.MaxHandshakes)
	}
}

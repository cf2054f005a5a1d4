package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ignis-go/ignis/internal/app"
	"github.com/ignis-go/ignis/internal/listen"
)

// The flags set the configuration of the certificates, and TCP addresses use TLS.
func TestACMEFlags(t *testing.T) {
	c := parseServe(t, "--acme", "RT.example.com,b.example.com", "--acme-cache", "d", "--acme-email", "e", "--acme-http", ":80",
		"--acme-directory", "https://ca.example/", "--listen", ":443,unix:/a", "--proxy-protocol")
	want := app.ACME{
		Domains: []string{"rt.example.com", "b.example.com"}, Cache: "d", Email: "e", Directory: "https://ca.example/",
		HTTP: listen.Address{Network: listen.TCP, Name: ":80", ProxyProtocol: true},
	}
	if d := cmp.Diff(want, c.acmeFlags.config(&c.listenFlags)); d != "" {
		t.Error(d)
	}
	if at := c.listenFlags.config().Addresses; !at[0].TLS || at[1].TLS {
		t.Errorf("got %+v", at)
	}
}

// A systemd unit with StateDirectory= needs no flag for the folder.
func TestACMECacheOfSystemd(t *testing.T) {
	for state, want := range map[string]string{"": "", "/var/lib/ignis": "/var/lib/ignis/acme", "/var/lib/a:/var/lib/b": "/var/lib/a/acme", "relative": ""} {
		t.Setenv(stateVariable, state)
		c := parseServe(t, "--acme", "rt.example.com")
		if got := c.acmeFlags.config(&c.listenFlags).Cache; got != want {
			t.Errorf("%q: %q", state, got)
		}
		c = parseServe(t, "--acme", "rt.example.com", "--acme-cache", "d")
		if got := c.acmeFlags.config(&c.listenFlags).Cache; got != "d" {
			t.Errorf("%q: %q with the flag", state, got)
		}
	}
}

// If the port for plain HTTP is taken, the error names its flag.
func TestACMEErrors(t *testing.T) {
	t.Parallel()
	taken := start(t, nil, "serve", "--dev", "--listen", "127.0.0.1:0")
	taken.line()
	p := start(t, []string{"IGNIS_JWT_SECRET=" + testKey}, "serve", "--acme", "rt.example.com", "--acme-cache", t.TempDir()+"/acme",
		"--acme-directory", "https://127.0.0.1:1/", "--listen", "127.0.0.1:0", "--acme-http", "127.0.0.1:"+portOf(taken))
	if code := p.wait(); code != exitFailed || !strings.Contains(p.errors.text(), "error: --acme-http: ") {
		t.Errorf("exit code %d: %s", code, p.errors.text())
	}
}

package app

import (
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/acmecert"
	"github.com/ignis-go/ignis/internal/listen"
)

// Settings of certificates that contradict others are refused.
func TestCheckACME(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*Config)
		want   string // part of the error; empty: none
	}{
		{"valid", func(*Config) {}, ""},
		{"with HTTP", func(c *Config) { c.ACME.HTTP = listen.Address{Network: listen.TCP, Name: ":80"} }, ""},
		{"certificate", func(c *Config) { c.Listen.TLS.CertFile = "c" }, "--acme and --tls-cert are both set"},
		{"key", func(c *Config) { c.Listen.TLS.KeyFile = "k" }, "--acme and --tls-cert are both set"},
		{"client certificates", func(c *Config) { c.Listen.TLS.ClientCAFile = "c" }, "--tls-client-ca"},
		{"no folder", func(c *Config) { c.ACME.Cache = "" }, "--acme-cache"},
		{"no TLS", func(c *Config) { c.Listen.Addresses[0].TLS = false }, "only TCP addresses use TLS"},
		{"socket", func(c *Config) { c.ACME.HTTP = listen.Address{Network: listen.Unix, Name: "/a"} }, "--acme-http: the authority connects over TCP"},
		{"only HTTP", func(c *Config) { c.ACME = ACME{HTTP: listen.Address{Network: listen.TCP, Name: ":80"}} }, "--acme-http: no certificates are obtained"},
		{"wildcard", func(c *Config) { c.ACME.Domains[0] = "*.example.com" }, "--acme: \"*.example.com\" is a wildcard"},
		{"directory", func(c *Config) { c.ACME.Directory = "http://ca.example" }, "https://"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := Config{
				Listen: listen.Config{Addresses: []listen.Address{{Network: listen.TCP, Name: ":443", TLS: true}}},
				ACME:   ACME{Domains: []string{"rt.example.com"}, Cache: "/a"},
			}
			test.change(&c)
			err := c.checkListen()
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A missing certificate degrades the server. If it made it unready, the authority could not reach
// the server through a load balancer, and there would never be a certificate.
func TestMissingCertificate(t *testing.T) {
	t.Parallel()
	now := time.Now()
	later := listen.Stats{CertificateExpires: now.Add(time.Hour)}
	for _, test := range []struct {
		state  Listening
		status checkStatus
		reason string
	}{
		{Listening{Stats: later, ACME: acmecert.Stats{Domains: 2}}, statusOK, ""},
		{Listening{ACME: acmecert.Stats{Domains: 2, Missing: 2}}, statusDegraded, "no certificate has been obtained yet"},
		{Listening{Stats: later, ACME: acmecert.Stats{Domains: 2, Missing: 1}}, statusDegraded, "1 of 2 names"},
		{Listening{Stats: later, ACME: acmecert.Stats{Domains: 2, Failing: 1}}, statusDegraded, "the previous one stays in use"},
		{Listening{Stats: listen.Stats{CertificateExpires: now}, ACME: acmecert.Stats{Domains: 1, Failing: 1}}, statusDegraded, "has expired"},
	} {
		c := checkCertificate(test.state, now)
		if c.Status != test.status || !strings.Contains(c.Reason, test.reason) || (c.Reason == "") != (test.reason == "") {
			t.Errorf("%+v: %+v", test.state.ACME, c)
		}
	}
}

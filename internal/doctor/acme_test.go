package doctor

import (
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/acmecert"
	"github.com/ignis-go/ignis/internal/app"
	"github.com/ignis-go/ignis/internal/certtest"
	"github.com/ignis-go/ignis/internal/listen"
)

// obtaining returns a configuration of a server that obtains certificates from an authority which
// answers with this directory.
func obtaining(t *testing.T, directory string) Config {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, directory) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	certtest.WriteFile(t, ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	c := valid()
	c.App.ACME = app.ACME{Domains: []string{"rt.example.invalid"}, Cache: filepath.Join(t.TempDir(), "acme"), Directory: s.URL, CAFile: ca}
	c.App.Listen.Addresses = []listen.Address{{Network: listen.TCP, Name: ":8443", TLS: true}}
	return c
}

func TestACME(t *testing.T) {
	c := obtaining(t, `{"newOrder":"https://h/","meta":{"termsOfService":"https://h/terms"}}`)
	found := examine(t, c, (*Config).tlsGroup)
	want(t, found, "tls.acme_cache", "ok: can be written to")
	want(t, found, "tls.acme_orders", "ok: no domain")
	want(t, found, "tls.acme_authority", "ok: https://h/terms")
	want(t, found, "tls.acme_ports", "warn: listens on port 8443")
	want(t, found, "tls.expiry", "skip: no certificate for rt.example.invalid")
	if _, err := os.Stat(c.App.ACME.Cache); err == nil {
		t.Error("it has created the folder")
	}

	c.App.ACME.HTTP = listen.Address{Network: listen.TCP, Name: ":80"}
	want(t, examine(t, c, (*Config).tlsGroup), "tls.acme_ports", "ok: port 80")
	c.App.Listen.Addresses[0].Name = ":443"
	want(t, examine(t, c, (*Config).tlsGroup), "tls.acme_ports", "ok: port 443")

	c = obtaining(t, `{"newOrder":"https://h/","meta":{"externalAccountRequired":true}}`)
	want(t, examine(t, c, (*Config).tlsGroup), "tls.acme_authority", "fail: not supported")
	c.App.ACME.CAFile = ""
	want(t, examine(t, c, (*Config).tlsGroup), "tls.acme_authority", "fail: does not answer")
}

func TestACMECache(t *testing.T) {
	c := obtaining(t, `{"newOrder":"https://h/"}`)
	m, err := acmecert.New(c.App.ACME.Config("", nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Open(); err != nil {
		t.Fatal(err)
	}
	folders, err := filepath.Glob(c.App.ACME.Cache + "/*")
	if err != nil || len(folders) != 1 {
		t.Fatal(folders, err)
	}
	certtest.WriteFile(t, folders[0]+"/rt.example.invalid+failed", []byte(`{"count":1,"next":"2026-03-01T00:00:00Z","error":"no luck","advice":"be patient"}`))
	ca := certtest.NewAuthority(t, "ca")
	pair := ca.Issue(t, certtest.Options{Name: "rt.example.invalid", Expires: time.Now().Add(time.Hour)})
	certtest.WriteFile(t, folders[0]+"/rt.example.invalid", append(pair.Key, pair.Cert...))
	found := examine(t, c, (*Config).tlsGroup)
	want(t, found, "tls.acme_orders", "fail: the next is possible at 2026-03-01T00:00:00Z: no luck")
	want(t, found, "tls.expiry", "fail: should have been renewed long before")

	if err := os.Chmod(c.App.ACME.Cache, 0o777); err != nil {
		t.Fatal(err)
	}
	want(t, examine(t, c, (*Config).tlsGroup), "tls.acme_cache", "fail: other users can write")
}

func TestJudgeAddresses(t *testing.T) {
	for _, test := range []struct {
		addr string
		err  error
		want string
	}{
		{"192.0.2.1", nil, "ok: 192.0.2.1"},
		{"2001:db8::1", nil, "ok: 2001:db8::1"},
		{"10.0.0.1", nil, "warn: public authorities cannot reach"},
		{"::ffff:127.0.0.1", nil, "warn: 127.0.0.1"},
		{"", &net.DNSError{IsNotFound: true}, "fail: has no address"},
		{"", errors.New("timeout"), "fail: cannot be resolved"},
	} {
		var addrs []netip.Addr
		if test.addr != "" {
			addrs = append(addrs, netip.MustParseAddr(test.addr))
		}
		want(t, named("tls.acme_names", judgeAddresses("rt.example.com", addrs, test.err)), "tls.acme_names", test.want)
	}
}

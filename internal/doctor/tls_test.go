package doctor

import (
	"crypto/x509"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/certtest"
	"github.com/ignis-go/ignis/internal/listen"
)

func TestTLS(t *testing.T) {
	ca := certtest.NewAuthority(t, "root")
	between := ca.Intermediate(t, "between")
	other := certtest.NewAuthority(t, "other")
	chain := []*certtest.Authority{between}
	in := func(d time.Duration) time.Time { return time.Now().Add(d) }
	const day = 24 * time.Hour
	for _, test := range []struct {
		name  string
		pair  certtest.Pair
		roots *x509.CertPool
		url   string
		want  map[string][]string
	}{
		{"complete", between.Issue(t, certtest.Options{Name: "example.com", Chain: chain}), ca.Pool(), "wss://example.com/ws", map[string][]string{
			"files": {"ok: certificates: 2"}, "chain": {"ok: leads to an authority"}, "names": {"ok: includes the host"}, "expiry": {"ok: in 89 days"},
		}},
		{"incomplete", between.Issue(t, certtest.Options{Name: "example.com"}), ca.Pool(), "wss://other.example/ws", map[string][]string{
			"chain": {"fail: intermediate certificate is missing"}, "names": {"fail: but not for other.example"},
		}},
		{"out of order", between.Issue(t, certtest.Options{Name: "example.com", Chain: []*certtest.Authority{ca, between}}), ca.Pool(), "", map[string][]string{
			"chain": {"fail: certificate 1", "fail: certificate 2", "ok: "}, "names": {"ok: --public-url compares"},
		}},
		{"unknown authority", other.Issue(t, certtest.Options{Name: "example.com", Chain: []*certtest.Authority{other}}), ca.Pool(), "", map[string][]string{
			"chain": {"warn: CN=other"},
		}},
		{"expires soon", ca.Issue(t, certtest.Options{Name: "example.com", Expires: in(13*day + time.Hour)}), ca.Pool(), "", map[string][]string{
			"chain": {"ok: "}, "expiry": {"warn: in 13 days"},
		}},
		{"expires now", ca.Issue(t, certtest.Options{Name: "example.com", Expires: in(47*time.Hour + time.Minute)}), ca.Pool(), "", map[string][]string{
			"expiry": {"fail: in 47 hours"},
		}},
		{"expired", ca.Issue(t, certtest.Options{Name: "example.com", Expires: in(-day)}), ca.Pool(), "", map[string][]string{
			"chain": {"skip: not valid at this time"}, "expiry": {"fail: expired at"},
		}},
		{"for clients", ca.Issue(t, certtest.Options{Name: "example.com", Client: true}), ca.Pool(), "", map[string][]string{
			"chain": {"fail: clients refuse"}, "names": {"fail: no names"},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := valid()
			c.Roots, c.PublicURL = test.roots, test.url
			c.App.Listen.TLS.CertFile, c.App.Listen.TLS.KeyFile = test.pair.Write(t, t.TempDir())
			c.App.Listen.Addresses = []listen.Address{{Network: listen.TCP, Name: ":0", TLS: true}}
			found := examine(t, c, (*Config).tlsGroup)
			for check, descriptions := range test.want {
				want(t, found, "tls."+check, descriptions...)
			}
		})
	}
}

func TestTLSFiles(t *testing.T) {
	ca := certtest.NewAuthority(t, "root")
	c := valid()
	want(t, examine(t, c, (*Config).tlsGroup), "tls.files", "skip: does not use TLS")

	files := &c.App.Listen.TLS
	files.CertFile, files.KeyFile = ca.Issue(t, certtest.Options{Name: "a"}).Write(t, t.TempDir())
	if err := os.Chmod(files.KeyFile, 0o644); err != nil {
		t.Fatal(err)
	}
	c.Roots = ca.Pool()
	want(t, examine(t, c, (*Config).tlsGroup), "tls.files", "ok: ", "warn: can read the private key")

	_, files.KeyFile = ca.Issue(t, certtest.Options{Name: "a"}).Write(t, t.TempDir())
	found := examine(t, c, (*Config).tlsGroup)
	want(t, found, "tls.files", "fail: private key does not match")
	want(t, found, "tls.expiry", "skip: tls.files failed")

	files.KeyFile = "/nonexistent"
	want(t, examine(t, c, (*Config).tlsGroup), "tls.files", "fail: --tls-key")
	files.CertFile = "/nonexistent"
	want(t, examine(t, c, (*Config).tlsGroup), "tls.files", "fail: --tls-cert")
}

// A certificate of the future means that a clock is wrong.
func TestCertificateOfTheFuture(t *testing.T) {
	pair := certtest.NewAuthority(t, "root").Issue(t, certtest.Options{Name: "a"})
	chain, err := parseChain(pair.Cert)
	if err != nil {
		t.Fatal(err)
	}
	if f := judgeExpiry(chain, chain[0].NotBefore.Add(-time.Second)); f.Status != Fail || !strings.Contains(f.Advice, "clock") {
		t.Errorf("%+v", f)
	}
}

// The certificate that expires first counts, also if it is that of an authority.
func TestExpiryOfTheChain(t *testing.T) {
	ca := certtest.NewAuthority(t, "root")
	long := ca.Issue(t, certtest.Options{Name: "long"})
	short := ca.Issue(t, certtest.Options{Name: "short", Expires: time.Now().Add(time.Hour)})
	for _, text := range [][]byte{append(long.Cert, short.Cert...), append(short.Cert, long.Cert...)} {
		chain, err := parseChain(text)
		if err != nil || len(chain) != 2 {
			t.Fatal(len(chain), err)
		}
		if f := judgeExpiry(chain, time.Now()); f.Status != Fail || !strings.Contains(f.Text, "of short expires") {
			t.Errorf("%+v", f)
		}
	}
}

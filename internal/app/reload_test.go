package app

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/certtest"
)

// Reload uses a new certificate immediately. An error names the flag, and leaves the previous
// certificate in use.
func TestReload(t *testing.T) {
	ca, dir := certtest.NewAuthority(t, "test"), t.TempDir()
	expires := time.Now().AddDate(0, 0, 30).Truncate(time.Second)
	c := production()
	c.Listen.Addresses[0].TLS = true
	c.Listen.TLS.CertFile, c.Listen.TLS.KeyFile = ca.Issue(t, certtest.Options{Name: "example.com", Expires: expires}).Write(t, dir)
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	later := expires.AddDate(0, 0, 30)
	ca.Issue(t, certtest.Options{Name: "example.com", Expires: later}).Write(t, dir)
	if got := a.Listening().CertificateExpires; !got.Equal(expires) {
		t.Errorf("before Reload it expires at %v", got)
	}
	if err := a.Reload(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	certtest.WriteFile(t, c.Listen.TLS.KeyFile, []byte("x"))
	err = a.Reload(t.Context(), c)
	if e, ok := errors.AsType[*Error](err); !ok || !strings.HasPrefix(e.Error(), "--tls-key: ") {
		t.Errorf("got %v", err)
	}
	if l := a.Listening(); !l.CertificateExpires.Equal(later) || l.ReloadError == nil || l.ReloadsFailed != 1 {
		t.Errorf("got %+v", l)
	}
	plain, err := New(production())
	if err != nil {
		t.Fatal(err)
	}
	if err := plain.Reload(t.Context(), production()); err != nil {
		t.Errorf("without TLS: %v", err)
	}
}

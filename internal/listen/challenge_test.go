package listen

import (
	"context"
	"crypto/tls"
	"io"
	"testing"
	"time"

	"github.com/ignis-go/ignis/internal/certtest"
)

// issued are certificates that come from somewhere else than files.
type issued struct {
	cert    tls.Certificate
	expires time.Time
	running chan struct{} // closed while Run runs
	ended   chan struct{} // closed when it has ended
}

func (i *issued) TLSConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{i.cert}, NextProtos: []string{"http/1.1", challengeProtocol}}
}

func (i *issued) Run(ctx context.Context) {
	close(i.running)
	<-ctx.Done()
	close(i.ended)
}

func (i *issued) Expires() time.Time { return i.expires }

// Certificates that do not come from files are kept up to date while the listeners are open.
// Connections of an authority that verifies a domain end after the handshake.
func TestIssuedCertificates(t *testing.T) {
	ca := certtest.NewAuthority(t, "ca")
	c := &issued{
		cert: ca.Issue(t, certtest.Options{Name: "example.com"}).Certificate(t), expires: time.Now().Add(time.Hour),
		running: make(chan struct{}), ended: make(chan struct{}),
	}
	l, book := open(t, Config{Addresses: []Address{address("127.0.0.1:0", secure)}, Certificates: c})
	<-c.running
	dial := func(protocol string) *tls.Conn {
		nc, err := tls.Dial("tcp", l.All()[0].Addr().String(), &tls.Config{RootCAs: ca.Pool(), ServerName: "example.com", NextProtos: []string{protocol}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = nc.Close() })
		_ = nc.SetDeadline(time.Now().Add(10 * time.Second)) // only a failing test waits this long
		return nc
	}
	challenge := dial(challengeProtocol)
	if _, err := challenge.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("after a challenge: %v", err)
	}
	client := dial("http/1.1")
	nc, err := l.All()[0].Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if got := nc.RemoteAddr().String(); got != client.LocalAddr().String() {
		t.Errorf("accepted %s, not the client", got)
	}
	if err := l.Reload(); err != nil {
		t.Error(err)
	}
	s := l.Stats()
	if s.Handshakes != 1 || s.HandshakesFailed != 0 || !s.CertificateExpires.Equal(c.expires) || s.ReloadError != nil {
		t.Errorf("%+v, and logged %s", s, book)
	}
	l.Close()
	<-c.ended
}

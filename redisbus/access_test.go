package redisbus_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/bustest"
	"github.com/ignis-go/ignis/internal/longtest"
	"github.com/ignis-go/ignis/internal/redistest"
	"github.com/ignis-go/ignis/redisbus"
)

// roleCalls returns how often ROLE was called according to INFO commandstats.
func roleCalls(info string) int {
	m := regexp.MustCompile(`cmdstat_role:calls=(\d+)`).FindStringSubmatch(info)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	r := redistest.StartWith(t, redistest.Config{Password: "right-s3cret"})
	r.Do("acl", "setuser", "mute", "on", ">s3cret-mute", "+@all", "resetchannels")
	s := redistest.StartSentinel(t, 1)
	for name, test := range map[string]struct{ url, want string }{
		"wrong password":     {"redis://:wrong-s3cret@" + r.Addr(), "WRONGPASS"},
		"no password":        {"redis://" + r.Addr(), "NOAUTH"},
		"database too high":  {r.URL() + "9999", "DB index is out of range"},
		"no subscribing":     {"redis://mute:s3cret-mute@" + r.Addr(), "NOPERM"},
		"no Cluster":         {"redis+cluster://:right-s3cret@" + r.Addr(), "not part of a Cluster"},
		"wrong for Sentinel": {s.URL() + "?sentinel_username=nobody&sentinel_password=s3cret", "WRONGPASS"},
		"wrong for master":   {strings.Replace(s.URL(), "//", "//nobody:s3cret@", 1), "WRONGPASS"},
	} {
		t.Run(name, func(t *testing.T) {
			bus, err := redisbus.New(redisbus.Config{URL: test.url})
			if err != nil {
				t.Fatal(err)
			}
			// Without a refusal this would take the start timeout of 30 seconds.
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			err = bus.Run(ctx, func() { t.Error("ready") }, func(...[]byte) {})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("Run = %v, want an error with %q", err, test.want)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error contains a password: %v", err)
			}
		})
	}
}

func TestUnknownMaster(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t, 1)
	const want = `no master "another"`
	err := failToStart(t, impatient(strings.Replace(s.URL(), redistest.MasterSet, "another", 1)), want)
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Run = %v", err)
	}
}

func TestRefusedEnvelopes(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	r.Do("acl", "setuser", "app", "on", ">secret", "+@all", "resetchannels",
		"&ws:broadcast", "&ws:room:*", "&ws:client:*", "&ws:user:*")
	c := impatient("redis://app:secret@" + r.Addr())
	c.ProbeTimeout = time.Minute // a busy machine is not a dead connection
	n := run(t, c, nil)
	for i := range uint64(3) { // in separate batches
		if err := n.Publish("elsewhere", []byte("x")); err != nil {
			t.Fatal(err)
		}
		redistest.Wait(t, "Redis to refuse", func() bool { return n.Stats().LostRefused == i+1 && n.Health() != nil })
	}
	if err := n.Health(); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("Health = %v, want Redis' refusal", err)
	}
	if got := n.log.Count("refuses envelopes"); got != 1 {
		t.Errorf("logged %d times, want once:\n%s", got, n.log)
	}
	// Redis refuses and accepts alternately, so each refusal is the first of a series. It
	// is logged once, and the others are reported when the bus ends.
	for i := range uint64(5) {
		n.publish("allowed")
		n.next()
		n.healthy()
		if err := n.Publish("elsewhere", []byte("x")); err != nil {
			t.Fatal(err)
		}
		redistest.Wait(t, "Redis to refuse", func() bool { return n.Stats().LostRefused == i+4 && n.Health() != nil })
	}
	exchange(t, "allowed", n, n)
	n.healthy()
	n.balance(2013)
	if s := n.Stats(); s.Reconnects != 0 {
		t.Errorf("a refusal made the bus reconnect: %+v", s)
	}
	n.stop()
	if n.log.Count("refuses envelopes") > 4 || n.log.Count("more=") == 0 {
		t.Errorf("the refusals and the end of the bus logged:\n%s", n.log)
	}
}

func TestUserWithFewRights(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	channels := []string{"resetchannels", "&ws:broadcast", "&ws:room:*", "&ws:client:*", "&ws:user:*"}
	few := append([]string{"acl", "setuser", "few", "on", ">secret", "+publish", "+subscribe", "+psubscribe"}, channels...)
	all := append([]string{"acl", "setuser", "all", "on", ">secret", "+publish", "+subscribe", "+psubscribe", "+ping", "+role", "&ignis:bus:*"}, channels[1:]...)
	r.Do(few...)
	r.Do(all...)
	for user, lines := range map[string]int{"few": 1, "all": 0} {
		n := run(t, impatient("redis://"+user+":secret@"+r.Addr()), nil)
		exchange(t, "few rights", n, n)
		if n.log.Count("\n") != lines {
			t.Errorf("%s: want %d lines in the log:\n%s", user, lines, n.log)
		}
	}
}

func TestSecretsAreNotLogged(t *testing.T) {
	t.Parallel()
	r := redistest.StartWith(t, redistest.Config{Password: "s3cret-word"})
	n := run(t, impatient(r.URL()), nil)
	n.publish("s3cret-payload")
	if text := n.next(); text != "s3cret-payload" {
		t.Fatal(text)
	}
	r.Kill()
	n.down()
	if err := n.Health(); strings.Contains(err.Error(), "s3cret") {
		t.Errorf("Health contains a password: %v", err)
	}
	r.Restart()
	n.healthy()
	n.stop()
	if n.log.Count("lost") == 0 || n.log.Count("s3cret") > 0 {
		t.Errorf("log:\n%s", n.log)
	}
}

func TestOptionIsCopied(t *testing.T) {
	t.Parallel()
	r := redistest.StartWith(t, redistest.Config{Password: "secret"})
	var dials atomic.Int32
	option := &rueidis.ClientOption{
		InitAddress: []string{r.Addr()}, Password: "secret", ClientName: "the program's own", PipelineMultiplex: 3,
		DialCtxFn: func(ctx context.Context, addr string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
			dials.Add(1)
			return d.DialContext(ctx, "tcp", addr)
		},
	}
	c := impatient("")
	c.Option, c.Name = option, "by-option"
	n, ready := launch(t, c, nil)
	option.InitAddress[0], option.Password = "127.0.0.1:1", "changed"
	n.await(ready)
	exchange(t, "option", n, n)
	if got := dials.Load(); got != 2 {
		t.Errorf("the dial function was called %d times, want 2: one connection to publish, one to subscribe", got)
	}
	if list := r.Do("client", "list"); strings.Count(list, "name=by-option") != 2 || strings.Contains(list, "program") {
		t.Errorf("connections:\n%s", list)
	}
	if option.ClientName != "the program's own" || option.PipelineMultiplex != 3 {
		t.Errorf("the program's Option was changed: %+v", option)
	}
}

// If the only address is that of a Cluster node, the bus finds the other nodes.
func TestOptionWithOneClusterNode(t *testing.T) {
	t.Parallel()
	cl := redistest.StartCluster(t)
	c := impatient("")
	c.Option = &rueidis.ClientOption{InitAddress: []string{cl.Nodes[0].Addr()}}
	n := run(t, c, nil)
	cl.Nodes[0].Kill()
	redistest.Wait(t, "the bus to use another node", func() bool {
		s := n.Stats()
		return s.Connected && s.Addr != cl.Nodes[0].Addr()
	})
	exchange(t, "elsewhere", n, n)
}

func TestOldProtocol(t *testing.T) {
	longtest.Mark(t)
	r := redistest.Start(t)
	bus := func(*testing.T) *redisbus.Bus {
		c := impatient("")
		c.Option = &rueidis.ClientOption{InitAddress: []string{r.Addr()}, AlwaysRESP2: true, ForceSingleClient: true}
		b, err := redisbus.New(c)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	bustest.Run(t, func(t *testing.T, nodes int) []ignis.Bus {
		var list []ignis.Bus
		for range nodes {
			list = append(list, bus(t))
		}
		return list
	})
	c := impatient("")
	c.Option = &rueidis.ClientOption{InitAddress: []string{r.Addr()}, AlwaysRESP2: true, ForceSingleClient: true}
	n := run(t, c, nil)
	r.Do("client", "kill", "type", "pubsub")
	redistest.Wait(t, "the bus to reconnect", func() bool { return n.Stats().Reconnects == 1 })
	n.healthy()
	exchange(t, "again", n, n)
	r.Pause()
	n.down()
	r.Resume()
	n.healthy()
	exchange(t, "resumed", n, n)
}

func TestRunTwice(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	n := run(t, impatient(r.URL()), nil)
	if err := n.Run(t.Context(), func() {}, func(...[]byte) {}); err == nil {
		t.Error("a second Run at the same time returned no error")
	}
	n.stop()
	if err := n.Health(); !errors.Is(err, redisbus.ErrNotRunning) {
		t.Errorf("Health after Run = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := n.Run(ctx, cancel, func(...[]byte) {}); err != nil {
		t.Errorf("a second Run afterwards = %v", err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	roots := writeCertificate(t, dir)
	r := redistest.Start(t)
	tlsPort := redistest.FreePort(t)
	for _, set := range [][]string{
		{"tls-cert-file", filepath.Join(dir, "cert.pem")},
		{"tls-key-file", filepath.Join(dir, "key.pem")},
		{"tls-auth-clients", "no"},
	} {
		r.Do("config", "set", set[0], set[1])
	}
	r.Do("config", "set", "tls-port", strconv.Itoa(tlsPort))
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(tlsPort))
	c := impatient("")
	c.Option = &rueidis.ClientOption{InitAddress: []string{addr}, TLSConfig: &tls.Config{RootCAs: roots}}
	n := run(t, c, nil)
	exchange(t, "tls", n, n)
	r.Do("client", "kill", "type", "pubsub")
	redistest.Wait(t, "the bus to reconnect", func() bool { return n.Stats().Reconnects == 1 })
	n.healthy()
	exchange(t, "after reconnecting", n, n)
	// The certificate is verified.
	c = impatient("rediss://" + addr)
	bus, err := redisbus.New(c)
	if err != nil {
		t.Fatal(err)
	}
	err = bus.Run(t.Context(), func() { t.Error("ready with an untrusted certificate") }, func(...[]byte) {})
	if err == nil || !strings.Contains(err.Error(), "refused: ") || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("Run = %v, want an error about the certificate", err)
	}
}

// writeCertificate writes a certificate for 127.0.0.1 to dir and returns a pool that trusts
// it.
func writeCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots := x509.NewCertPool()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(cert)
	return roots
}

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ignis-go/ignis/bench/internal/flood"
	"github.com/ignis-go/ignis/webhook"
)

const attacks = "attacks"

func attacksText(z sizes) string {
	return fmt.Sprintf("%d strangers, %d clients with 10 messages per second each, %v during the attack, %v before and %v after it",
		z.Strangers, z.Visitors, z.Flood, z.Calm, z.Calm)
}

// attackedServer is ignis serve with a configuration file, and what the file refers to.
type attackedServer struct {
	*server
	endpoint *flood.Endpoint
	refusals *refusals
}

// serveAttacked starts ignis serve on both cores, configured for the public internet.
func (t *trial) serveAttacked(ctx context.Context, a flood.Attack, secret string) (s *attackedServer, err error) {
	s = &attackedServer{refusals: new(refusals)}
	if s.endpoint, err = flood.NewEndpoint(); err != nil {
		return nil, err
	}
	file, err := t.writeConfig(a, secret, s.endpoint.URL)
	if err == nil {
		s.server, err = t.startProgram(ctx, s.refusals.read, "--config", file)
	}
	if err != nil {
		s.endpoint.Close()
		return nil, err
	}
	return s, nil
}

// stop shuts the server down, so that it logs what it has held back, and returns the number
// of refusals in its log.
func (s *attackedServer) stop(ctx context.Context) (float64, error) {
	if err := s.signal(syscall.SIGINT); err != nil { // SIGTERM would close the clients gradually
		return 0, err
	}
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-s.done:
		return s.refusals.count(), nil
	case <-timeout.C:
		return 0, errors.New("the server did not shut down")
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

func (s *attackedServer) kill() {
	s.server.kill()
	s.endpoint.Close()
}

// writeConfig writes the configuration of the server, and the files that it names.
func (t *trial) writeConfig(a flood.Attack, secret, endpoint string) (string, error) {
	write := func(name, text string) (string, error) {
		path := filepath.Join(t.dir, name)
		return path, os.WriteFile(path, []byte(text), 0o600)
	}
	key, err := write("secret", secret)
	if err != nil {
		return "", err
	}
	hook, err := write("hook", webhook.NewSecret())
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("listen: 127.0.0.1:0\nproxies: {trusted: 127.0.0.1}\nlog: {level: info, format: json}\n")
	fmt.Fprintf(&b, "webhook: {url: %q, secret_files: %q, authenticate: %t, timeout: 100ms}\n", endpoint+"/hook", hook, a.Webhook)
	if !a.Webhook {
		fmt.Fprintf(&b, "tokens: {secret_file: %q, jwks: [{url: %q, min_refresh: 1s}]}\n", key, endpoint+"/keys")
	}
	if a.Limits != "" {
		fmt.Fprintf(&b, "limits: %s\n", a.Limits)
	}
	b.WriteString(`rooms:
  - {match: "probe-*", join: anyone, send: {events: probe}}
  - {match: "free-*", join: anyone}
  - {match: "quiz-*", join: webhook}
  - {match: void, send: {events: say, from: anyone}}
`)
	if a.TLS {
		cert, key, err := certificate()
		if err != nil {
			return "", err
		}
		certFile, err := write("cert.pem", cert)
		if err != nil {
			return "", err
		}
		keyFile, err := write("key.pem", key)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "tls: {cert_file: %q, key_file: %q}\n", certFile, keyFile)
	}
	return write("ignis.yaml", b.String())
}

// certificate returns a self-signed certificate and its key in PEM format.
func certificate() (cert, key string, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(24 * time.Hour)}
	public, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return "", "", err
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", "", err
	}
	encode := func(kind string, data []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}))
	}
	return encode("CERTIFICATE", public), encode("PRIVATE KEY", text), nil
}

// refusals counts the refusals in the log of a server. A line stands for those that the
// server held back, too.
type refusals struct {
	mu    sync.Mutex
	total float64
}

// refusalMessages are the beginnings of the log messages about something that the server
// did not do for a client.
var refusalMessages = []string{
	"connection refused", "connection closed", "TLS handshake failed", "authentication refused",
	"client rejected", "client refused", "client closed", "client cut off", "client turned away", "join refused",
}

// read counts the refusals that a line of the log, in JSON, reports.
func (r *refusals) read(line string) {
	var entry struct {
		Msg  string
		More float64
		Last any `json:"in_the_last"` // set in lines that only report how many were held back
	}
	if json.Unmarshal([]byte(line), &entry) != nil {
		return
	}
	for _, begin := range refusalMessages {
		if !strings.HasPrefix(entry.Msg, begin) {
			continue
		}
		n := entry.More
		if entry.Last == nil {
			n++
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.total += n
		return
	}
}

func (r *refusals) count() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}

package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/internal/certtest"
	"github.com/ignis-go/ignis/internal/redistest"
)

// diagnosis is the output of ignis doctor --json.
type diagnosis struct {
	OK, Warnings, Failed, Skipped int
	Findings                      []struct{ Check, Status, Text, Advice string }
}

// examine runs ignis doctor --json. It returns its exit code and what it found.
func examine(t *testing.T, settings []string, args ...string) (code int, d diagnosis) {
	t.Helper()
	code, out, errors := ignisRun(t, settings, append([]string{"doctor", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatalf("exit code %d, %v: %s%s", code, err, out, errors)
	}
	if strings.Contains(out+errors, "s3cr3t") || strings.Contains(out+errors, testKey) {
		t.Errorf("a secret is shown: %s%s", out, errors)
	}
	return code, d
}

// has reports whether a check has a finding with the status, and a part of its text or advice.
func (d *diagnosis) has(check, status, part string) bool {
	for _, f := range d.Findings {
		if f.Check == check && f.Status == status && strings.Contains(f.Text+" -> "+f.Advice, part) {
			return true
		}
	}
	return false
}

func (d *diagnosis) want(t *testing.T, check, status, part string) {
	t.Helper()
	if !d.has(check, status, part) {
		t.Errorf("%s is not %s with %q: %+v", check, status, part, d.Findings)
	}
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	r := redistest.StartWith(t, redistest.Config{Password: "s3cr3t"})
	env := []string{"IGNIS_REDIS=" + r.URL(), "IGNIS_JWT_SECRET=" + testKey}
	_, address := serve(t, env, "--prefix", "shop:")
	args := []string{"--prefix", "shop:", "--clients", "10", "--public-url", "ws://" + address + "/ws"}
	code, d := examine(t, env, append(args, "--idle", "100ms")...)
	if code != 0 || d.Failed != 0 || d.OK+d.Warnings+d.Skipped != len(d.Findings) {
		t.Errorf("exit code %d, %+v", code, d)
	}
	d.want(t, "configuration.valid", "ok", "")
	d.want(t, "redis.rights", "ok", "")
	d.want(t, "public.upgrade", "ok", "")
	d.want(t, "public.idle", "ok", "")

	code, out, errors := ignisRun(t, env, append([]string{"doctor"}, args...)...)
	if code != 0 || errors != "" || !strings.Contains(out, "\nredis\n  ok    connect: redis at "+r.Addr()+" answers\n") || !strings.Contains(out, ", 0 failed, ") || strings.Contains(out, "\x1b") {
		t.Errorf("exit code %d: %s%s", code, out, errors)
	}
	r.Kill()
	code, out, errors = ignisRun(t, env, append([]string{"doctor"}, args...)...)
	if code != 1 || !strings.Contains(out, "\n  fail  connect: ") || !strings.HasPrefix(errors, "error: 1 of ") {
		t.Errorf("exit code %d: %s%s", code, out, errors)
	}
}

// Settings that cannot be used are findings, and a wrong command line is a usage error.
func TestDoctorSettings(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "ignis.yaml", "listn: x\nlimits: {max_room: 1}\n")
	code, d := examine(t, nil, "--config", file)
	if code != 1 || d.Failed < 2 {
		t.Errorf("exit code %d, %+v", code, d)
	}
	d.want(t, "configuration.valid", "fail", "ignis.yaml:1:1: listn: unknown key; did you mean listen?")
	d.want(t, "configuration.valid", "fail", "limits.max_room: unknown key")

	code, d = examine(t, nil)
	d.want(t, "configuration.valid", "fail", "no authenticator is configured")
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	code, d = examine(t, []string{"IGNIS_REDIS=redis://u:s3cr3t@h:x"}, "--dev")
	d.want(t, "configuration.valid", "fail", "port")
	if code != 1 {
		t.Errorf("exit code %d", code)
	}

	_, d = examine(t, nil, "--dev", "--max-clients", "7")
	d.want(t, "configuration.limits", "ok", "7 clients")
	_, d = examine(t, nil, "--dev")
	d.want(t, "configuration.limits", "ok", "10000 clients")

	for _, args := range [][]string{
		{"--cleints", "5"},
		{"--clients", "0"},
		{"--config", "/nonexistent.yaml"},
		{"--public-url", "https://h/ws"},
		{"--idle", "90s"},
		{"--public-url", "ws://h/ws", "--token-file", "/nonexistent"},
	} {
		code, out, errors := ignisRun(t, nil, append([]string{"doctor"}, args...)...)
		if code != 2 || out != "" || !strings.HasPrefix(errors, "error: ") {
			t.Errorf("%q: exit code %d: %s%s", args, code, out, errors)
		}
	}
}

// The keys and files of the configuration file are those that are examined.
func TestDoctorConfigFile(t *testing.T) {
	t.Parallel()
	_, cert, key := tlsPair(t)
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	jwt := writeFile(t, "jwt", testKey)
	redis := writeFile(t, "redis", "redis://:s3cr3t@127.0.0.1:1")
	if err := os.Chmod(redis, 0o644); err != nil {
		t.Fatal(err)
	}
	file := writeFile(t, "ignis.yaml", `
listen: ['127.0.0.1:0']
tls: {cert_file: `+cert+`, key_file: `+key+`}
redis: {url_file: `+redis+`}
tokens: {secret_file: `+jwt+`, issuers: [i], audiences: [a]}
limits: {max_clients: 50}
allowed_origins: '*'
`)
	code, d := examine(t, nil, "--config", file, "--clients", "60")
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	d.want(t, "configuration.tokens", "ok", "")
	d.want(t, "configuration.origins", "warn", "any site")
	d.want(t, "configuration.valid", "warn", "--redis-file")
	d.want(t, "configuration.limits", "fail", "limits.max_clients (50)")
	d.want(t, "redis.connect", "fail", "127.0.0.1:1")
	d.want(t, "tls.files", "warn", "private key")
	d.want(t, "tls.names", "ok", "example.com")
	d.want(t, "tokens.files", "ok", jwt)
}

// Through a certificate that only SSL_CERT_FILE trusts, with a token for the idle connection.
func TestDoctorPublicTLS(t *testing.T) {
	t.Parallel()
	ca := certtest.NewAuthority(t, "test")
	cert, key := ca.Issue(t, certtest.Options{Name: "example.com"}).Write(t, t.TempDir())
	_, address := serveTLS(t, cert, key, nil, "--jwt-secret-file", secretFile(t))
	env := []string{
		"SSL_CERT_FILE=" + writeFile(t, "ca", string(ca.PEM)), "IGNIS_JWT_SECRET=" + strings.Repeat("x", 32),
		"IGNIS_TOKEN=" + sign(t, testKey, map[string]any{"sub": "ann", "exp": inAnHour()}),
	}
	args := []string{"--clients", "10", "--public-url", "wss://" + address + "/ws", "--idle", "50ms", "--tls-cert", cert, "--tls-key", key}
	code, d := examine(t, env, args...)
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, check := range []string{"tls.chain", "public.tls", "public.certificate", "public.upgrade", "public.origin", "public.proxy", "public.idle"} {
		d.want(t, check, "ok", "")
	}
	code, d = examine(t, slices.Delete(env, 2, 3), args...) // the secret is another one
	d.want(t, "public.idle", "fail", "must be those of the running server")
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
}

// Through HAProxy, with a timeout for silent connections that is too short.
func TestDoctorHAProxy(t *testing.T) {
	t.Parallel()
	program(t, "haproxy")
	ca, pem := proxyPEM(t)
	_, address := serve(t, nil, "--trusted-proxies", "127.0.0.1", "--jwt-secret-file", secretFile(t))
	f := haproxy(t, 0, ca, "8080", [2]string{address, address}, "/etc/haproxy/example.pem", pem, "timeout tunnel 90s", "timeout tunnel 2s")
	env := []string{"SSL_CERT_FILE=" + writeFile(t, "ca", string(ca.PEM))}
	args := []string{"--clients", "10", "--trusted-proxies", "127.0.0.1", "--jwt-secret-file", secretFile(t), "--public-url", "wss://" + f.address + "/ws", "--idle", "1m"}
	code, d := examine(t, env, args...)
	if code != 1 || d.Failed != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, check := range []string{"configuration.proxies", "public.tls", "public.upgrade", "public.origin", "public.proxy"} {
		d.want(t, check, "ok", "")
	}
	d.want(t, "public.idle", "fail", "timeout tunnel of HAProxy")
}

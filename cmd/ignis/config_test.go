package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ignisRun runs a command to its end and returns its exit code and output.
func ignisRun(t *testing.T, settings []string, args ...string) (code int, out, errors string) {
	t.Helper()
	p := start(t, settings, args...)
	code = p.wait()
	return code, p.lines.text(), p.errors.text()
}

func TestConfigCheck(t *testing.T) {
	t.Parallel()
	secret := writeFile(t, "jwt", testKey+"\n")
	for name, test := range map[string]struct {
		file   string
		env    []string
		code   int
		errors []string
	}{
		"valid":              {"tokens: {secret_file: " + secret + "}", nil, 0, nil},
		"nothing configured": {"path: /ws", nil, 2, []string{"error: no authenticator is configured"}},
		"several problems": {
			"listn: ':1'\nlimits:\n  max_room: 1\n", nil, 2,
			[]string{"ignis.yaml:1:1: listn: unknown key; did you mean listen?\n", "ignis.yaml:3:3: limits.max_room: unknown key; did you mean limits.max_rooms?\n", "hint: "},
		},
		"file that is missing": {"tokens: {secret_file: /nonexistent/jwt}", nil, 2, []string{"ignis.yaml:1:10: tokens.secret_file: open /nonexistent/jwt: "}},
		"contradiction":        {"tokens: {secret_file: " + secret + "}\ndev: true", nil, 2, []string{"a JWT secret is configured"}},
		"password in the file": {"redis: {url: 'redis://:s3cr3t@h'}", nil, 2, []string{"ignis.yaml:1:9: redis.url: the URL contains a password"}},
		"two URLs":             {"tokens: {secret_file: " + secret + "}\nredis: {url: 'redis://h', url_file: /x}", nil, 2, []string{"redis.url and redis.url_file are both set"}},
		"secret in the file":   {"tokens: {secret: s3cr3t}", nil, 2, []string{"ignis.yaml:1:10: tokens.secret: write the secret to a file"}},
		"variable":             {"path: /x", []string{"IGNIS_JWT_SECRET=" + testKey}, 0, nil},
		"number as a duration": {
			"tokens: {secret_file: " + secret + "}\nlimits: {auth_timeout: 5}", nil, 2,
			[]string{`ignis.yaml:2:24: limits.auth_timeout: expected a positive duration such as 500ms, 30s or 2m, but got "5"`},
		},
		"JWK set without TLS": {
			"tokens: {jwks: ['http://id.example/jwks.json']}", nil, 2,
			[]string{`ignis.yaml:1:10: tokens.jwks: the URL "http://id.example/jwks.json" must be https`},
		},
		"public key as a secret": {
			"tokens: {secret_file: " + writeFile(t, "public.pem", "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQ==\n-----END PUBLIC KEY-----\n") + "}", nil, 2,
			[]string{"is not an HMAC secret", "--jwt-public-key-file names public keys"},
		},
		"unknown variable": {"path: /x", []string{"IGNIS_MAXROOMS=s3cr3t"}, 2, []string{"IGNIS_MAXROOMS is unknown; did you mean IGNIS_MAX_ROOMS?"}},
		"a Service's variables": {
			"tokens: {secret_file: " + secret + "}",
			[]string{"IGNIS_PORT=tcp://10.0.0.1:80", "IGNIS_SERVICE_HOST=10.0.0.1", "IGNIS_SERVICE_PORT=80", "IGNIS_PORT_80_TCP_ADDR=10.0.0.1"},
			0, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := writeFile(t, "ignis.yaml", test.file)
			code, out, errors := ignisRun(t, test.env, "config", "check", "--config", file)
			if code != test.code || (code == 0) != (out == file+": ok\n") {
				t.Errorf("exit code %d, output %q", code, out)
			}
			for _, want := range test.errors {
				if !strings.Contains(errors, want) {
					t.Errorf("no %q in %s", want, errors)
				}
			}
			if strings.Contains(errors, "s3cr3t") {
				t.Errorf("the secret is in %s", errors)
			}
			if code != 0 { // serve says the same
				if served, _, same := ignisRun(t, test.env, "serve", "--config", file); served != code || same != errors {
					t.Errorf("ignis serve: exit code %d, %s", served, same)
				}
			}
		})
	}
	if code, _, errors := ignisRun(t, []string{"IGNIS_CONFIG=/nonexistent.yaml"}, "config", "check"); code != 2 || !strings.Contains(errors, "error: --config: open /nonexistent.yaml") {
		t.Errorf("a file that is missing: %d, %s", code, errors)
	}
}

func TestConfigShow(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "ignis.yaml", "limits:\n  max_rooms: 5\n  max_payload: 64KiB\n")
	env := []string{"IGNIS_JWT_SECRET=" + testKey, "IGNIS_REDIS=redis://u:s3cr3t@h:1/2", "IGNIS_CONFIG=" + file}
	code, out, errors := ignisRun(t, env, "config", "show", "--max-payload", "1MiB")
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, errors)
	}
	shown := make(map[string]string)
	for line := range strings.Lines(out) {
		setting, comment, _ := strings.Cut(strings.TrimSpace(line), "  # ")
		shown[strings.TrimSpace(setting)] = comment
	}
	for setting, comment := range map[string]string{
		"max_rooms: 5": file + ":2", "max_payload: 1MiB": "flag --max-payload", "# secret: (hidden)": "variable IGNIS_JWT_SECRET",
		"# url: redis://(hidden)@h:1/2": "variable IGNIS_REDIS", "idle_timeout: 1m": "default", "max_clients: auto": "default",
		"default_rooms: [ws-default, ws-notification]": "default", `listen: ["127.0.0.1:8080"]`: "default",
	} {
		if shown[setting] != comment {
			t.Errorf("%s comes from %q, want %q, in\n%s", setting, shown[setting], comment, out)
		}
	}
	if strings.Contains(out, "s3cr3t") || strings.Contains(out, testKey) {
		t.Error("a secret is shown")
	}
	code, out, _ = ignisRun(t, env, "config", "show", "--json")
	if code != 0 || !strings.Contains(out, `{"key":"limits.max_payload","value":"64KiB","source":"file","from":"`+file+`:3"}`) || strings.Contains(out, "s3cr3t") {
		t.Errorf("exit code %d: %s", code, out)
	}
	// What is shown is a file with the same meaning.
	again := writeFile(t, "again.yaml", strings.Join(strings.Split(func() string { _, out, _ := ignisRun(t, env, "config", "show"); return out }(), "\n"), "\n"))
	if code, _, errors := ignisRun(t, []string{"IGNIS_JWT_SECRET=" + testKey}, "config", "check", "--config", again); code != 0 {
		t.Errorf("the output is not a valid file: %s", errors)
	}
}

func TestConfigSchema(t *testing.T) {
	t.Parallel()
	code, out, _ := ignisRun(t, nil, "config", "schema")
	if code != 0 || out != string(settingsModel(t).Schema("Configuration of ignis serve")) {
		t.Errorf("exit code %d: %s", code, out)
	}
}

// replace replaces a file in one step.
func replace(t *testing.T, file, text string) {
	t.Helper()
	next := filepath.Join(filepath.Dir(file), "next")
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, file); err != nil {
		t.Fatal(err)
	}
}

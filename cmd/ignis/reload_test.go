package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/ignis-go/ignis/client"
	"github.com/ignis-go/ignis/internal/childproc"
)

// tokenFor returns the credentials of a user.
func tokenFor(t *testing.T, key, user string) map[string]string {
	t.Helper()
	return map[string]string{"token": sign(t, key, map[string]any{"sub": user, "exp": inAnHour(), "rooms": []string{"*"}})}
}

// accepted reports whether the server at address accepts credentials.
func accepted(t *testing.T, address string, credentials any) bool {
	t.Helper()
	c, err := client.Dial(withTimeout(t), "ws://"+address+"/ws", client.Config{Credentials: credentials})
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

// alive fails the test unless a client that connected earlier is still being served.
func alive(t *testing.T, c *client.Conn) {
	t.Helper()
	if _, err := c.Join(withTimeout(t), "lobby"); err != nil {
		t.Errorf("a client that connected before the reload: %v", err)
	}
	if err := c.Leave(withTimeout(t), "lobby"); err != nil {
		t.Errorf("a client that connected before the reload: %v", err)
	}
}

// On SIGHUP the file, and those that it names, are read again. Clients stay connected.
func TestReload(t *testing.T) {
	t.Parallel()
	secret := writeFile(t, "jwt", testKey)
	file := writeFile(t, "ignis.yaml", "tokens: {secret_file: "+secret+"}\nlog: {level: info}\n")
	p, address := serve(t, nil, "--config", file)
	c := dial(t, address, tokenFor(t, testKey, "ann"))
	hangup := func() string {
		t.Helper()
		p.signal(syscall.SIGHUP)
		return p.logged("reload")
	}

	// An origin that was refused is allowed.
	origin := append(slices.Clone(upgrade), "Origin", "https://app.example")
	if code := handshake(t, "http://"+address+"/ws", origin...); code != 403 {
		t.Errorf("before: %d", code)
	}
	replace(t, file, "tokens: {secret_file: "+secret+"}\nlog: {level: info}\nallowed_origins: [https://app.example]\n")
	if line := hangup(); !strings.Contains(line, "level=INFO") || !strings.Contains(line, "changed=allowed_origins") {
		t.Errorf("logged %s", line)
	}
	if code := handshake(t, "http://"+address+"/ws", origin...); code == 403 {
		t.Error("the origin is still refused")
	}
	alive(t, c)

	// The secret is replaced.
	other := strings.Repeat("other", 8)
	replace(t, secret, other)
	hangup()
	if accepted(t, address, tokenFor(t, testKey, "ben")) || !accepted(t, address, tokenFor(t, other, "ben")) {
		t.Error("the secret has not been replaced")
	}
	alive(t, c)

	// A file with errors, or that names a file with errors, changes nothing.
	for _, bad := range []string{"tokens: {secret_fil: x}", "tokens: {secret_file: /nonexistent}", "a: [", "limits: {max_rooms: 0}"} {
		replace(t, file, bad)
		if line := hangup(); !strings.Contains(line, "level=ERROR") || !strings.Contains(line, "ignis.yaml:1:") {
			t.Errorf("%s: logged %s", bad, line)
		}
		if code := handshake(t, "http://"+address+"/ws", origin...); code == 403 || !accepted(t, address, tokenFor(t, other, "ben")) {
			t.Errorf("%s: the configuration has changed", bad)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if line := hangup(); !strings.Contains(line, "level=ERROR") {
		t.Errorf("without the file: logged %s", line)
	}

	// A setting that cannot change is named, and the others change.
	replace(t, file, "tokens: {secret_file: "+secret+"}\npath: /other\nlog: {level: warn}\n")
	p.signal(syscall.SIGHUP)
	if line := p.logged("cannot change while the server runs"); !strings.Contains(line, "key=path") {
		t.Errorf("logged %s", line)
	}
	if code := handshake(t, "http://"+address+"/ws", origin...); code != 403 {
		t.Errorf("the origin is still allowed: %d", code)
	}
	alive(t, c)
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// A change of the file takes effect without a signal, even through the symbolic links of
// Kubernetes.
func TestFileChanges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	version := func(name, text string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "ignis.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(name, filepath.Join(dir, "next")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	version("..1", "path: /ws\n")
	file := filepath.Join(dir, "ignis.yaml")
	if err := os.Symlink(filepath.Join("..data", "ignis.yaml"), file); err != nil {
		t.Fatal(err)
	}
	p, address := serve(t, []string{"IGNIS_JWT_SECRET=" + testKey}, "--config", file)
	c := dial(t, address, tokenFor(t, testKey, "ann"))
	version("..2", "path: /ws\nallowed_origins: '*'\n")
	if line := p.logged("configuration reloaded"); !strings.Contains(line, "changed=allowed_origins") || !strings.Contains(line, "the file has changed") {
		t.Errorf("logged %s", line)
	}
	version("..3", "pth: /ws\n")
	if line := p.logged("could not reload"); !strings.Contains(line, "did you mean path?") {
		t.Errorf("logged %s", line)
	}
	if code := handshake(t, "http://"+address+"/ws", append(slices.Clone(upgrade), "Origin", "https://app.example")...); code == 403 {
		t.Error("the origin is refused")
	}
	alive(t, c)
}

// SIGHUP does not end a server without a file, nor one that was started by nohup.
func TestHangup(t *testing.T) {
	t.Parallel()
	p, address := serve(t, []string{"IGNIS_JWT_SECRET=" + testKey})
	c := dial(t, address, tokenFor(t, testKey, "ann"))
	p.signal(syscall.SIGHUP)
	p.logged("configuration reloaded")
	alive(t, c)

	for _, args := range [][]string{{"serve", "--dev", "--listen", "127.0.0.1:0"}, {"listen", "ws://" + address + "/ws", "--token", tokenFor(t, testKey, "ben")["token"], "--all"}} {
		p := startCommand(t, nil, childproc.Command("sh", append([]string{"-c", `trap "" HUP; exec ignis "$@"`, "sh"}, args...)...))
		p.line()
		p.signal(syscall.SIGHUP)
		p.signal(syscall.SIGHUP)
		p.signal(syscall.SIGTERM)
		if code := p.wait(); code != 0 || strings.Contains(p.errors.text(), "reload") {
			t.Errorf("%s: exit code %d\n%s", args[0], code, p.errors.text())
		}
	}
	// It ends other commands.
	p = start(t, nil, "listen", "ws://"+address+"/ws", "--token", tokenFor(t, testKey, "ben")["token"], "--all")
	p.line()
	p.signal(syscall.SIGHUP)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// Limits change on SIGHUP, also for clients that are connected.
func TestReloadOfLimits(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "ignis.yaml", "limits: {max_rooms: 1}\n")
	p, address := serve(t, []string{"IGNIS_JWT_SECRET=" + testKey}, "--config", file)
	c := dial(t, address, tokenFor(t, testKey, "ann"))
	if !joins(t, c, "a") || joins(t, c, "b") {
		t.Error("the limit of the file is not in effect")
	}
	replace(t, file, "limits: {max_rooms: 2, max_payload: 1KiB}\n")
	p.signal(syscall.SIGHUP)
	if line := p.logged("cannot change while the server runs"); !strings.Contains(line, "key=limits.max_payload") {
		t.Errorf("logged %s", line)
	}
	if line := p.logged("configuration reloaded"); !strings.Contains(line, "changed=limits.max_rooms") {
		t.Errorf("logged %s", line)
	}
	if !joins(t, c, "b") || joins(t, c, "c") {
		t.Error("the limit has not changed")
	}
}

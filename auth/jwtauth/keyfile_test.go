package jwtauth

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// running runs the verifier until the test ends, or stop is called.
func running(t *testing.T, v *Verifier) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := v.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return func() { cancel(); wg.Wait() }
}

// accepts reports whether the verifier accepts a token of s.
func accepts(t *testing.T, v *Verifier, s *signer) bool {
	t.Helper()
	_, err := v.Verify(t.Context(), s.sign(t, goodClaims))
	return err == nil
}

// A file takes effect when it has been the same for two polls, however it is changed.
func TestKeyFileChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		name := filepath.Join(dir, "keys.pem")
		one, two, three := newSigner(t, "", "ES256"), newSigner(t, "", "ES256"), newSigner(t, "", "EdDSA")
		write(t, name, one.pem(t))
		var log bytes.Buffer
		v := verifierFor(t, Config{KeyFiles: []KeyFile{{Name: name}}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		defer running(t, v)()
		polls := func(n int) {
			time.Sleep(time.Duration(n)*time.Second + time.Millisecond)
			synctest.Wait()
		}
		check := func(what string, want ...*signer) {
			t.Helper()
			for _, s := range []*signer{one, two, three} {
				wanted := false
				for _, w := range want {
					wanted = wanted || w == s
				}
				if accepts(t, v, s) != wanted {
					t.Errorf("%s: a token is accepted: %v", what, !wanted)
				}
			}
		}
		check("at first", one)
		write(t, name, one.pem(t)+two.pem(t)) // rotation: both for a while
		polls(1)
		check("after one poll", one)
		polls(1)
		check("after two polls", one, two)

		write(t, name, two.pem(t)[:60]) // still being written
		polls(1)
		write(t, name, two.pem(t))
		polls(1)
		check("half a file was there for one poll", one, two)
		polls(1)
		check("the whole file", two)

		write(t, name, "garbage")
		polls(3)
		check("garbage", two)
		if st := v.Status()[0]; st.Err == nil || st.Failures != 1 || st.Keys != 1 {
			t.Errorf("garbage: %+v", st)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		polls(3)
		check("removed", two)
		write(t, name, two.pem(t))
		polls(2)
		if st := v.Status()[0]; st.Err != nil || st.Failures != 2 {
			t.Errorf("back again: %+v", st)
		}
		write(t, filepath.Join(dir, "new"), three.pem(t))
		if err := os.Rename(filepath.Join(dir, "new"), name); err != nil {
			t.Fatal(err)
		}
		polls(2)
		check("replaced", three)

		write(t, name, one.pem(t))
		if err := v.Reload(t.Context()); err != nil {
			t.Errorf("Reload: %v", err)
		}
		check("Reload", one)
		write(t, name, "garbage")
		if err := v.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Reload of garbage: %v", err)
		}
		check("Reload of garbage", one)
		if n := strings.Count(log.String(), "\n"); n > 12 {
			t.Errorf("%d lines were logged:\n%s", n, &log)
		}
		if strings.Contains(log.String(), "MFkw") {
			t.Errorf("a key was logged:\n%s", &log)
		}
	})
}

// Kubernetes mounts a secret as links to files in a folder that is itself a link, and
// replaces that one.
func TestKeyFileOfKubernetes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		one, two := newSigner(t, "", "HS256"), newSigner(t, "", "HS256")
		mount := func(version string, s *signer) {
			folder := filepath.Join(dir, version)
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(folder, "secret"), string(s.secret))
			if err := os.Symlink(version, filepath.Join(dir, "..tmp")); err != nil {
				t.Skip(err)
			}
			if err := os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")); err != nil {
				t.Fatal(err)
			}
		}
		mount("..1", one)
		name := filepath.Join(dir, "secret")
		if err := os.Symlink(filepath.Join("..data", "secret"), name); err != nil {
			t.Skip(err)
		}
		v := verifierFor(t, Config{KeyFiles: []KeyFile{{Name: name, Secret: true}}})
		defer running(t, v)()
		mount("..2", two)
		if err := os.RemoveAll(filepath.Join(dir, "..1")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2*time.Second + time.Millisecond)
		synctest.Wait()
		if accepts(t, v, one) || !accepts(t, v, two) {
			t.Error("the new secret is not used")
		}
	})
}

func TestSecretFile(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		testKey:               testKey,
		testKey + "\n":        testKey,
		testKey + "\r\n":      testKey,
		testKey + "\n\n":      testKey + "\n",
		testKey + " ":         testKey + " ",
		"\n" + testKey + "\r": "\n" + testKey,
	} {
		name := filepath.Join(dir, "secret")
		write(t, name, text)
		v := verifierFor(t, Config{KeyFiles: []KeyFile{{Name: name, Secret: true}}})
		if !accepts(t, v, &signer{alg: "HS256", secret: []byte(want)}) {
			t.Errorf("%q: another secret was read", text)
		}
	}
}

func TestKeyFileErrors(t *testing.T) {
	dir := t.TempDir()
	ec := newSigner(t, "", "ES256")
	for name, test := range map[string]struct {
		text   string
		file   KeyFile
		reason string
	}{
		"a short secret":         {"short", KeyFile{Secret: true}, "a secret of 5 bytes is too short"},
		"empty":                  {"", KeyFile{Secret: true}, "needs a Secret"},
		"no keys":                {"", KeyFile{}, "it is empty"},
		"a public key as secret": {ec.pem(t), KeyFile{Secret: true}, "is not an HMAC secret"},
		"a secret as public key": {testKey, KeyFile{}, "expected PEM"},
		"too large":              {strings.Repeat("x", maxKeyFile+1), KeyFile{Secret: true}, "larger than 262144 bytes"},
		"other algorithms":       {ec.pem(t), KeyFile{Algorithms: []string{"RS256"}}, "a P-256 key cannot be used with RS256 only"},
		"an unknown algorithm":   {ec.pem(t), KeyFile{Algorithms: []string{"es256"}}, `"es256" is not supported`},
	} {
		test.file.Name = filepath.Join(dir, "keys")
		write(t, test.file.Name, test.text)
		_, err := New(Config{KeyFiles: []KeyFile{test.file}})
		if err == nil || !strings.Contains(err.Error(), test.reason) || !strings.Contains(err.Error(), test.file.Name) {
			t.Errorf("%s: %v, want %q", name, err, test.reason)
		}
	}
	if _, err := New(Config{KeyFiles: []KeyFile{{Name: filepath.Join(dir, "missing")}}}); err == nil {
		t.Error("a missing file is no error")
	}
	if _, err := New(Config{KeyFiles: []KeyFile{{Name: dir}}}); err == nil {
		t.Error("a folder is no error")
	}
}

// The options of a file apply to its keys.
func TestKeyFileOptions(t *testing.T) {
	name := filepath.Join(t.TempDir(), "keys")
	s, named := newSigner(t, "", "RS256"), newSigner(t, "2", "ES256")
	write(t, name, jwks(s.jwk(), named.jwk()))
	v := verifierFor(t, Config{KeyFiles: []KeyFile{{Name: name, ID: "1", Algorithms: []string{"PS256", "ES256"}}}})
	one := s.with("PS256")
	one.id = "1"
	if !accepts(t, v, one) || !accepts(t, v, named) {
		t.Error("the keys are not accepted")
	}
	if accepts(t, v, one.with("RS256")) {
		t.Error("an algorithm that is not listed is accepted")
	}
	one.id = "other"
	if accepts(t, v, one) {
		t.Error("another ID is accepted")
	}
	long := newSigner(t, "", "HS512")
	write(t, name, string(long.secret)+"\n")
	v = verifierFor(t, Config{KeyFiles: []KeyFile{{Name: name, Secret: true, Algorithms: []string{"HS512"}}}})
	if !accepts(t, v, long) || accepts(t, v, long.with("HS256")) {
		t.Error("a secret for HS512")
	}
}

func TestSetKeys(t *testing.T) {
	one, two, file := newSigner(t, "", "HS256"), newSigner(t, "", "ES256"), newSigner(t, "", "EdDSA")
	name := filepath.Join(t.TempDir(), "keys.pem")
	write(t, name, file.pem(t))
	v := verifierFor(t, Config{Secret: one.secret, KeyFiles: []KeyFile{{Name: name}}})
	if !accepts(t, v, one) || accepts(t, v, two) || !accepts(t, v, file) {
		t.Error("wrong at first")
	}
	if err := v.SetKeys([]Key{two.public(), {}}); err == nil || !strings.Contains(err.Error(), "key 2") {
		t.Errorf("an invalid key: %v", err)
	}
	if !accepts(t, v, one) || accepts(t, v, two) {
		t.Error("an invalid key changed something")
	}
	if err := v.SetKeys([]Key{two.public()}); err != nil {
		t.Fatal(err)
	}
	if accepts(t, v, one) || !accepts(t, v, two) || !accepts(t, v, file) {
		t.Error("SetKeys: wrong keys")
	}
}

// Tokens are verified while keys are swapped: each with the old keys or the new ones.
func TestSwapWhileVerifying(t *testing.T) {
	both, one, two := newSigner(t, "", "HS256"), newSigner(t, "1", "HS256"), newSigner(t, "2", "HS256")
	v := verifierFor(t, Config{Keys: []Key{both.public(), one.public()}})
	token := both.sign(t, goodClaims)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := v.Verify(t.Context(), token); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 500 {
		if err := v.SetKeys([]Key{both.public(), []*signer{one, two}[i%2].public()}); err != nil {
			t.Error(err)
		}
	}
	close(done)
	wg.Wait()
}

// New returns an error, and does not also log it.
func TestNewDoesNotLog(t *testing.T) {
	var log bytes.Buffer
	name := filepath.Join(t.TempDir(), "keys")
	write(t, name, "garbage")
	if _, err := New(Config{KeyFiles: []KeyFile{{Name: name}}, Logger: slog.New(slog.NewTextHandler(&log, nil))}); err == nil {
		t.Error("garbage is accepted")
	}
	if log.Len() > 0 {
		t.Errorf("logged %s", &log)
	}
}

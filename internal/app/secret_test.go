package app

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestSecretFile(t *testing.T) {
	const max = 64 << 10
	secret := strings.Repeat("s", 32)
	for name, test := range map[string]struct {
		content string
		key     string
		want    string // secret; "" for an error
	}{
		"bare":            {secret, "", secret},
		"a line":          {secret + "\n", "", secret},
		"a DOS line":      {secret + "\r\n", "", secret},
		"an empty line":   {secret + "\n\n", "", secret + "\n"},
		"blanks":          {" " + secret + " \n", "", " " + secret + " "},
		"short":           {secret[1:] + "\n", "", ""},
		"empty":           {"", "", ""},
		"large":           {strings.Repeat("s", max) + "\r\n", "", strings.Repeat("s", max)},
		"too large":       {strings.Repeat("s", max+1), "", ""},
		"much too large":  {strings.Repeat("s", 2*max), "", ""},
		"besides another": {secret, secret, ""},
	} {
		c := Config{JWTSecretFile: filepath.Join(t.TempDir(), "secret"), JWTSecret: []byte(test.key)}
		if err := os.WriteFile(c.JWTSecretFile, []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := c.secret(slog.New(slog.DiscardHandler))
		if string(got) != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s: %.40q, %v", name, got, err)
		}
	}
}

func TestSecretFileThatEveryoneCanRead(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such permissions")
	}
	for mode, warns := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o604: true, 0o644: true} {
		c := Config{JWTSecretFile: filepath.Join(t.TempDir(), "secret")}
		if err := os.WriteFile(c.JWTSecretFile, []byte(strings.Repeat("s", 32)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(c.JWTSecretFile, mode); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		if _, err := c.secret(textLogger(&log)); err != nil {
			t.Error(err)
		}
		if got := strings.Contains(log.String(), "every user of this machine can read the JWT secret"); got != warns {
			t.Errorf("mode %#o: warned %v, want %v", mode, got, warns)
		}
		if strings.Contains(log.String(), "sss") {
			t.Error("the secret is in the log")
		}
	}
}

package app

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/webhook"
)

func TestSecretFile(t *testing.T) {
	const max = 64 << 10
	secret := strings.Repeat("s", 32)
	for name, test := range map[string]struct {
		content string
		want    bool
	}{
		"bare":           {secret, true},
		"a line":         {secret + "\n", true},
		"a DOS line":     {secret + "\r\n", true},
		"an empty line":  {secret + "\n\n", true},
		"blanks":         {" " + secret + " \n", true},
		"short":          {secret[1:] + "\n", false},
		"empty":          {"", false},
		"large":          {strings.Repeat("s", max) + "\r\n", true},
		"too large":      {strings.Repeat("s", max+1), false},
		"much too large": {strings.Repeat("s", 5*max), false},
	} {
		c := production()
		c.JWTSecret, c.JWTSecretFile = nil, filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(c.JWTSecretFile, []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(c); (err == nil) != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSecretFileThatEveryoneCanRead(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such permissions")
	}
	for mode, warns := range map[os.FileMode]bool{0o600: false, 0o640: false, 0o604: true, 0o644: true} {
		c := production()
		c.JWTSecret, c.JWTSecretFile = nil, filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(c.JWTSecretFile, []byte(strings.Repeat("s", 32)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(c.JWTSecretFile, mode); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		c.Server.Logger = textLogger(&log)
		if _, err := New(c); err != nil {
			t.Error(err)
		}
		if got := strings.Contains(log.String(), "every user of this machine can read the secret"); got != warns {
			t.Errorf("mode %#o: warned %v, want %v", mode, got, warns)
		}
		if strings.Contains(log.String(), "sss") {
			t.Error("the secret is in the log")
		}
		log.Reset()
		c = withWebhook(t, webhook.NewSecret())
		c.Server.Logger = textLogger(&log)
		if err := os.Chmod(c.Webhook.SecretFiles[0], mode); err != nil {
			t.Fatal(err)
		}
		if _, err := New(c); err != nil {
			t.Error(err)
		}
		if got := strings.Contains(log.String(), "every user of this machine can read a secret of the webhook"); got != warns {
			t.Errorf("mode %#o of the webhook's secret: warned %v, want %v", mode, got, warns)
		}
	}
}

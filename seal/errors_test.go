package seal_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/ignis-go/ignis/seal"
)

// Errors describe what is wrong with the data without including the data.
func TestErrorsSayWhatIsWrong(t *testing.T) {
	key, _ := pair(t, "")
	iv, ct := parts(t, key.AppendData(nil, nil, nil))
	for data, want := range map[string]string{
		`[]`:                                  "not an object",
		`null`:                                "not an object",
		`{`:                                   "not an object",
		`{"ct":"x"}`:                          `no string "iv"`,
		`{"iv":"x","ct":5}`:                   `no string "ct"`,
		string(sealed(nil, ct)):               "iv is not 12 bytes",
		string(sealed(iv[:11], ct)):           "iv is not 12 bytes",
		string(sealed(append(iv, iv...), ct)): "iv is not 12 bytes",
		`{"iv":"????????????????","ct":""}`:   "iv is not 12 bytes",
		string(sealed(iv, ct[:15])):           "ct is not 16 bytes or more",
		`{"iv":"` + b64(iv) + `","ct":"????????????????????????"}`: "ct is not 16 bytes or more",
	} {
		if _, err := key.Open(nil, json.RawMessage(data), nil); !errors.Is(err, seal.ErrSealed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", data, err, want)
		}
	}
	for text, want := range map[string]string{
		"x":                           "1 characters of base64, want 88",
		strings.Repeat("!", 88):       "malformed base64",
		b64(make([]byte, 65)):         "not an uncompressed point on the curve",
		b64(make([]byte, 66)):         "66 bytes, want 65",
		strings.Repeat("\n", 87) + "": "87 characters",
	} {
		if _, err := seal.ParsePublicKey(text); !errors.Is(err, seal.ErrPublicKey) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// A key pair on another curve is rejected.
func TestAnotherCurve(t *testing.T) {
	own, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	peer, _ := seal.NewPrivateKey()
	if b, err := seal.SharedSecret(own, peer.PublicKey()); err == nil || b != nil {
		t.Errorf("%x, %v", b, err)
	}
	if k, err := seal.Complete(own, seal.PublicKey(peer), b64(make([]byte, seal.SaltSize)), ""); err == nil || k != nil {
		t.Errorf("%v, %v", k, err)
	}
}

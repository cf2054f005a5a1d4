package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// The headers of the specification. HTTP ignores their case.
const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
)

const (
	secretPrefix = "whsec_"
	// symmetric is the prefix of signatures with HMAC-SHA256.
	symmetric = "v1,"

	// The specification's limits for the number of bytes that a secret encodes.
	minSecret, maxSecret = 24, 64
	newSecret            = 32
)

// NewSecret returns a random secret, whsec_ followed by 32 bytes in base64.
func NewSecret() string {
	secret := make([]byte, newSecret)
	_, _ = rand.Read(secret) // never fails
	return secretPrefix + base64.StdEncoding.EncodeToString(secret)
}

// keys are decoded secrets.
type keys [][]byte

// parseSecrets decodes secrets. Its errors contain nothing of them.
func parseSecrets(secrets []string) (keys, error) {
	if len(secrets) == 0 {
		return nil, errors.New("Secrets is empty: it needs at least one, such as the result of NewSecret")
	}
	var ks keys
	for i, secret := range secrets {
		text, ok := strings.CutPrefix(secret, secretPrefix)
		if !ok {
			return nil, fmt.Errorf("Secrets[%d] does not begin with %s: it must be in the format of the Standard Webhooks specification", i, secretPrefix)
		}
		// The specification's own libraries accept secrets without padding, too.
		key, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
		if err != nil || strings.ContainsAny(text, "\r\n") {
			return nil, fmt.Errorf("Secrets[%d] is not base64 after %s: remove line ends, spaces and quotes", i, secretPrefix)
		}
		if len(key) < minSecret || len(key) > maxSecret {
			return nil, fmt.Errorf("Secrets[%d] encodes %d bytes, and must encode %d to %d", i, len(key), minSecret, maxSecret)
		}
		ks = append(ks, key)
	}
	return ks, nil
}

// sign returns the value of the header webhook-signature: a signature with each key, so
// that receivers that know only the old or only the new one accept the request.
func (ks keys) sign(id, timestamp string, body []byte) string {
	var b strings.Builder
	for i, key := range ks {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(symmetric)
		b.WriteString(base64.StdEncoding.EncodeToString(mac(key, id, timestamp, body)))
	}
	return b.String()
}

// verify reports whether one of the signatures in a header is valid with one of the keys.
// Signatures of unknown versions are ignored.
func (ks keys) verify(header, id, timestamp string, body []byte) bool {
	var signatures [][]byte
	for text := range strings.SplitSeq(header, " ") {
		text, ok := strings.CutPrefix(text, symmetric)
		if !ok || len(text) != base64.StdEncoding.EncodedLen(sha256.Size) {
			continue
		}
		if signature, err := base64.StdEncoding.Strict().DecodeString(text); err == nil {
			signatures = append(signatures, signature)
		}
	}
	if len(signatures) == 0 {
		return false
	}
	for _, key := range ks {
		want := mac(key, id, timestamp, body)
		for _, signature := range signatures {
			if hmac.Equal(signature, want) {
				return true
			}
		}
	}
	return false
}

// mac returns the HMAC of what the specification signs.
func mac(key []byte, id, timestamp string, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(id + "." + timestamp + "."))
	h.Write(body)
	return h.Sum(nil)
}

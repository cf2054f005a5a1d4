package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

// The headers that the specification defines, in canonical form.
const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
)

const (
	secretPrefix = "whsec_"
	// symmetric is the prefix of signatures with HMAC-SHA256.
	symmetric = "v1,"

	minSecret, maxSecret = 24, 64 // bytes, according to the specification
	newSecret            = 32     // bytes
)

// NewSecret returns a random secret, whsec_ followed by 32 bytes in base64.
func NewSecret() string {
	secret := make([]byte, newSecret)
	_, _ = rand.Read(secret) // never fails
	return secretPrefix + base64.StdEncoding.EncodeToString(secret)
}

// keys are decoded secrets.
type keys [][]byte

// parseSecrets decodes secrets. Errors name them by field, and contain no part of them.
func parseSecrets(field string, secrets []string) (keys, error) {
	if len(secrets) == 0 {
		return nil, fmt.Errorf("webhook: %s is empty: set at least one secret, such as the result of NewSecret", field)
	}
	var ks keys
	for i, secret := range secrets {
		text, ok := strings.CutPrefix(secret, secretPrefix)
		if !ok {
			return nil, fmt.Errorf("webhook: %s[%d] does not begin with %s: it must have the format of the Standard Webhooks specification", field, i, secretPrefix)
		}
		// The specification's libraries accept secrets without padding, too.
		key, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
		if err != nil || strings.ContainsAny(text, "\r\n") {
			return nil, fmt.Errorf("webhook: %s[%d] is not base64 after %s: remove line ends, spaces and quotes", field, i, secretPrefix)
		}
		if len(key) < minSecret || len(key) > maxSecret {
			return nil, fmt.Errorf("webhook: %s[%d] has %d bytes after decoding, but must have %d to %d", field, i, len(key), minSecret, maxSecret)
		}
		ks = append(ks, key)
	}
	return ks, nil
}

// sign returns the value of the header webhook-signature: one signature per key, so that a
// receiver accepts the request even if it knows only one of them.
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

// verify reports whether a header contains a valid signature with one of the keys. It
// ignores signatures of other versions.
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

// mac returns the HMAC of a request as the specification defines it.
func mac(key []byte, id, timestamp string, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(id + "." + timestamp + "."))
	h.Write(body)
	return h.Sum(nil)
}

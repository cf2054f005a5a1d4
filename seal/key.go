package seal

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// Info is the default context string for key derivation.
const Info = "ignis-ecdh-p256-aes-256-gcm-v1"

// Sizes in bytes.
const (
	PublicKeySize = 65
	SaltSize      = 32
	KeySize       = 32
)

// Errors about what the peer sent. They are usually wrapped in errors with more detail,
// which never contain keys or messages.
var (
	ErrPublicKey = errors.New("seal: invalid P-256 public key")
	ErrSalt      = errors.New("seal: invalid salt")
	ErrSealed    = errors.New("seal: message is malformed or was not sealed with this key")
)

// coding is strict, so that each value has exactly one encoding.
var coding = base64.StdEncoding.Strict()

// NewPrivateKey generates a key pair.
func NewPrivateKey() (*ecdh.PrivateKey, error) {
	k, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("seal: generating a key pair: %w", err)
	}
	return k, nil
}

// PublicKey returns the public key of a key pair in the wire format.
func PublicKey(k *ecdh.PrivateKey) string {
	return coding.EncodeToString(k.PublicKey().Bytes())
}

// ParsePublicKey parses a public key in the wire format. It rejects base64 that is
// malformed or not canonical, other lengths (including compressed and hybrid points),
// the point at infinity, and points that are not on the curve. Every error wraps
// [ErrPublicKey].
func ParsePublicKey(text string) (*ecdh.PublicKey, error) {
	b, err := decode(text, PublicKeySize)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPublicKey, err)
	}
	k, err := ecdh.P256().NewPublicKey(b)
	if err != nil {
		return nil, fmt.Errorf("%w: not an uncompressed point on the curve", ErrPublicKey)
	}
	return k, nil
}

// decode decodes the canonical base64 of exactly n bytes.
func decode(text string, n int) ([]byte, error) {
	if want := coding.EncodedLen(n); len(text) != want {
		return nil, fmt.Errorf("%d characters of base64, want %d", len(text), want)
	}
	// The decoder ignores line breaks, which would allow several encodings of one value.
	b := make([]byte, coding.DecodedLen(len(text)))
	m, err := coding.Decode(b, []byte(text))
	switch {
	case err != nil:
		return nil, errors.New("malformed base64")
	case m != n:
		return nil, fmt.Errorf("%d bytes, want %d", m, n)
	}
	return b[:n], nil
}

// SharedSecret returns the 32 bytes that both sides can compute from their own key pair
// and the public key of the other side. They must not be used as a key; see [DeriveKey].
func SharedSecret(own *ecdh.PrivateKey, peer *ecdh.PublicKey) ([]byte, error) {
	b, err := own.ECDH(peer)
	if err != nil {
		return nil, fmt.Errorf("seal: key agreement: %w", err)
	}
	return b, nil
}

// DeriveKey derives the 32 bytes of a key from a shared secret. Both sides must use the
// same salt and info.
func DeriveKey(shared, salt []byte, info string) ([]byte, error) {
	b, err := hkdf.Key(sha256.New, shared, salt, info, KeySize)
	if err != nil {
		return nil, fmt.Errorf("seal: key derivation: %w", err)
	}
	return b, nil
}

// Agreement is the server's side of a key agreement.
type Agreement struct {
	Key *Key
	// PublicKey and Salt are sent to the client, in the wire format.
	PublicKey, Salt string
}

// Accept agrees on a key with a client that sent a public key. It generates a key pair
// and a salt for this agreement only and does not keep the key pair, so an attacker who
// later compromises the process cannot read messages that were sealed with earlier keys.
// An empty info means [Info]. If the public key is invalid, the error wraps
// [ErrPublicKey].
func Accept(clientPublicKey, info string) (Agreement, error) {
	peer, err := ParsePublicKey(clientPublicKey)
	if err != nil {
		return Agreement{}, err
	}
	own, err := NewPrivateKey()
	if err != nil {
		return Agreement{}, err
	}
	salt := make([]byte, SaltSize)
	_, _ = rand.Read(salt) // never fails
	key, err := agree(own, peer, salt, info)
	if err != nil {
		return Agreement{}, err
	}
	return Agreement{Key: key, PublicKey: PublicKey(own), Salt: coding.EncodeToString(salt)}, nil
}

// Complete returns the key on the client's side, from the client's own key pair and the
// public key and salt in the server's answer. An empty info means [Info]. If the answer is
// invalid, the error wraps [ErrPublicKey] or [ErrSalt].
func Complete(own *ecdh.PrivateKey, serverPublicKey, salt, info string) (*Key, error) {
	peer, err := ParsePublicKey(serverPublicKey)
	if err != nil {
		return nil, err
	}
	s, err := decode(salt, SaltSize)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSalt, err)
	}
	return agree(own, peer, s, info)
}

func agree(own *ecdh.PrivateKey, peer *ecdh.PublicKey, salt []byte, info string) (*Key, error) {
	shared, err := SharedSecret(own, peer)
	if err != nil {
		return nil, err
	}
	if info == "" {
		info = Info
	}
	key, err := DeriveKey(shared, salt, info)
	if err != nil {
		return nil, err
	}
	return NewKey(key)
}

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

// Info is the context that keys are derived for, unless both sides agree on
// another.
const Info = "ignis-ecdh-p256-aes-256-gcm-v1"

// Sizes in bytes.
const (
	PublicKeySize = 65
	SaltSize      = 32
	KeySize       = 32
)

// Errors for what the peer sent. They come wrapped in ones that say more, and
// never with a key or a text in them.
var (
	ErrPublicKey = errors.New("seal: not a P-256 public key")
	ErrSalt      = errors.New("seal: not a salt")
	ErrSealed    = errors.New("seal: not a sealed message, or not from the peer")
)

// coding is strict: for one text there is one base64.
var coding = base64.StdEncoding.Strict()

// NewPrivateKey returns a new key pair.
func NewPrivateKey() (*ecdh.PrivateKey, error) {
	k, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("seal: new key pair: %w", err)
	}
	return k, nil
}

// PublicKey returns the public half of a key pair as it goes over the wire.
func PublicKey(k *ecdh.PrivateKey) string {
	return coding.EncodeToString(k.PublicKey().Bytes())
}

// ParsePublicKey reads a public key from the wire. Every error wraps
// [ErrPublicKey]: for base64 that is none or not canonical, for other lengths,
// compressed and hybrid points among them, for the point at infinity, and for
// points that are not on the curve.
func ParsePublicKey(text string) (*ecdh.PublicKey, error) {
	b, err := decode(text, PublicKeySize)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPublicKey, err)
	}
	k, err := ecdh.P256().NewPublicKey(b)
	if err != nil {
		return nil, fmt.Errorf("%w: no uncompressed point on the curve", ErrPublicKey)
	}
	return k, nil
}

// decode decodes base64 of exactly n bytes.
func decode(text string, n int) ([]byte, error) {
	if want := coding.EncodedLen(n); len(text) != want {
		return nil, fmt.Errorf("%d characters of base64, want %d", len(text), want)
	}
	// The decoder skips line breaks, which would make two texts of one.
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

// SharedSecret returns what both sides can compute from the key pair of one and
// the public key of the other: 32 bytes. It is no key; see [DeriveKey].
func SharedSecret(own *ecdh.PrivateKey, peer *ecdh.PublicKey) ([]byte, error) {
	b, err := own.ECDH(peer)
	if err != nil {
		return nil, fmt.Errorf("seal: key agreement: %w", err)
	}
	return b, nil
}

// DeriveKey derives the 32 bytes of a key from a shared secret. Both sides need
// the same salt and info.
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
	// PublicKey and Salt are what the client needs, as they go over the wire.
	PublicKey, Salt string
}

// Accept agrees on a key with a client that sent a public key. It makes a key
// pair and a salt for that client alone, and forgets the pair when it is done:
// whoever gets hold of the process later can read nothing of what was sealed
// with keys that are gone by then. An empty info stands for [Info]. Errors
// wrap [ErrPublicKey] when it is the client's fault.
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
	_, _ = rand.Read(salt) // it never fails
	key, err := agree(own, peer, salt, info)
	if err != nil {
		return Agreement{}, err
	}
	return Agreement{Key: key, PublicKey: PublicKey(own), Salt: coding.EncodeToString(salt)}, nil
}

// Complete is the client's side: it returns the key for its own key pair and
// what the server answered. An empty info stands for [Info]. Errors wrap
// [ErrPublicKey] or [ErrSalt] when it is the server's fault.
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

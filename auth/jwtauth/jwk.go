package jwtauth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/ignis-go/ignis/internal/strictjson"
)

// parseJWKS reads a JWK or a JWK set. It skips the keys of a set that cannot be used, as RFC
// 7517 (section 5) requires, and returns the reasons.
func parseJWKS(text []byte, maxKeys int) (list []Key, skipped []error, err error) {
	top, err := strictjson.Parse(text)
	if err != nil {
		return nil, nil, fmt.Errorf("read a JWK set: %w", err)
	}
	value := top.Raw("keys")
	if value == nil {
		k, err := parseJWK(text)
		if err != nil {
			return nil, nil, fmt.Errorf("read a JWK: %w", err)
		}
		return []Key{k}, nil, nil
	}
	var items []json.RawMessage
	if value[0] != '[' || json.Unmarshal(value, &items) != nil {
		return nil, nil, errors.New(`read a JWK set: "keys" is not a list`)
	}
	if len(items) > maxKeys {
		return nil, nil, fmt.Errorf("read a JWK set: it has %d keys, more than %d", len(items), maxKeys)
	}
	for i, item := range items {
		k, err := parseJWK(item)
		if err != nil {
			skipped = append(skipped, fmt.Errorf("key %d: %w", i+1, err))
			continue
		}
		list = append(list, k)
	}
	if len(list) == 0 {
		return nil, skipped, fmt.Errorf("read a JWK set: none of its %d keys can be used: %w", len(items), errors.Join(skipped[:min(1, len(skipped))]...))
	}
	return list, skipped, nil
}

// parseJWK reads a public key or a secret. Names are compared exactly, and numbers and
// points must be encoded as RFC 7518 requires.
func parseJWK(text []byte) (k Key, err error) {
	f, err := strictjson.Parse(text)
	if err != nil {
		return k, err
	}
	if f.Raw("d") != nil {
		return k, errPrivate
	}
	if value := f.Raw("kid"); value != nil {
		var ok bool
		if k.ID, ok = strictjson.Text(value); !ok {
			return k, errors.New("its kid is not a string")
		}
	}
	if value := f.Raw("use"); value != nil && string(value) != `"sig"` {
		return k, errors.New("its use is not sig")
	}
	if value := f.Raw("key_ops"); value != nil {
		if ops, ok := strictjson.Texts(value); !ok || !slices.Contains(ops, "verify") {
			return k, errors.New("its key_ops do not contain verify")
		}
	}
	if value := f.Raw("alg"); value != nil {
		alg, ok := strictjson.Text(value)
		if !ok {
			return k, errors.New("its alg is not a string")
		}
		k.Algorithms = []string{alg}
	}
	kty, _ := strictjson.Text(f.Raw("kty"))
	switch kty {
	case "RSA":
		k.Public, err = rsaJWK(f)
	case "EC":
		k.Public, err = ecJWK(f)
	case "OKP":
		k.Public, err = okpJWK(f)
	case "oct":
		k.Secret, err = octets(f, "k")
	default:
		return k, errors.New("its kty is not RSA, EC, OKP or oct")
	}
	if err != nil {
		return k, err
	}
	_, err = k.bind(0)
	return k, err
}

// octets decodes a field that is base64url.
func octets(f strictjson.Fields, name string) ([]byte, error) {
	text, ok := strictjson.Text(f.Raw(name))
	if !ok || text == "" {
		return nil, fmt.Errorf("its %s is missing or not a string", name)
	}
	value, ok := decodePart(text)
	if !ok {
		return nil, fmt.Errorf("its %s is not base64url", name)
	}
	return value, nil
}

func rsaJWK(f strictjson.Fields) (*rsa.PublicKey, error) {
	n, err := octets(f, "n")
	if err != nil {
		return nil, err
	}
	e, err := octets(f, "e")
	if err != nil {
		return nil, err
	}
	// Some issuers prepend zeros. A longer exponent must not be truncated to a short one.
	n, e = bytes.TrimLeft(n, "\x00"), bytes.TrimLeft(e, "\x00")
	if len(e) > 4 {
		return nil, fmt.Errorf("its exponent has %d bytes, more than 4", len(e))
	}
	if len(n) > maxRSABits/8 {
		return nil, fmt.Errorf("its modulus has %d bytes, more than %d", len(n), maxRSABits/8)
	}
	var exponent [4]byte
	copy(exponent[4-len(e):], e)
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(int64(binary.BigEndian.Uint32(exponent[:])))}, nil
}

func ecJWK(f strictjson.Fields) (*ecdsa.PublicKey, error) {
	var curve elliptic.Curve
	crv, _ := strictjson.Text(f.Raw("crv"))
	switch crv {
	case "P-256":
		curve = elliptic.P256()
	case "P-384":
		curve = elliptic.P384()
	case "P-521":
		curve = elliptic.P521()
	default:
		return nil, errors.New("its crv is not P-256, P-384 or P-521")
	}
	size := (curve.Params().BitSize + 7) / 8
	point := []byte{4} // uncompressed (SEC 1, section 2.3.3)
	for _, name := range []string{"x", "y"} {
		value, err := octets(f, name)
		if err != nil {
			return nil, err
		}
		if len(value) != size {
			return nil, fmt.Errorf("its %s has %d bytes instead of %d", name, len(value), size)
		}
		point = append(point, value...)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, errors.New("it is not a point on its curve")
	}
	return public, nil
}

func okpJWK(f strictjson.Fields) (ed25519.PublicKey, error) {
	if crv, _ := strictjson.Text(f.Raw("crv")); crv != "Ed25519" {
		return nil, errors.New("its crv is not Ed25519")
	}
	return octets(f, "x")
}

// strictBase64 is canonical base64url without padding. Unless it is strict,
// package base64 ignores unused bits.
var strictBase64 = base64.RawURLEncoding.Strict()

// decodePart decodes canonical base64url. Package base64 skips line breaks.
func decodePart(part string) ([]byte, bool) {
	if strings.ContainsAny(part, "\r\n") {
		return nil, false
	}
	text, err := strictBase64.DecodeString(part)
	return text, err == nil
}

package jwtauth

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// DefaultMaxKeys is the maximum number of keys in a file or JWK set unless configured
// otherwise.
const DefaultMaxKeys = 100

// ParseKeys returns the keys in text, which is one of the following:
//
//   - PEM: public keys ("PUBLIC KEY" or "RSA PUBLIC KEY") and certificates. Of a certificate
//     only the key is used; its dates and its issuer are not checked.
//   - a JWK or a JWK set (RFC 7517) with keys of the types RSA, EC, OKP and oct. In a set,
//     keys that cannot verify tokens are left out, for example those for encryption, of
//     other types, private or too short.
//
// It returns an error if a PEM block or a single JWK is a private key or cannot be used, and
// if there is no key that can be used.
func ParseKeys(text []byte) ([]Key, error) {
	list, _, err := parseKeys(text, DefaultMaxKeys)
	if err != nil {
		return nil, fmt.Errorf("jwtauth: read keys: %w", err)
	}
	return list, nil
}

// parseKeys also returns why keys of a JWK set were left out.
func parseKeys(text []byte, maxKeys int) (list []Key, skipped []error, err error) {
	text = bytes.TrimSpace(text)
	switch {
	case len(text) == 0:
		return nil, nil, errors.New("it is empty")
	case text[0] == '{':
		return parseJWKS(text, maxKeys)
	}
	list, err = parsePEM(text, maxKeys)
	return list, nil, err
}

var pemBegin = []byte("-----BEGIN ")

// parsePEM does not skip any block: a file with a key that cannot be used is a mistake.
func parsePEM(text []byte, maxKeys int) ([]Key, error) {
	var list []Key
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		if len(list) == maxKeys {
			return nil, fmt.Errorf("there are more than %d keys", maxKeys)
		}
		if bytes.Count(text[:len(text)-len(rest)], pemBegin) > 1 { // Decode has skipped the first
			return nil, fmt.Errorf("PEM block %d is malformed", len(list)+1)
		}
		k, err := parseBlock(block)
		if err != nil {
			return nil, fmt.Errorf("PEM block %d: %w", len(list)+1, err)
		}
		list, text = append(list, k), rest
	}
	switch {
	case bytes.Contains(text, pemBegin):
		return nil, fmt.Errorf("PEM block %d is malformed or incomplete", len(list)+1)
	case len(list) == 0:
		return nil, errors.New("expected PEM (-----BEGIN PUBLIC KEY-----) or a JWK set in JSON")
	}
	return list, nil
}

func parseBlock(block *pem.Block) (k Key, err error) {
	switch block.Type {
	case "PUBLIC KEY":
		k.Public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		k.Public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
			k.Public = cert.PublicKey
		}
	case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY":
		return k, fmt.Errorf("%w: openssl pkey -in FILE -pubout prints it", errPrivate)
	default:
		return k, fmt.Errorf("a block of the type %.40q is not a public key", block.Type)
	}
	if err != nil {
		return k, fmt.Errorf("parse the key: %w", err)
	}
	_, err = k.kind()
	return k, err
}

var errPrivate = errors.New("it is a private key, but only the public half is needed to verify tokens")

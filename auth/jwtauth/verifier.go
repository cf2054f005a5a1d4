package jwtauth

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/ignis-go/ignis/wire"
)

// MinSecret is the minimum length in bytes of a secret for HS256 (RFC 7518, section 3.2).
const MinSecret = 32

const (
	// defaultMaxToken is large enough: a token with a user and fifty rooms has about 1 KiB.
	defaultMaxToken = 8 << 10
	// clockSkew is the time by which the issuer's clock may be ahead of this one. It does
	// not apply to exp.
	clockSkew = 10 * time.Second
)

// Config configures a [Verifier].
type Config struct {
	// Secret is the key that tokens are signed with. It must have at least [MinSecret]
	// bytes. All bytes count, so remove the trailing newline of a secret that was read from
	// a file. Required.
	Secret []byte

	// MaxToken is the maximum size of a token in bytes. Larger tokens are refused without
	// being parsed. 0: 8 KiB.
	MaxToken int
}

// Verifier verifies tokens. Its methods are safe for concurrent use.
type Verifier struct {
	key      []byte
	maxToken int
	now      func() time.Time
}

// New returns a Verifier, or an error if c is invalid.
func New(c Config) (*Verifier, error) {
	switch {
	case len(c.Secret) == 0:
		return nil, errors.New("jwtauth: Config.Secret is required")
	case len(c.Secret) < MinSecret:
		return nil, fmt.Errorf("jwtauth: Config.Secret has %d bytes, but HS256 needs at least %d", len(c.Secret), MinSecret)
	case c.MaxToken < 0:
		return nil, errors.New("jwtauth: Config.MaxToken must not be negative")
	case c.MaxToken == 0:
		c.MaxToken = defaultMaxToken
	}
	return &Verifier{key: bytes.Clone(c.Secret), maxToken: c.MaxToken, now: time.Now}, nil
}

// Verify returns the claims of a valid token. Its errors match
// [ignis.ErrUnauthenticated], so an Authenticate callback may return them, and
// [ErrExpired] if the token has expired. They can be logged: their texts contain nothing
// from the token except the subject, and only if the signature is valid. They have the
// method LogCause that [ignis.Config].Authenticate describes.
//
// With a Secret, Verify does not block and ignores ctx.
func (v *Verifier) Verify(_ context.Context, token string) (*Claims, error) {
	switch {
	case token == "":
		return nil, refused("no token was sent")
	case len(token) > v.maxToken:
		return nil, refused("the token is too large")
	case strings.Count(token, ".") != 2:
		return nil, refused("the token does not have three parts")
	}
	signed := token[:strings.LastIndexByte(token, '.')]
	header, payload, _ := strings.Cut(signed, ".")
	if err := checkHeader(header); err != nil {
		return nil, err
	}
	signature, ok := decodePart(token[len(signed)+1:])
	if !ok {
		return nil, refused("the token's signature is not base64url")
	}
	if jwt.SigningMethodHS256.Verify(signed, signature, v.key) != nil {
		return nil, refused("the token's signature is wrong")
	}
	// The claims are not read before this point.
	text, ok := decodePart(payload)
	if !ok {
		return nil, refused("the token's claims are not base64url")
	}
	c, err := parseClaims(text)
	if err != nil {
		return nil, err
	}
	if err := c.checkTimes(v.now()); err != nil {
		return nil, err
	}
	return c, nil
}

// checkHeader accepts the header of a token that is signed with HS256. The other header
// parameters do not change how a token is verified, with the exception of crit
// (RFC 7515, section 4.1.11).
func checkHeader(part string) error {
	text, ok := decodePart(part)
	if !ok {
		return refused("the token's header is not base64url")
	}
	fields, err := uniqueFields(text, "header")
	if err != nil {
		return err
	}
	alg, ok := textOf(fields["alg"])
	switch {
	case fields["crit"] != nil:
		return refused("the token has critical extensions, and none are supported")
	case !ok || alg != jwt.SigningMethodHS256.Alg():
		return refused("the token is not signed with HS256")
	}
	return nil
}

// decodePart decodes canonical base64url without padding. Package base64 skips line breaks
// and, unless it is strict, ignores unused bits.
func decodePart(part string) ([]byte, bool) {
	if strings.ContainsAny(part, "\r\n") {
		return nil, false
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(part)
	return text, err == nil
}

// uniqueFields returns the fields of a JSON object by name. A duplicate name is an error,
// because parsers differ in which of the values they use. Nested objects are not searched
// for duplicates, since nothing is read from them.
func uniqueFields(text []byte, what string) (map[string][]byte, error) {
	fields := make(map[string][]byte)
	duplicate := false
	err := wire.EachField(text, func(key, value []byte) {
		if _, ok := fields[string(key)]; ok {
			duplicate = true
		}
		fields[string(key)] = value
	})
	switch {
	case err != nil:
		return nil, refused("the token's " + what + " must be a JSON object")
	case duplicate:
		return nil, refused("the token's " + what + " must not contain duplicate names")
	}
	return fields, nil
}

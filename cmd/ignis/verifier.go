package main

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/ignis-go/ignis/wire"
)

const (
	// defaultMaxToken is how large a token may be, in bytes. One with a user and fifty
	// rooms has about 1 KiB.
	defaultMaxToken = 8 << 10
	// clockSkew is how far the issuer's clock may be ahead of this one. It says
	// nothing for exp: a token is never taken for longer than it says.
	clockSkew = 10 * time.Second
)

// verifier decides whether a JWT counts (RFC 7519, in the compact form of RFC 7515)
// and what it says. Nothing of a token is believed, or even read, that could mean
// different things to different readers: names count exactly as they are spelled and
// may come once, and base64 has one form. The header is read before the signature is
// checked, the claims afterwards.
type verifier struct {
	key      []byte // of HS256
	maxToken int    // bytes; 0: defaultMaxToken
	now      func() time.Time
}

// tokenError says why a token is refused, in a fixed text and, once its signature is
// verified, with the subject. It holds nothing else of the token.
type tokenError struct {
	reason  string
	subject string
}

func (e *tokenError) Error() string {
	if e.subject == "" {
		return e.reason
	}
	return fmt.Sprintf("%s, of the subject %.64q", e.reason, e.subject)
}

// LogCause returns what the log tells apart: not the subject.
func (e *tokenError) LogCause() string { return e.reason }

func refused(reason string) error { return &tokenError{reason: reason} }

// verify returns the claims of a token. Its errors are of type *tokenError.
func (v *verifier) verify(token string) (*claims, error) {
	limit := v.maxToken
	if limit == 0 {
		limit = defaultMaxToken
	}
	switch {
	case token == "":
		return nil, refused("no token was sent")
	case len(token) > limit:
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
	text, ok := decodePart(payload)
	if !ok {
		return nil, refused("the token's claims are not base64url")
	}
	c, err := parseClaims(text)
	if err != nil {
		return nil, err
	}
	if reason := c.timely(v.now()); reason != "" {
		return nil, &tokenError{reason, c.subject}
	}
	return c, nil
}

// checkHeader accepts the header of a token that is signed with HS256. Its other
// parameters say nothing that would change how it is verified, unless crit is there
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
		return refused("the token has critical extensions, of which none is known")
	case !ok || alg != jwt.SigningMethodHS256.Alg():
		return refused("the token is not signed with HS256")
	}
	return nil
}

// decodePart decodes base64url without padding, in its one form: no line ends, which
// package base64 skips, and no bits that say nothing.
func decodePart(part string) ([]byte, bool) {
	if strings.ContainsAny(part, "\r\n") {
		return nil, false
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(part)
	return text, err == nil
}

// uniqueFields returns the fields of a JSON object by name. A name that comes twice is
// an error, because readers differ in which they take. That is looked for at the top:
// nothing is read from the objects within.
func uniqueFields(text []byte, what string) (map[string][]byte, error) {
	fields := make(map[string][]byte)
	twice := false
	err := wire.EachField(text, func(key, value []byte) {
		if _, ok := fields[string(key)]; ok {
			twice = true
		}
		fields[string(key)] = value
	})
	switch {
	case err != nil:
		return nil, refused("the token has no JSON object as its " + what)
	case twice:
		return nil, refused("the token has a name twice in its " + what)
	}
	return fields, nil
}

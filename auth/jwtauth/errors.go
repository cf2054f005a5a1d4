package jwtauth

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ignis-go/ignis"
)

// ErrExpired is matched by errors about tokens that have expired.
var ErrExpired = errors.New("jwtauth: the token has expired")

// ErrKeysUnavailable is matched by errors about tokens that could not be verified because
// the keys of a JWKS have not been fetched yet, or Config.MaxWaiting tokens are waiting for
// them. Such an error does not match [ignis.ErrUnauthenticated], because the token may be
// valid.
var ErrKeysUnavailable = errors.New("jwtauth: the keys have not been fetched yet")

// tokenError is the error for a token that is refused.
type tokenError struct {
	reason  string // fixed text
	subject string // empty until the signature is verified
	detail  string // what the claim is and should be, likewise; may be empty
	is      error  // ErrExpired, ErrKeysUnavailable or nil
}

func refused(reason string) error { return &tokenError{reason: reason} }

func (e *tokenError) Error() string {
	if e.subject == "" {
		return e.reason
	}
	return fmt.Sprintf("%s (subject %.64q%s)", e.reason, e.subject, e.detail)
}

// maxQuoted is the maximum number of names, and of characters of each, that an error quotes.
const (
	maxQuoted       = 3
	maxQuotedLength = 40
)

// unlike returns the detail of an error about a claim, with the given value and the names in it, that
// has none of the accepted names.
func unlike(claim string, value []byte, names, accepted []string) string {
	is := quoted(names)
	switch {
	case value == nil:
		is = "missing"
	case len(names) == 0:
		is = "not a name"
	}
	return fmt.Sprintf("; %s is %s, accepted: %s", claim, is, quoted(accepted))
}

// quoted returns the first of the names, in quotes.
func quoted(names []string) string {
	var b strings.Builder
	for i, name := range names {
		if i == maxQuoted {
			fmt.Fprintf(&b, " and %d more", len(names)-i)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%.*q", maxQuotedLength, name)
	}
	return b.String()
}

// LogCause returns the part of the text that does not depend on the user, so that the limit
// for log lines treats all users alike.
func (e *tokenError) LogCause() string { return e.reason }

// Is reports whether e is one of the errors that Verify documents.
func (e *tokenError) Is(target error) bool {
	return target == ignis.ErrUnauthenticated && e.is != ErrKeysUnavailable || e.is != nil && target == e.is
}

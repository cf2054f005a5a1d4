package jwtauth

import (
	"errors"
	"fmt"

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
	is      error  // ErrExpired, ErrKeysUnavailable or nil
}

func refused(reason string) error { return &tokenError{reason: reason} }

func (e *tokenError) Error() string {
	if e.subject == "" {
		return e.reason
	}
	return fmt.Sprintf("%s (subject %.64q)", e.reason, e.subject)
}

// LogCause returns the part of the text that does not depend on the user, so that the limit
// for log lines treats all users alike.
func (e *tokenError) LogCause() string { return e.reason }

// Is reports whether e is one of the errors that Verify documents.
func (e *tokenError) Is(target error) bool {
	return target == ignis.ErrUnauthenticated && e.is != ErrKeysUnavailable || e.is != nil && target == e.is
}

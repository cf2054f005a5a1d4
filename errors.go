package ignis

import (
	"context"
	"errors"
	"net/http"

	"github.com/ignis-go/ignis/wire"
)

var (
	// ErrUnauthenticated is what Authenticate returns, possibly wrapped, to reject a
	// client, which is then told "Authentication failed". Any other error is a failure
	// of the application: the client is told "Authentication error" and the error is
	// logged. Both close with code 4003. The text around it is logged, so it must not
	// hold the credentials.
	ErrUnauthenticated = errors.New("unauthenticated")

	// ErrNotRunning is returned by a server's methods before Run has made it ready and
	// after it has shut down, and by those of a nil *Server.
	ErrNotRunning = errors.New("ignis: the server is not running: call Run and wait for Ready")

	// ErrNoClient is returned by methods that need an authenticated client of this
	// instance if no such client has the ID.
	ErrNoClient = errors.New("no authenticated client of this server has that ID")
)

// Error is an error that a client may see: callbacks return it, possibly wrapped, to
// refuse a request or a message. A client learns nothing of any other error but that
// there was one (wire.CodeInternal).
type Error struct {
	// Code says what kind of error it is. Empty: wire.CodeInvalid.
	Code wire.ErrorCode
	// Message is for people. The client sees it as it is.
	Message string
}

// Error returns the message, or the code if there is none.
func (e *Error) Error() string {
	if e.Message == "" {
		return string(e.code())
	}
	return e.Message
}

func (e *Error) code() wire.ErrorCode {
	if e.Code == "" {
		return wire.CodeInvalid
	}
	return e.Code
}

// status returns the HTTP status that says the same.
func (e *Error) status() int {
	switch e.code() {
	case wire.CodeForbidden:
		return http.StatusForbidden
	case wire.CodeNotFound, wire.CodeUnknownEvent:
		return http.StatusNotFound
	case wire.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case wire.CodeRateLimited:
		return http.StatusTooManyRequests
	case wire.CodeUnavailable:
		return http.StatusServiceUnavailable
	case wire.CodeTimeout:
		return http.StatusGatewayTimeout
	case wire.CodeInternal:
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

// forClient returns what a client may know of an error of the application.
func forClient(err error) wire.ErrorData {
	if e, ok := errors.AsType[*Error](err); ok {
		return wire.ErrorData{Message: e.Error(), Code: e.code()}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return wire.ErrorData{Message: "The server took too long.", Code: wire.CodeTimeout}
	}
	return wire.ErrorData{Message: "Internal error", Code: wire.CodeInternal}
}

// BusError says that a message went to the clients of this instance, but not to those
// of the others.
type BusError struct{ Err error }

func (e *BusError) Error() string { return "ignis: not sent to other instances: " + e.Err.Error() }

// Unwrap returns the bus's own error.
func (e *BusError) Unwrap() error { return e.Err }

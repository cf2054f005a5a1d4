package ignis

import (
	"context"
	"errors"
	"net/http"

	"github.com/ignis-go/ignis/wire"
)

var (
	// ErrUnauthenticated is returned by Authenticate, possibly wrapped, to reject a
	// client. The client is then told "Authentication failed". For any other error, which
	// means that the application has failed, it is told "Authentication error". If it
	// speaks protocol 2 and the error wraps an [*Error], it is told the message and the
	// code of that instead. Both errors are logged and close the connection with 4003,
	// so that the client does not connect again with the same credentials. Since the text
	// of a wrapping error is logged, it must not contain the credentials.
	//
	// If Authenticate cannot decide at the moment, for example because a database is
	// down, it returns an *Error with the code wire.CodeUnavailable, CodeRateLimited or
	// CodeTimeout. The client is closed with 1013, so that it tries again later. If it
	// speaks protocol 2, it is told the message and the code, and otherwise
	// "Authentication error".
	ErrUnauthenticated = errors.New("unauthenticated")

	// ErrNotRunning is returned by the methods of a server that is not ready yet or has
	// shut down, and by those of a nil *Server.
	ErrNotRunning = errors.New("ignis: the server is not running: call Run and wait for Ready")

	// ErrNoClient is returned by methods that require a client if no authenticated client
	// with the ID is connected to this server.
	ErrNoClient = errors.New("no authenticated client with that ID is connected to this server")
)

// Error is an error that is shown to a client. Callbacks return it, possibly wrapped, to
// refuse a request or a message. For any other error, the client is told only that an
// error occurred ([wire.CodeInternal], or [wire.CodeTimeout] for
// [context.DeadlineExceeded]).
type Error struct {
	// Code is the kind of error. Empty: wire.CodeInvalid.
	Code wire.ErrorCode
	// Message is a human-readable text. It is sent to the client unchanged.
	Message string
}

// Error returns the message, or the code if there is none.
func (e *Error) Error() string {
	if e == nil {
		return "internal error" // a nil *Error in a non-nil error, which is a bug in the callback
	}
	if e.Message == "" {
		return string(e.code())
	}
	return e.Message
}

// PartialError is returned by ValidateRooms, possibly wrapped, if it cannot decide about some
// of the rooms. The client may join the rooms that are returned with it. The other rooms are
// refused for the reason Err, which is handled like any other error. If Err is an [*Error], a
// client of protocol 2 receives its code and message with each of these rooms.
type PartialError struct{ Err error }

// Error returns the text of Err.
func (e *PartialError) Error() string {
	if e == nil || e.Err == nil {
		return "no decision about some of the rooms"
	}
	return e.Err.Error()
}

// Unwrap returns Err.
func (e *PartialError) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}

func (e *Error) code() wire.ErrorCode {
	if e.Code == "" {
		return wire.CodeInvalid
	}
	return e.Code
}

// asError returns the [*Error] that err is or wraps, or nil if there is none.
func asError(err error) *Error {
	e, _ := errors.AsType[*Error](err)
	return e
}

// undecided reports whether err says that the application cannot decide at the moment,
// as opposed to a refusal.
func undecided(err error) bool {
	e := asError(err)
	if e == nil {
		return false
	}
	switch e.code() {
	case wire.CodeUnavailable, wire.CodeRateLimited, wire.CodeTimeout:
		return true
	}
	return false
}

// decided reports whether err is a refusal by the application, as opposed to a failure.
func decided(err error) bool {
	e := asError(err)
	return e != nil && e.code() != wire.CodeInternal && !undecided(err)
}

// status returns the HTTP status that corresponds to the code.
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

// forClient returns the part of an application's error that is sent to clients.
func forClient(err error) wire.ErrorData {
	if e := asError(err); e != nil {
		return wire.ErrorData{Message: e.Error(), Code: e.code()}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return wire.ErrorData{Message: "The server took too long.", Code: wire.CodeTimeout}
	}
	return wire.ErrorData{Message: "Internal error", Code: wire.CodeInternal}
}

// BusError is the error for a message that was sent to the clients of this instance but
// not to those of other instances.
type BusError struct{ Err error }

func (e *BusError) Error() string { return "ignis: not sent to other instances: " + e.Err.Error() }

// Unwrap returns the error of the bus.
func (e *BusError) Unwrap() error { return e.Err }

package client

import (
	"errors"
	"fmt"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/wire"
)

var (
	// ErrAuthentication is what errors.Is finds in the errors of a connection
	// that the server closed because it does not accept the client: close codes
	// 4001, 4003 and 4004. Dialing again with the same credentials is of no use.
	ErrAuthentication = errors.New("authentication failed")
	// ErrProtocol is wrapped by errors for a server that breaks the WebSocket
	// protocol or Ignis's, or that exceeds [Config.MaxMessage], which
	// [wire.ErrTooLarge] tells. The connection is closed with code 1002, 1007 or
	// 1009.
	ErrProtocol = errors.New("protocol error")
	// ErrNotEncrypted is wrapped by [Dial]'s error when [Config.Encrypt] is set and
	// the server agreed on no key.
	ErrNotEncrypted = errors.New("the server does not encrypt")
	// ErrUnavailable is wrapped by [Dial]'s error when the server, or what is in
	// front of it, answers that it takes no connections now.
	ErrUnavailable = errors.New("server not available")
	// ErrClosed is returned once the application has closed the connection.
	ErrClosed = errors.New("connection closed by the application")
	// ErrLost is wrapped by errors for a connection that ended without a close
	// frame: it broke, or the server was silent for too long.
	ErrLost = errors.New("connection lost")
)

// CloseError says that the server closed the connection. errors.Is(err,
// [ErrAuthentication]) tells whether that was for reasons of authentication.
type CloseError struct {
	// Code is the WebSocket close code: one of package wire's or of RFC 6455,
	// 1005 when the server gave none.
	Code uint16
	// Reason is the server's text; often empty.
	Reason string
}

// Error returns code and reason, and what to do about it where that is known.
func (e *CloseError) Error() string {
	s := fmt.Sprintf("server closed the connection: %d", e.Code)
	if e.Reason != "" {
		s += fmt.Sprintf(" %q", e.Reason)
	}
	if hint := closeHint(e.Code); hint != "" {
		s += " (" + hint + ")"
	}
	return s
}

// Is reports whether target is [ErrAuthentication] and the code is one for
// reasons of authentication.
func (e *CloseError) Is(target error) bool {
	if target != ErrAuthentication {
		return false
	}
	switch e.Code {
	case wire.CloseAuthTimeout, wire.CloseAuthFailed, wire.CloseEncryptionRequired:
		return true
	}
	return false
}

func closeHint(code uint16) string {
	switch code {
	case wire.CloseAuthTimeout:
		return "the server's authenticator took too long; try again later"
	case wire.CloseAuthFailed:
		return "check the credentials: token, its expiry, and the user"
	case wire.CloseEncryptionRequired:
		return "the server talks to encrypted clients only, and agreed on no key with this one"
	case wire.CloseHeartbeatTimeout:
		return "no heartbeat arrived in time"
	case uint16(ws.StatusMessageTooBig):
		return "a message was larger than the server takes"
	}
	return ""
}

// failure is an error of the server's that the connection is closed for, with
// the code to tell it.
type failure struct {
	code uint16
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func protocolError(code ws.StatusCode, format string, args ...any) error {
	return &failure{uint16(code), fmt.Errorf("%w: "+format, append([]any{ErrProtocol}, args...)...)}
}

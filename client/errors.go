package client

import (
	"errors"
	"fmt"
	"time"

	"github.com/gobwas/ws"

	"github.com/ignis-go/ignis/wire"
)

var (
	// ErrAuthentication matches, with errors.Is, the errors of a connection that the
	// server closed because it does not accept the client: close codes 4001, 4003 and
	// 4004. Except after 4001, dialing again with the same configuration does not help.
	ErrAuthentication = errors.New("authentication failed")
	// ErrProtocol is wrapped by errors for a server that violates the WebSocket
	// protocol or that of Ignis, or that exceeds [Config.MaxMessage], in which case
	// the error also wraps [wire.ErrTooLarge]. The connection is closed with code
	// 1002, 1007, 1008 or 1009.
	ErrProtocol = errors.New("protocol error")
	// ErrNotEncrypted is wrapped by [Dial]'s error if [Config.Encrypt] is set and the
	// server did not agree on a key.
	ErrNotEncrypted = errors.New("the server does not encrypt")
	// ErrUnavailable is wrapped by [Dial]'s error if the server, or a proxy in front
	// of it, responds that it does not accept connections at the moment.
	ErrUnavailable = errors.New("server not available")
	// ErrNoAnswers is wrapped by errors of requests to a server that uses protocol 1.
	ErrNoAnswers = errors.New("the server uses protocol 1, in which requests are not answered")
	// ErrClosed is returned after the application has closed the connection.
	ErrClosed = errors.New("connection closed by the application")
	// ErrLost is wrapped by errors for a connection that ended without a close frame:
	// it broke, or the server was silent for too long.
	ErrLost = errors.New("connection lost")
)

// CloseError is the error for a connection that the server closed. It matches
// [ErrAuthentication] if the server does not accept the client.
type CloseError struct {
	// Code is the WebSocket close code: one of package wire or of RFC 6455, or 1005
	// if the server sent none.
	Code uint16
	// Reason is the server's text. It is often empty.
	Reason string

	retryAt time.Time // from a draining event; zero if there was none
}

// Error returns the code, the reason and, if known, what to do about it.
func (e *CloseError) Error() string {
	s := fmt.Sprintf("server closed the connection: %d", e.Code)
	if e.Reason != "" {
		s += fmt.Sprintf(" %q", e.Reason)
	}
	if hint := e.hint(); hint != "" {
		s += " (" + hint + ")"
	}
	return s
}

func (e *CloseError) hint() string {
	if e.Code == uint16(ws.StatusMessageTooBig) { // not an Ignis code
		return "a message was larger than the server accepts"
	}
	known, _ := wire.LookupClose(e.Code)
	return known.Hint
}

// Is reports whether target is [ErrAuthentication] and the code says that the server
// does not accept the client.
func (e *CloseError) Is(target error) bool {
	known, _ := wire.LookupClose(e.Code)
	return target == ErrAuthentication && known.Rejected
}

// Reconnect reports whether dialing again may help, and the minimum time to wait before
// dialing. Add a random time, so that the clients of a server do not all reconnect at the
// same time. For codes that the protocol does not define, again is false if they mean
// that the client is at fault (1002, 1003 and 1007 to 1010).
//
// If the server has sent a draining event, after is what is left of the time that it named,
// which already differs between clients.
func (e *CloseError) Reconnect() (again bool, after time.Duration) {
	if !e.retryAt.IsZero() {
		return true, max(time.Until(e.retryAt), 0)
	}
	if known, ok := wire.LookupClose(e.Code); ok {
		return known.Reconnect, known.After
	}
	switch ws.StatusCode(e.Code) {
	case ws.StatusProtocolError, ws.StatusUnsupportedData, ws.StatusInvalidFramePayloadData,
		ws.StatusPolicyViolation, ws.StatusMessageTooBig, ws.StatusMandatoryExt:
		return false, 0
	}
	return true, 0
}

// NeedsCredentials reports whether dialing again requires new credentials.
func (e *CloseError) NeedsCredentials() bool {
	known, _ := wire.LookupClose(e.Code)
	return known.Credentials
}

// refusedError is the error for a connection that ended after the server had said why it
// refuses the client.
type refusedError struct {
	end  error
	said Error
}

func (e *refusedError) Error() string {
	if e.said.Code == "" { // protocol 1
		return fmt.Sprintf("%s, saying %.200q", e.end, e.said.Message)
	}
	return e.end.Error() + "; " + e.said.Error()
}

func (e *refusedError) Unwrap() []error { return []error{e.end, &e.said} }

// failure is a protocol violation by the server, for which the client closes the
// connection with code.
type failure struct {
	code uint16
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func protocolError(code ws.StatusCode, format string, args ...any) error {
	return &failure{uint16(code), fmt.Errorf("%w: "+format, append([]any{ErrProtocol}, args...)...)}
}

package webhook

import (
	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// Cause is the reason why a request failed. The texts are stable. They are also the keys
// of EndpointStats.Failed.
type Cause string

// The causes.
const (
	CauseBusy       Cause = "too many questions"  // MaxConcurrent and MaxWaiting of Config; not sent
	CauseCircuit    Cause = "circuit open"        // not sent
	CauseTimeout    Cause = "timeout"             // Timeout or EventTimeout of Config
	CauseConnection Cause = "connection failed"   // no connection, connection lost, or no HTTP
	CauseStatus     Cause = "unexpected status"   // including redirects
	CauseTooLarge   Cause = "answer too large"    // Config.MaxAnswer
	CauseMalformed  Cause = "malformed answer"    // not the JSON that docs/webhooks.md defines
	CauseRequest    Cause = "request not encoded" // the result of Config.Info cannot be encoded; not sent
	CauseCanceled   Cause = "canceled"            // the client disconnected, or the server shut down
)

// unavailable is what clients are told while the endpoint fails.
const unavailable = "The service is not available at the moment."

// failure is the error for a request without a usable answer. It wraps an [*ignis.Error]
// that tells the client to try again later.
type failure struct {
	kind   string // of the request
	cause  Cause
	detail string // may be empty
	err    error  // may be nil
}

func (f *failure) Error() string {
	s := "webhook: " + f.kind + ": " + string(f.cause)
	if f.detail != "" {
		s += ": " + f.detail
	}
	if f.err != nil {
		s += ": " + f.err.Error()
	}
	return s
}

// LogCause returns the text without the details of a single request.
func (f *failure) LogCause() string { return "webhook: " + f.kind + ": " + string(f.cause) }

// Unwrap returns what the client is told, and the underlying error if there is one.
func (f *failure) Unwrap() []error {
	e := &ignis.Error{Code: wire.CodeUnavailable, Message: unavailable}
	if f.cause == CauseTimeout {
		e = &ignis.Error{Code: wire.CodeTimeout, Message: "The service took too long."}
	}
	if f.err == nil {
		return []error{e}
	}
	return []error{e, f.err}
}

// result returns what the failure says about the endpoint. A status below 500 or a
// malformed answer concerns one question. A client may be able to provoke it, and must not
// be able to open the circuit for all others.
func (f *failure) result(status int) result {
	switch f.cause {
	case CauseTimeout, CauseConnection:
		return resultFailed
	case CauseStatus:
		if status >= 500 {
			return resultFailed
		}
	case CauseBusy, CauseCircuit, CauseRequest, CauseCanceled:
		return resultNone
	}
	return resultWorks
}

// refusal is the error for a client that the endpoint has refused.
type refusal struct {
	text  string       // for the log
	shown *ignis.Error // for the client; nil if the endpoint did not set it
}

func (r *refusal) Error() string { return r.LogCause() + ": " + r.text }

// LogCause returns the text without the endpoint's answer.
func (r *refusal) LogCause() string { return "webhook: refused by the endpoint" }

// Is reports whether the client is rejected. If the endpoint asks the client to try again
// later, the server must not tell it that its credentials are wrong.
func (r *refusal) Is(target error) bool {
	if r.shown != nil {
		switch r.shown.Code {
		case wire.CodeUnavailable, wire.CodeRateLimited, wire.CodeTimeout:
			return false
		}
	}
	return target == ignis.ErrUnauthenticated
}

// Unwrap returns what the client is told, or nil.
func (r *refusal) Unwrap() error {
	if r.shown == nil {
		return nil
	}
	return r.shown
}

package webhook

import (
	"fmt"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// Cause is the reason why a request failed. The texts are stable. They are also the keys
// of EndpointStats.Failed.
type Cause string

// The causes.
const (
	CauseBusy       Cause = "too many requests at a time" // Config.MaxConcurrent; not sent
	CauseCircuit    Cause = "circuit open"                // not sent
	CauseTimeout    Cause = "timeout"
	CauseConnection Cause = "connection failed" // it could not be made, broke, or carried no HTTP
	CauseStatus     Cause = "unexpected status"
	CauseTooLarge   Cause = "answer too large"
	CauseMalformed  Cause = "malformed answer"
	CauseRequest    Cause = "request not encoded" // Config.Info returned what is not valid as JSON; not sent
	CauseCanceled   Cause = "canceled"            // the client disconnected, or the server shut down
)

// failure is the error for a request without a usable answer. It matches an [*ignis.Error]
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

// LogCause returns the part of the text that is the same for all requests that fail for
// the same reason.
func (f *failure) LogCause() string { return "webhook: " + f.kind + ": " + string(f.cause) }

// Unwrap returns the underlying error and what clients are told.
func (f *failure) Unwrap() []error {
	e := &ignis.Error{Code: wire.CodeUnavailable, Message: "The service is not available at the moment."}
	if f.cause == CauseTimeout {
		e = &ignis.Error{Code: wire.CodeTimeout, Message: "The service took too long."}
	}
	if f.err == nil {
		return []error{e}
	}
	return []error{e, f.err}
}

// result returns what the failure says about the endpoint. A status below 500 or a
// malformed answer is a mistake in the answer to one question, which a client may be able
// to provoke. It must not keep the others out.
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
	shown *ignis.Error // for the client; nil if the endpoint meant no text for it
}

func (r *refusal) Error() string { return r.LogCause() + ": " + r.text }

// LogCause returns the text without what depends on the client.
func (r *refusal) LogCause() string { return "webhook: refused by the endpoint" }

// Is reports that the client is not authenticated.
func (r *refusal) Is(target error) bool { return target == ignis.ErrUnauthenticated }

// Unwrap returns what the client is told, if that is known.
func (r *refusal) Unwrap() []error {
	if r.shown == nil {
		return nil
	}
	return []error{r.shown}
}

// statusDetail describes an unexpected status.
func statusDetail(status int, text string) string {
	if text == "" {
		return fmt.Sprint(status)
	}
	return fmt.Sprintf("%d: %s", status, text)
}

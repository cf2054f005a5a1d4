package httpapi

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// problemPrefix is the beginning of the types of problems.
const problemPrefix = "urn:ignis:problem:"

// kind is a kind of problem. Its name is the end of the type and never changes.
type kind struct {
	name   string
	status int
	title  string
}

// The kinds of problems. docs/http-api.md has a row for each.
var (
	problemMalformed      = kind{"malformed", http.StatusBadRequest, "The request is malformed"}
	problemUnauthorized   = kind{"unauthorized", http.StatusUnauthorized, "The key is missing or wrong"}
	problemForbidden      = kind{"forbidden", http.StatusForbidden, "The key does not allow this"}
	problemNotFound       = kind{"not-found", http.StatusNotFound, "Not found"}
	problemMethod         = kind{"method-not-allowed", http.StatusMethodNotAllowed, "The method is not allowed"}
	problemTimeout        = kind{"body-timeout", http.StatusRequestTimeout, "The body did not arrive in time"}
	problemInProgress     = kind{"idempotency-in-progress", http.StatusConflict, "A request with this key is in progress"}
	problemUnknownOutcome = kind{"idempotency-unknown", http.StatusConflict, "The outcome of the request with this key is unknown"}
	problemTooLarge       = kind{"too-large", http.StatusRequestEntityTooLarge, "The request or a message is too large"}
	problemMediaType      = kind{"unsupported-media-type", http.StatusUnsupportedMediaType, "The encoding of the body is not supported"}
	problemInvalid        = kind{"invalid", http.StatusUnprocessableEntity, "The request is invalid"}
	problemKeyReused      = kind{"idempotency-key-reused", http.StatusUnprocessableEntity, "The idempotency key was used for another request"}
	problemRate           = kind{"rate-limited", http.StatusTooManyRequests, "Too many requests"}
	problemFailures       = kind{"too-many-failures", http.StatusTooManyRequests, "Too many requests with a wrong key"}
	problemInternal       = kind{"internal", http.StatusInternalServerError, "Internal error"}
	problemNoCommands     = kind{"no-commands", http.StatusNotImplemented, "The bus carries no commands"}
	problemBus            = kind{"bus-unavailable", http.StatusServiceUnavailable, "Other instances were not reached"}
	problemOverloaded     = kind{"overloaded", http.StatusServiceUnavailable, "Too many concurrent requests"}
	problemNotRunning     = kind{"not-running", http.StatusServiceUnavailable, "The server is not running"}
	problemStore          = kind{"idempotency-unavailable", http.StatusServiceUnavailable, "The idempotency key cannot be stored"}
	problemRevocations    = kind{"too-many-revocations", http.StatusServiceUnavailable, "The revocation cannot be remembered"}
)

// problem is an error as defined by RFC 9457.
type problem struct {
	Type      string `json:"type" doc:"The kind of problem. It does not change between versions." example:"urn:ignis:problem:invalid"`
	Title     string `json:"title" doc:"The kind of problem in words."`
	Status    int    `json:"status" doc:"The HTTP status." example:"422"`
	Detail    string `json:"detail,omitempty" doc:"What is wrong with this request."`
	RequestID string `json:"requestId,omitempty" doc:"The ID of the request, which also appears in the log."`

	Errors []fieldError `json:"errors,omitempty" nullable:"false" doc:"The fields that are invalid."`

	// What was done although the other instances were not reached.
	LocalRecipients *int            `json:"localRecipients,omitempty" doc:"The number of clients of this instance that the messages were queued for."`
	Messages        []messageResult `json:"messages,omitempty" nullable:"false" doc:"What was done with each message."`
	LocalClients    *int            `json:"localClients,omitempty" doc:"The number of clients of this instance that the command affected."`

	retryAfter time.Duration // 0: no header
}

// fieldError says what is wrong with a part of a request.
type fieldError struct {
	Location string `json:"location" doc:"The part of the request." example:"body.to"`
	Message  string `json:"message" doc:"What is wrong with it."`
}

// messageResult is what was done with a message.
type messageResult struct {
	LocalRecipients int   `json:"localRecipients" doc:"The number of clients of this instance that the message was queued for."`
	HandedToBus     *bool `json:"handedToBus,omitempty" doc:"Whether the message was handed to the bus for the other instances. It is present only in errors."`
}

func (k kind) problem(detail string) *problem {
	return &problem{Type: problemPrefix + k.name, Title: k.title, Status: k.status, Detail: detail}
}

// after sets the time after which the client should try again.
func (p *problem) after(d time.Duration) *problem {
	p.retryAfter = d
	return p
}

// at names the part of the request that is wrong.
func (p *problem) at(location string) *problem {
	p.Errors = append(p.Errors, fieldError{location, p.Detail})
	return p
}

// Error implements error, as package huma requires.
func (p *problem) Error() string { return p.Title + ": " + p.Detail }

// GetStatus implements huma.StatusError.
func (p *problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *problem) GetHeaders() http.Header {
	h := make(http.Header)
	if p.retryAfter > 0 {
		seconds := (p.retryAfter + time.Second - 1) / time.Second
		h.Set("Retry-After", strconv.Itoa(int(seconds)))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	return h
}

const problemType = "application/problem+json"

// ContentType implements huma.ContentTypeFilter.
func (*problem) ContentType(string) string { return problemType }

// encode returns the problem as JSON.
func (p *problem) encode() []byte {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // all fields can be encoded
	}
	return text
}

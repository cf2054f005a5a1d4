package wire

import "encoding/json"

// ErrorCode is the reason in an error event for not handling a message (protocol 2).
type ErrorCode string

// The error codes.
const (
	CodeInvalid      ErrorCode = "invalid"
	CodeForbidden    ErrorCode = "forbidden"
	CodeUnknownEvent ErrorCode = "unknown_event"
	CodeNotFound     ErrorCode = "not_found"
	CodeTooLarge     ErrorCode = "too_large"
	CodeRateLimited  ErrorCode = "rate_limited"
	CodeUnavailable  ErrorCode = "unavailable"
	CodeTimeout      ErrorCode = "timeout"
	CodeInternal     ErrorCode = "internal"
)

// ErrorCodes returns all error codes.
func ErrorCodes() []ErrorCode {
	return []ErrorCode{
		CodeInvalid, CodeForbidden, CodeUnknownEvent, CodeNotFound, CodeTooLarge,
		CodeRateLimited, CodeUnavailable, CodeTimeout, CodeInternal,
	}
}

// ErrorData is the data of an error event. Protocol 1 has no code.
type ErrorData struct {
	Message string    `json:"message"`
	Code    ErrorCode `json:"code,omitempty"`
}

// Encode returns d as JSON.
func (d ErrorData) Encode() json.RawMessage {
	data, _ := EncodeData(d) // strings can always be encoded
	return data
}

// JoinData is the data of the answer to a join (protocol 2).
type JoinData struct {
	Rooms   []JoinedRoom  `json:"rooms"`
	Refused []RefusedRoom `json:"refused"`
}

// JoinedRoom is a room that a client has joined.
type JoinedRoom struct {
	Room string `json:"room"`
}

// RefusedRoom is a room that a client may not join, with the reason.
type RefusedRoom struct {
	Room string    `json:"room"`
	Code ErrorCode `json:"code"`
	// Message is the text of the application for the client. It is empty if there is none.
	Message string `json:"message,omitempty"`
}

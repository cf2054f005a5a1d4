package webhook

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/internal/strictjson"
	"github.com/ignis-go/ignis/wire"
)

// Answers are read strictly, because they decide who a client is and what it may do. Names
// are case-sensitive, a duplicate name is an error, and so is an unknown one: a misspelled
// expires must not make a session endless.

// maxShown is the maximum size of a message to a client, in bytes.
const maxShown = 1024

// fieldsOf returns the fields of a JSON object, whose names must be among names, if there are
// any. A field that is null counts as missing. An empty array counts as an empty object,
// because PHP encodes both as [].
func fieldsOf(text []byte, names ...string) (strictjson.Fields, error) {
	fields, err := strictjson.Parse(text)
	switch {
	case err == nil:
	case isEmptyArray(text):
		return nil, nil
	default:
		return nil, err
	}
	for _, f := range fields {
		if names != nil && !slices.Contains(names, f.Name) && string(f.Value) != "null" {
			return nil, fmt.Errorf("it contains the unknown field %.64q; known are %s", f.Name, strings.Join(names, ", "))
		}
	}
	return fields, nil
}

func isEmptyArray(text []byte) bool {
	text = bytes.TrimSpace(text)
	return len(text) >= 2 && text[0] == '[' && text[len(text)-1] == ']' && len(bytes.TrimSpace(text[1:len(text)-1])) == 0
}

// timeOf decodes a time: an RFC 3339 string, or a number of seconds since 1970.
func timeOf(value []byte) (time.Time, error) {
	if text, ok := strictjson.Text(value); ok {
		// Time zero is 1 January of the year 1 in Go and .NET. It must not mean that a session
		// does not end.
		if t, err := time.Parse(time.RFC3339, text); err == nil && t.Unix() >= 0 {
			return t, nil
		}
	}
	if t, ok := strictjson.Seconds(value); ok {
		return t, nil
	}
	return time.Time{}, errors.New("it is neither a time such as 2026-01-31T09:05:07Z nor a number of seconds since 1970 (not milliseconds)")
}

// refusalOf decodes the field refuse, {code, message}, with which the endpoint tells the
// client why it is refused. It returns nil if there is no such field.
func refusalOf(fields strictjson.Fields) (*ignis.Error, error) {
	value := fields.Value("refuse")
	if value == nil {
		return nil, nil //nolint:nilnil // not refused
	}
	inner, err := fieldsOf(value, "code", "message")
	if err != nil {
		return nil, fmt.Errorf("refuse: %w", err)
	}
	e := &ignis.Error{Code: wire.CodeForbidden}
	if code := inner.Value("code"); code != nil {
		text, _ := strictjson.Text(code)
		e.Code = wire.ErrorCode(text)
		if !slices.Contains(wire.ErrorCodes(), e.Code) {
			return nil, fmt.Errorf("refuse.code must be one of %v", wire.ErrorCodes())
		}
	}
	if message := inner.Value("message"); message != nil {
		var ok bool
		if e.Message, ok = strictjson.Text(message); !ok {
			return nil, errors.New("refuse.message is not a string")
		}
		for len(e.Message) > maxShown {
			_, n := utf8.DecodeLastRuneInString(e.Message)
			e.Message = e.Message[:len(e.Message)-n]
		}
	}
	return e, nil
}

// shownRefusal returns the refusal in an answer with a status from 400 to 499, if its body
// consists of the field refuse. Other statuses can come from a proxy or a framework.
func shownRefusal(a answer) *ignis.Error {
	if a.status < 400 || a.status > 499 {
		return nil
	}
	fields, err := fieldsOf(a.body, "refuse")
	if err != nil {
		return nil
	}
	e, err := refusalOf(fields)
	if err != nil {
		return nil
	}
	return e
}

// unexpected returns the failure for a status that does not answer the request.
func unexpected(kind string, a answer) error {
	return &failure{kind: kind, cause: CauseStatus, detail: a.detail()}
}

func malformed(kind string, err error) error {
	return &failure{kind: kind, cause: CauseMalformed, detail: err.Error()}
}

// denied reports whether a status refuses a client.
func denied(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

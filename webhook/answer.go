package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ignis-go/ignis"
	"github.com/ignis-go/ignis/wire"
)

// Answers are read strictly, because they decide who a client is and what it may do. Names
// are case-sensitive, a duplicate name is an error, and so is an unknown one: a misspelled
// expires must not make a session endless.

// maxShown is the maximum size of a message to a client, in bytes.
const maxShown = 1024

// fieldsOf returns the fields of a JSON object by name. A field that is null counts as
// absent. An empty array counts as an empty object, because PHP encodes both as [].
func fieldsOf(text []byte) (map[string]json.RawMessage, error) {
	fields := make(map[string]json.RawMessage)
	var twice string
	err := wire.EachField(text, func(key, value []byte) {
		if _, ok := fields[string(key)]; ok {
			twice = string(key)
		}
		fields[string(key)] = value
	})
	switch {
	case err != nil && isEmptyArray(text):
		return nil, nil
	case err != nil:
		return nil, errors.New("it is not a JSON object")
	case twice != "":
		return nil, fmt.Errorf("it contains %.64q twice", twice)
	}
	for name, value := range fields {
		if string(value) == "null" {
			delete(fields, name)
		}
	}
	return fields, nil
}

func isEmptyArray(text []byte) bool {
	text = bytes.TrimSpace(text)
	return len(text) >= 2 && text[0] == '[' && text[len(text)-1] == ']' && len(bytes.TrimSpace(text[1:len(text)-1])) == 0
}

// known returns an error if there is a field whose name is not one of names.
func known(fields map[string]json.RawMessage, names ...string) error {
	for name := range fields {
		if !slices.Contains(names, name) {
			return fmt.Errorf("it contains the unknown field %.64q; known are %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}

// textOf decodes a JSON string. It reports false for any other value, and for a string with
// an unpaired surrogate, which decoding replaces, so that different texts become equal.
func textOf(value []byte) (text string, ok bool) {
	if len(value) == 0 || value[0] != '"' || json.Unmarshal(value, &text) != nil || strings.ContainsRune(text, utf8.RuneError) {
		return "", false
	}
	return text, true
}

// idOf decodes an ID: a string, or an integer, which it returns as decimal text.
func idOf(value []byte) (string, bool) {
	if text, ok := textOf(value); ok {
		return text, true
	}
	_, err := strconv.ParseInt(string(value), 10, 64)
	return string(value), err == nil && string(value) != "-0"
}

// timeOf decodes a time: an RFC 3339 string, or a number of seconds since 1970.
func timeOf(value []byte) (time.Time, error) {
	if text, ok := textOf(value); ok {
		// Time zero is 1 January of the year 1 in Go and .NET. It must not mean that a session
		// does not end.
		if t, err := time.Parse(time.RFC3339, text); err == nil && t.Unix() >= 0 {
			return t, nil
		}
	}
	const last = 253402300799 // the last second of the year 9999
	f, err := strconv.ParseFloat(string(value), 64)
	if err != nil || f < 0 || f > last {
		return time.Time{}, errors.New("it is neither a time such as 2026-01-31T09:05:07Z nor a number of seconds since 1970 (not milliseconds)")
	}
	whole, part := math.Modf(f)
	return time.Unix(int64(whole), int64(part*1e9)), nil
}

// refusalOf decodes the field refuse, {code, message}, with which the endpoint tells the
// client why it is refused. It returns nil if there is no such field.
func refusalOf(fields map[string]json.RawMessage) (*ignis.Error, error) {
	value, ok := fields["refuse"]
	if !ok {
		return nil, nil //nolint:nilnil // not refused
	}
	inner, err := fieldsOf(value)
	if err == nil {
		err = known(inner, "code", "message")
	}
	if err != nil {
		return nil, fmt.Errorf("refuse: %w", err)
	}
	e := &ignis.Error{Code: wire.CodeForbidden}
	if code, ok := inner["code"]; ok {
		text, _ := textOf(code)
		e.Code = wire.ErrorCode(text)
		if !slices.Contains(wire.ErrorCodes(), e.Code) {
			return nil, fmt.Errorf("refuse.code must be one of %v", wire.ErrorCodes())
		}
	}
	if message, ok := inner["message"]; ok {
		if e.Message, ok = textOf(message); !ok {
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
	fields, err := fieldsOf(a.body)
	if err != nil || known(fields, "refuse") != nil {
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

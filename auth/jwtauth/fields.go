package jwtauth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/ignis-go/ignis/wire"
)

// fields are the fields of a JSON object. Objects in tokens have few, so a list takes less
// memory than a map.
type fields []field

type field struct {
	name  string
	value []byte // valid JSON; shares memory with the object's text
}

// get returns the value of the field with exactly this name, or nil.
func (f fields) get(name string) []byte {
	for i := range f {
		if f[i].name == name {
			return f[i].value
		}
	}
	return nil
}

var (
	errNotObject = errors.New("it is not a JSON object")
	errDuplicate = errors.New("a name occurs twice in it")
)

// manyFields is the number of fields from which on duplicates are found with a map.
const manyFields = 16

// parseFields returns the fields of a JSON object. A duplicate name is an error, because
// parsers differ in which of the values they use. Nested objects are not searched for
// duplicates.
func parseFields(text []byte) (fields, error) {
	list := make(fields, 0, 8)
	var seen map[string]bool
	duplicate := false
	err := wire.EachField(text, func(key, value []byte) {
		name := string(key)
		switch {
		case len(list) < manyFields:
			duplicate = duplicate || list.get(name) != nil
		default:
			if seen == nil {
				seen = make(map[string]bool)
				for _, f := range list {
					seen[f.name] = true
				}
			}
			duplicate = duplicate || seen[name]
			seen[name] = true
		}
		list = append(list, field{name, value})
	})
	switch {
	case err != nil:
		return nil, errNotObject
	case duplicate:
		return nil, errDuplicate
	}
	return list, nil
}

func absent(value []byte) bool { return value == nil || string(value) == "null" }

// textOf decodes a JSON string. It reports false for any other value, and for a string with
// an unpaired surrogate. Decoding replaces all of these with U+FFFD, so different names
// would become equal.
func textOf(value []byte) (text string, ok bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	plain := value[1 : len(value)-1]
	for _, b := range plain {
		if b == '\\' || b >= utf8.RuneSelf {
			if json.Unmarshal(value, &text) != nil || strings.ContainsRune(text, utf8.RuneError) {
				return "", false
			}
			return text, true
		}
	}
	return string(plain), true
}

// textsOf decodes a JSON array of strings.
func textsOf(value []byte) (list []string, ok bool) {
	var items []json.RawMessage
	if len(value) == 0 || value[0] != '[' || json.Unmarshal(value, &items) != nil {
		return nil, false
	}
	for _, item := range items {
		text, ok := textOf(item)
		if !ok {
			return nil, false
		}
		list = append(list, text)
	}
	return list, true
}

// strictBase64 is canonical base64url without padding. Unless it is strict,
// package base64 ignores unused bits.
var strictBase64 = base64.RawURLEncoding.Strict()

// decodePart decodes canonical base64url. Package base64 skips line breaks.
func decodePart(part string) ([]byte, bool) {
	if strings.ContainsAny(part, "\r\n") {
		return nil, false
	}
	text, err := strictBase64.DecodeString(part)
	return text, err == nil
}

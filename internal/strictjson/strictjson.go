// Package strictjson reads JSON that decides who a client is and what it may do, such as
// tokens and the answers of webhooks. Names are compared exactly, a duplicate name is an
// error, and different texts never become equal.
package strictjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ignis-go/ignis/wire"
)

// Fields are the fields of a JSON object. Such objects have few, so a list takes less memory
// than a map.
type Fields []Field

// Field is a field of a JSON object.
type Field struct {
	Name  string
	Value []byte // valid JSON; shares memory with the object's text
}

// Raw returns the value of the field with exactly this name, or nil.
func (f Fields) Raw(name string) []byte {
	for i := range f {
		if f[i].Name == name {
			return f[i].Value
		}
	}
	return nil
}

// Value is like Raw, but a field that is null counts as missing.
func (f Fields) Value(name string) []byte {
	if value := f.Raw(name); string(value) != "null" {
		return value
	}
	return nil
}

// ErrNotObject reports that a text is not a JSON object.
var ErrNotObject = errors.New("it is not a JSON object")

// DuplicateError reports that an object contains a name twice. Parsers differ in which of the
// values they use.
type DuplicateError struct{ Name string }

func (e *DuplicateError) Error() string { return fmt.Sprintf("it contains %.64q twice", e.Name) }

// many is the number of fields from which on duplicates are found with a map.
const many = 16

// Parse returns the fields of a JSON object. The error is [ErrNotObject] or a
// [*DuplicateError]. Nested objects are not searched for duplicates.
func Parse(text []byte) (Fields, error) {
	list := make(Fields, 0, 8)
	var seen map[string]bool
	var twice *DuplicateError
	err := wire.EachField(text, func(key, value []byte) {
		name := string(key)
		known := false
		switch {
		case len(list) < many:
			known = list.Raw(name) != nil
		default:
			if seen == nil {
				seen = make(map[string]bool)
				for _, f := range list {
					seen[f.Name] = true
				}
			}
			known = seen[name]
			seen[name] = true
		}
		if known {
			twice = &DuplicateError{name}
		}
		list = append(list, Field{name, value})
	})
	switch {
	case err != nil:
		return nil, ErrNotObject
	case twice != nil:
		return nil, twice
	}
	return list, nil
}

// Text decodes a JSON string. It reports false for any other value, and for a string with an
// unpaired surrogate: decoding replaces all of these with U+FFFD, so different texts would
// become equal. The value must be valid JSON, or nil.
func Text(value []byte) (text string, ok bool) {
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

// Texts decodes a JSON array of strings, like Text.
func Texts(value []byte) (list []string, ok bool) {
	var items []json.RawMessage
	if len(value) == 0 || value[0] != '[' || json.Unmarshal(value, &items) != nil {
		return nil, false
	}
	for _, item := range items {
		text, ok := Text(item)
		if !ok {
			return nil, false
		}
		list = append(list, text)
	}
	return list, true
}

// ID decodes an ID, which is a string or a 64-bit integer. An integer is returned as it is
// written. Numbers with a fraction or an exponent, and -0, are refused, because they are
// other texts for the same number. The value must be valid JSON, or nil.
func ID(value []byte) (id string, ok bool) {
	if id, ok := Text(value); ok {
		return id, true
	}
	id = string(value)
	_, signed := strconv.ParseInt(id, 10, 64)
	_, unsigned := strconv.ParseUint(id, 10, 64)
	if id == "-0" || signed != nil && unsigned != nil {
		return "", false
	}
	return id, true
}

// lastSecond is the last second of the year 9999 since 1970.
const lastSecond = 253402300799

// Seconds decodes a number of seconds since 1970, possibly with a fraction, up to the year
// 9999. The value must be valid JSON, or nil.
func Seconds(value []byte) (time.Time, bool) {
	f, err := strconv.ParseFloat(string(value), 64)
	if err != nil || f < 0 || f > lastSecond {
		return time.Time{}, false
	}
	whole, part := math.Modf(f)
	return time.Unix(int64(whole), int64(part*1e9)), true
}
